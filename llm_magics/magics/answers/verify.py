"""Generate the answers of a notebook again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ...core.files import json_object
from ...core.records import Generation
from ...errors import LLMMagicsError, UsageError
from ...inspection.answers.verification import Outcome, compare_again
from ...sanitize import single_line
from ...views.bundle import read_output
from ...views.mime import GENERATION_MIME

MOST_BYTES = 256 << 20  # of a notebook
_ASKS = 60  # characters


def answers_of(path: Path) -> Iterator[tuple[str, str, Generation | None, str]]:
    """Yield the cell, what it asks, the answer, and why it cannot be read, of every record in a notebook.

    Raises:
        UsageError: the file is no notebook.
    """
    try:
        cells = json_object(path, MOST_BYTES)["cells"]
        outputs = [
            (str(cell.get("execution_count") or number), asks(cell.get("source", "")), output["data"])
            for number, cell in enumerate(cells, 1)
            for output in cell.get("outputs", ())
            if GENERATION_MIME in output.get("data", {})
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{single_line(str(path))} is no notebook that can be read: {single_line(str(error), most=80)}",
            hint="Write the name of a saved notebook.",
        ) from None
    for cell, asked, data in outputs:
        try:
            yield cell, asked, read_output(data), ""
        except LLMMagicsError as error:
            yield cell, asked, None, error.message


def asks(source: Any) -> str:
    """Return the beginning of what a cell asks: its prompt, or its line where it has no other."""
    text = "".join(source) if isinstance(source, list) else source
    head, _, body = str(text).partition("\n")
    return single_line(body.strip() if head.startswith("%%") and body.strip() else head, most=_ASKS)


def verify(path: Path, again: Callable[[Generation], Generation]) -> Iterator[Outcome]:
    """Yield the outcome of every answer of a notebook.

    Args:
        path: of the notebook.
        again: generates an answer again; what it raises says why it cannot.
    """
    for cell, asked, answer, why in answers_of(path):
        if answer is None:
            yield Outcome(cell, asked, "not run", told=why)
            continue
        if answer.stop_reason == "interrupted":
            yield Outcome(cell, asked, "not run", answer, told="it was interrupted")
            continue
        try:
            repeated = again(answer.path(0))
        except LLMMagicsError as error:
            yield Outcome(cell, asked, "not run", answer, told=error.message)
            continue
        yield compare_again(cell, asked, answer.path(0), repeated)
