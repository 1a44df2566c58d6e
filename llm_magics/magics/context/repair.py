"""Prompts that ask for a corrected cell or for an explanation."""

from __future__ import annotations

import ast
import types
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ...errors import UsageError
from .cell_log import CellLog, LoggedCell
from .collect import block_of
from .describe import describe

_VARIABLES = 12  # that are described
FIX = (
    "You correct Python cells of a notebook. Reply with the whole corrected cell in one ```python block, and "
    "then one sentence that says what was wrong."
)
EXPLAIN = "You explain Python errors and cells to a colleague, in at most five short sentences."


def cell_to_repair(log: CellLog, number: str) -> LoggedCell:
    """Return the cell of that number, or the newest one that failed.

    Raises:
        UsageError: there is no such cell, or no cell failed.
    """
    if number:
        cell = log.find(int(number))
        if cell is None:
            raise UsageError(
                f"there is no cell [{number}]", hint="Use the number that stands before a cell that ran."
            )
        return cell
    failed = log.last_error()
    if failed is None:
        raise UsageError("no cell has failed", hint="Name a cell by its number: %llm explain 3.")
    return failed


def repair_prompt(cell: LoggedCell, log: CellLog, namespace: Mapping[str, Any], *, fix: bool) -> str:
    """Return what is asked about a cell: its code, its error, and the variables that it uses."""
    parts = [block_of(cell, log).text]
    if known := involved(cell.code, namespace):
        parts.append("Variables:\n" + "\n".join(known))
    if fix:
        parts.append("Write the corrected cell.")
    else:
        parts.append(
            "Explain the error and how to correct it." if cell.error else "Explain what this cell does."
        )
    return "\n\n".join(parts)


def involved(code: str, namespace: Mapping[str, Any]) -> list[str]:
    """Return a line for every variable that a cell uses: its type and its shape."""
    names: dict[str, None] = {}
    with suppress(SyntaxError, ValueError, RecursionError):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Name):
                names[node.id] = None
    lines = []
    for name in names:
        value = namespace.get(name)
        if value is None or isinstance(value, (types.ModuleType, types.FunctionType, type)):
            continue
        first = describe(value).partition("\n")[0]
        lines.append(f"{name}: {type(value).__name__}, {first[:200]}")
    return lines[:_VARIABLES]
