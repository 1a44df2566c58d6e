"""Subcommands about answers that variables hold."""

from __future__ import annotations

from ...core.records import Generation
from ...errors import UsageError
from ..answers.side_by_side import difference
from ..inspection.output import ProgressOutput
from ..parsing.cell_request import CellRequest
from .base import CommandHost, Subcommand, words_up_to


def _diff(magics: CommandHost, request: CellRequest) -> None:
    """Show where two answers part."""
    answers = []
    for name in request.prompt.split():
        value = magics.shell.user_ns.get(name)
        if not isinstance(value, Generation):
            raise UsageError(
                f"{name!r:.60} is not a variable with an answer", hint="Run %%llm -o a and %%llm -o b first."
            )
        answers.append(value)
    shown = difference(*answers)
    ProgressOutput(magics.shell, quiet=False).show_html(shown.to_text(), shown.to_html())


COMMANDS = {
    "diff": Subcommand(
        "%llm diff A B",
        "show where two answers part, and what each weighed there; A and B are variables",
        _diff,
        words_up_to(2, 2),
        example="%llm diff a b",
        strict=False,
    ),
}
