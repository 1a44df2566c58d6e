"""``--see above|N|name,…`` → blocks of text, each with where it comes from."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ...errors import UsageError
from ...sanitize import single_line
from .cell_log import CellLog, LoggedCell
from .describe import describe

_FENCE = "```"
_SHELL = re.compile(r"[\\/](IPython|ipykernel)[\\/]")  # frames of the shell; cells lie in files of their own
_TRACE = 6_000  # characters of a traceback, its end


@dataclass(frozen=True, slots=True)
class ContextBlock:
    """A part of the context.

    Attributes:
        origin: "cell", "variable" or "file".
        title: what it is called, such as "cell [4]".
        text: what the model reads.
    """

    origin: str
    title: str
    text: str


def collect(words: tuple[str, ...], log: CellLog, namespace: Mapping[str, Any]) -> list[ContextBlock]:
    """Return the blocks that ``--see`` asks for: cells in the order in which they ran, then variables.

    Args:
        words: the values of the option; each may be a list with commas.
        log: the cells of the session.
        namespace: the variables of the notebook.

    Raises:
        UsageError: there is no such cell or variable, or the cell says that it is not to be read.
    """
    cells: dict[int, LoggedCell] = {}
    variables: dict[str, ContextBlock] = {}
    for word in (item.strip() for value in words for item in value.split(",")):
        number = word.strip("[]")
        if word == "above":
            cells |= {cell.number: cell for cell in _readable(log)}
        elif number.isdecimal():
            cell = log.find(int(number))
            if cell is None:
                raise UsageError(
                    f"there is no cell [{number}]", hint="Use the number that stands before a cell that ran."
                )
            if cell.is_left_out:
                raise UsageError(
                    f"cell [{number}] is left out by # llm: ignore", hint="Remove that line from the cell."
                )
            cells[cell.number] = cell
        elif word in namespace:
            variables[word] = ContextBlock("variable", word, describe(namespace[word], word))
        elif word:
            near = get_close_matches(word, [name for name in namespace if not name.startswith("_")], 1)
            raise UsageError(
                f"--see got {single_line(word)!r:.60}, which is no cell and no variable",
                replacement=(word, near[0]) if near else None,
                hint=(f"Did you mean {near[0]}? " if near else "")
                + "Write above, the number of a cell, or the name of a variable.",
            )
    return [*(block_of(cell, log) for _, cell in sorted(cells.items())), *variables.values()]


def block_of(cell: LoggedCell, log: CellLog) -> ContextBlock:
    """Return a cell with its outputs as a block."""
    language = "text" if cell.is_prompt else "python"
    parts = [f"Cell [{cell.number}]:\n{_FENCE}{language}\n{cell.code.rstrip()}\n{_FENCE}"]
    value = log.value_text(cell)
    printed = cell.output.removesuffix(f"Out[{cell.number}]: {value}") if value else cell.output
    output = "\n".join(filter(None, [printed.rstrip("\n"), value]))
    if output:
        parts.append(f"Output:\n{_FENCE}\n{output}\n{_FENCE}")
    if cell.error is not None:
        parts.append(f"Error:\n{_FENCE}\n{error_text(cell.error)}\n{_FENCE}")
    return ContextBlock("cell", f"cell [{cell.number}]", "\n".join(parts))


def error_text(error: BaseException) -> str:
    """Return the traceback of an error from the user's code on, without frames of IPython."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _SHELL.search(frame.filename)]
    lines = traceback.format_list(own) + traceback.format_exception_only(type(error), error)
    text = "".join(lines).strip()
    return text if len(text) <= _TRACE else f"…{text[-_TRACE:]}"


def _readable(log: CellLog) -> list[LoggedCell]:
    """Return the cells above this one that may be read, without those of this package."""
    last = {cell.code: cell for cell in log.cells()}  # a cell that ran again counts once
    return [cell for cell in last.values() if not cell.is_prompt and not cell.is_left_out]
