"""Every finished row of a long run, on the disk: a run that was cut off goes on, a finished one is free.

One SQLite file in the cache folder. A row is written when it is finished, in a transaction of its own: what
was written survives the end of the process at any time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from ...errors import StoreError
from ...sources import store

_TABLE = """
CREATE TABLE IF NOT EXISTS rows (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    time REAL NOT NULL
) WITHOUT ROWID
"""
_MOST_ROWS = 500_000


class Journal:
    """Finished rows by their keys; use it in a ``with`` statement, in one thread.

    Args:
        path: of the file; None is the one of the cache folder.
        fresh: nothing is found in it: every row is computed again, and written.

    Raises:
        StoreError: the file cannot be used.
    """

    def __init__(self, path: Path | None = None, *, fresh: bool = False) -> None:
        self._fresh = fresh
        self.path = store.home() / "rows.sqlite" if path is None else Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=10, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.execute(_TABLE)
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(sqlite3.Error):
            self._prune()
        self._connection.close()

    def find(self, key: str) -> Any:
        """Return the value of a row as plain JSON; None where there is none, or where it is damaged."""
        if self._fresh:
            return None
        try:
            row = self._connection.execute("SELECT value, sha256 FROM rows WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from None
        if row is None:
            return None
        text, digest = row
        if hashlib.sha256(str(text).encode()).hexdigest() != digest:
            with suppress(sqlite3.Error):
                self._connection.execute("DELETE FROM rows WHERE key = ?", (key,))
            return None
        return json.loads(text)

    def add(self, key: str, value: Any) -> None:
        """Write a finished row.

        Raises:
            StoreError: it cannot be written.
        """
        text = json.dumps(value)
        row = (key, text, hashlib.sha256(text.encode()).hexdigest(), time.time())
        try:
            self._connection.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def _prune(self) -> None:
        """Remove the oldest rows beyond :data:`_MOST_ROWS`."""
        (count,) = self._connection.execute("SELECT count(*) FROM rows").fetchone()
        if count > _MOST_ROWS:
            self._connection.execute(
                "DELETE FROM rows WHERE key IN (SELECT key FROM rows ORDER BY time LIMIT ?)",
                (count - _MOST_ROWS,),
            )

    def _failed(self, error: Exception) -> StoreError:
        return StoreError(
            f"the journal {self.path} cannot be used: {error}",
            hint="Delete that file, or free disk space.",
        )


def open_journal(
    keep: bool | str | Path | None, on: Any, *, fresh: bool = False
) -> AbstractContextManager[Journal | None]:
    """Return the journal of a run, for a ``with`` statement.

    Args:
        keep: True is the one of the cache folder, a path is a file, False is none. None is True where the run
            has workers, whose rows are costly to lose.
        on: the workers; None where there are none.
        fresh: rows that were finished before are not read.
    """
    if keep is None:
        keep = on is not None
    if keep is False:
        return nullcontext()
    return Journal(None if keep is True else Path(keep), fresh=fresh)
