"""The log of answers, in the cache folder: off unless a setting turns it on; prompts only where asked for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ...core.records import Generation
from ...errors import StoreError, UsageError
from ...sanitize import single_line
from ...sources import store

_TABLE = """
CREATE TABLE IF NOT EXISTS answers (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,
    model TEXT NOT NULL,
    revision TEXT NOT NULL,
    precision TEXT NOT NULL,
    options TEXT NOT NULL,
    seed INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    seconds REAL NOT NULL,
    stop_reason TEXT NOT NULL,
    prompt TEXT,
    system TEXT
)
"""
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One line of the log; ``prompt`` is None where prompts are not kept."""

    id: int
    time: str
    model: str
    seed: int
    tokens: int
    seconds: float
    options: dict[str, object]
    prompt: str | None
    system: str | None


def path() -> Path:
    """Return where the log lies."""
    return store.home() / "history.sqlite"


@contextmanager
def _opened() -> Iterator[sqlite3.Connection]:
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path(), timeout=5)) as connection, connection:
            connection.execute(_TABLE)
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"{path()} cannot be used: {error}", hint="Delete that file, or set LLMMagics.history = False."
        ) from None


def log(generation: Generation, prompt: str | None, system: str | None) -> int:
    """Add an answer, and return its number; ``prompt`` None keeps no text.

    Raises:
        StoreError: the log cannot be written.
    """
    model, last = generation.model, generation.tokens[-1:]
    row = (
        datetime.now(timezone.utc).isoformat(timespec="seconds"),
        model.name,
        model.revision,
        model.precision,
        json.dumps(generation.options.to_dict()),
        _signed(generation.options.seed),
        len(generation.tokens),
        round(last[0].time_s, 3) if last else 0.0,
        generation.stop_reason,
        prompt,
        system if prompt is not None else None,
    )
    with _opened() as connection:
        cursor = connection.execute(
            "INSERT INTO answers (time, model, revision, precision, options, seed, tokens, seconds, "
            "stop_reason, prompt, system) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        return int(cursor.lastrowid or 0)


def entries(words: str = "", most: int = _SHOWN) -> list[LoggedAnswer]:
    """Return the newest answers, newest first, of which model or prompt has all of the words.

    Raises:
        StoreError: the log cannot be read.
    """
    wanted = words.split()
    condition = (
        " AND ".join(["(model || ' ' || coalesce(prompt, '')) LIKE ? ESCAPE '\\'"] * len(wanted)) or "1"
    )
    escaped = [f"%{_escaped(word)}%" for word in wanted]
    return _select(f"{condition} ORDER BY id DESC LIMIT ?", [*escaped, most])


def find(number: int) -> LoggedAnswer:
    """Return one answer of the log.

    Raises:
        UsageError: there is none of that number, or its prompt was not kept.
    """
    matches = _select("id = ?", [number])
    if not matches:
        raise UsageError(f"the history has no answer {number}", hint="Run %llm history to list them.")
    entry = matches[0]
    if entry.prompt is None:
        raise UsageError(
            f"the prompt of answer {number} was not kept",
            hint="Set %config LLMMagics.history_prompts = True to keep prompts from now on.",
        )
    return entry


def listing(words: str, *, on: bool) -> str:
    """Return the newest answers, a line each."""
    results = entries(words)
    rows = [
        f"{entry.id:>5}  {entry.time[:16].replace('T', ' ')}  {single_line(entry.model, most=28):<28}  "
        f"{entry.tokens:>5} tokens  {entry.seconds:6.1f} s  seed {entry.seed}  "
        f"{single_line(entry.prompt or '', most=50)}".rstrip()
        for entry in results
    ]
    if not rows:
        rows = ["The history is empty." if not words else "No answer has these words."]
    if not on:
        rows.append("The history is off: %config LLMMagics.history = True turns it on.")
    return "\n".join(rows)


def _select(where: str, values: list[object]) -> list[LoggedAnswer]:
    """Return the answers that meet a condition with its ``?`` filled; none where there is no log yet."""
    if not path().is_file():
        return []
    columns = "id, time, model, seed, tokens, seconds, options, prompt, system"
    with _opened() as connection:
        rows = connection.execute(f"SELECT {columns} FROM answers WHERE {where}", values)  # noqa: S608
        return [_entry(row) for row in rows]


def _entry(row: tuple[object, ...]) -> LoggedAnswer:
    id, time, model, seed, tokens, seconds, options, prompt, system = row
    return LoggedAnswer(
        int(str(id)),
        str(time),
        str(model),
        int(str(seed)) % 2**64,
        int(str(tokens)),
        float(str(seconds)),
        json.loads(str(options)),
        None if prompt is None else str(prompt),
        None if system is None else str(system),
    )


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _signed(seed: int) -> int:
    """Return a seed of 64 bits as SQLite stores it: those from 2^63 on are negative."""
    return seed - 2**64 if seed >= 2**63 else seed
