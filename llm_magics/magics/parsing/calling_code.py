"""Find what runs a magic: the cell, the code around the call, and whether it uses the value."""

from __future__ import annotations

import dis
import sys
from types import FrameType
from typing import Any

_RUNNERS = ("run_line_magic", "run_cell_magic")
# What follows a call with a value that is dropped, or shown as the cell's last value.
_UNUSED = ("POP_TOP", "PRINT_EXPR")


def cell_of(shell: Any) -> str | None:
    """Return the id that the front end gave the cell that runs; nbclient and papermill give none."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    result = (parent or {}).get("metadata", {}).get("cellId")
    return result if isinstance(result, str) else None


def caller() -> FrameType | None:
    """Return the code that runs the magic that is running; None where it was called as a function."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name not in _RUNNERS:
        frame = frame.f_back
    return None if frame is None else frame.f_back


def value_is_used(frame: FrameType | None) -> bool:
    """Return whether that code assigns, passes on or returns what the magic gives back.

    IPython shows what a magic returns where the magic is a cell's last expression. An answer is on the screen
    already then, so it is returned only where the calling code takes it: ``a = %llm …``.
    """
    if frame is None:
        return True
    behind = (item for item in dis.get_instructions(frame.f_code) if item.offset > frame.f_lasti)
    following = next((item for item in behind if item.opname not in ("CACHE", "NOP", "EXTENDED_ARG")), None)
    if following is None:
        return True
    printed = following.opname == "CALL_INTRINSIC_1" and following.arg == 1  # Python 3.12: INTRINSIC_PRINT
    return following.opname not in _UNUSED and not printed
