"""Corrected cells of the errors that a session has shown; a view inserts one and never runs it."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

from ..errors import Interrupted, LLMMagicsError

_KEPT = 50  # errors


class Corrections:
    """The corrected cells of the newest errors, by what the error output of a notebook holds."""

    def __init__(self) -> None:
        self._cells: OrderedDict[str, str] = OrderedDict()

    def note(self, error: LLMMagicsError | Interrupted, shell: Any) -> None:
        """Keep the corrected cell of an error, where the error says what to replace."""
        code = running_code(shell)
        cell = corrected(code, *error.replacement) if error.replacement else None
        if cell is None:
            return
        self._cells[str(error)] = cell
        while len(self._cells) > _KEPT:
            self._cells.popitem(last=False)

    def find(self, shown: object) -> str | None:
        """Return the corrected cell of the error that an output shows; None where there is none."""
        return self._cells.get(shown) if isinstance(shown, str) else None


def running_code(shell: Any) -> str:
    """Return the source of the cell that runs; empty where the front end does not send it."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    code = ((parent or {}).get("content") or {}).get("code")
    return code if isinstance(code, str) else ""


def corrected(code: str, old: str, new: str) -> str | None:
    """Return a cell with ``new`` in the place of the first ``old`` that is a word of its own."""
    before = r"(?<![\w-])" if re.match(r"[\w-]", old) else ""
    after = r"(?![\w-])" if re.search(r"[\w-]$", old) else ""
    cell, count = re.subn(f"{before}{re.escape(old)}{after}", lambda _: new, code, count=1)
    return cell if count and cell != code else None
