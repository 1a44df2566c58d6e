"""Subcommands about answers that variables hold."""

from __future__ import annotations

import time
from pathlib import Path

from ...core import progress
from ...core.records import Generation
from ...errors import Interrupted, UsageError
from ...inspection.answers.side_by_side import SideBySide, side_by_side
from ...inspection.answers.verification import Outcome, Verification, summary, verification
from ...sanitize import single_line
from ..answers.verify import verify
from ..inspection.output import ProgressOutput
from ..parsing.cell_request import CellRequest
from .base import CommandHost, CommandLine, Subcommand, words_up_to


def _diff(magics: CommandHost, request: CellRequest) -> SideBySide:
    """Show where answers part."""
    answers = []
    for name in request.prompt.split():
        value = magics.shell.user_ns.get(name)
        if not isinstance(value, Generation):
            raise UsageError(
                f"{name!r:.60} is not a variable with an answer", hint="Run %%llm -o a and %%llm -o b first."
            )
        answers.append(value)
    record = side_by_side(answers)
    ProgressOutput(magics.shell, quiet=False).show_result(record, "")
    return record


def _verify_line(line: CommandLine) -> CellRequest | None:
    fits = len(line.words) == 1 and line.words[0].endswith(".ipynb") and not line.before
    return CellRequest("verify", line.words[0]) if fits else None


def _verify(magics: CommandHost, request: CellRequest) -> Verification:
    """Generate the answers of a notebook again with the models of this session, and show the outcomes."""
    output, began = ProgressOutput(magics.shell, quiet=False), time.monotonic()
    outcomes: list[Outcome] = []

    def again(answer: Generation) -> Generation:
        model = magics.models.model_of(answer.model)
        if model.info.fingerprint != answer.model.fingerprint:
            raise UsageError(
                f"{single_line(answer.model.name)} is not loaded", hint="Use it first: %llm use NAME."
            )
        return model.generate_again(answer)

    def record() -> Verification:
        return verification(outcomes, path=request.prompt, seconds=time.monotonic() - began)

    try:
        with output.capture_progress():
            for outcome in verify(Path(request.prompt), again):
                outcomes.append(outcome)
                counts = summary([item.kind for item in outcomes])
                progress.report(f"generated {len(outcomes)} again: {counts}", None)
    except KeyboardInterrupt:
        output.show_result(record(), "")
        raise Interrupted(f"stopped after {len(outcomes)} answers") from None
    result = record()
    output.show_result(result, "")
    return result


COMMANDS = {
    "verify": Subcommand(
        "%llm verify FILE.ipynb",
        "generate the answers of a notebook again: bit-equal, within tolerance, drifted, or not run",
        _verify,
        _verify_line,
        strict=False,
        needs="the name of a notebook",
        example="%llm verify lesson.ipynb",
    ),
    "diff": Subcommand(
        "%llm diff A B",
        "show where two answers part, and what each weighed there; A and B are variables",
        _diff,
        words_up_to(2, 2),
        example="%llm diff a b",
        strict=False,
    ),
}
