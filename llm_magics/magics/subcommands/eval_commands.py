"""``%llm eval``: models on a multiple-choice task."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import Interrupted
from ..inspection.output import ProgressOutput
from ..parsing.cell_request import CellRequest
from ..parsing.option_parser import Option, read_options
from ..parsing.options import OPTIONS
from .base import CommandHost, CommandLine, Subcommand

if TYPE_CHECKING:
    from ...views.inspection_record import InspectionRecord

_OPTIONS = ("limit", "model", "precision", "quiet", "variable")


def _parse(line: CommandLine) -> CellRequest | None:
    """Read the path of a task, with options behind it; a line that does not fit is a prompt."""
    if not line.words or line.before or not line.words[0].endswith((".yaml", ".yml")):
        return None
    own: list[Option] = [option for option in OPTIONS if option.name in _OPTIONS]
    path, _, behind = line.text.strip().partition(" ")
    values, text = read_options(behind, own, whole=False, help="%llm eval --help", fill=str)
    if text:
        return None
    models = values.pop("model", ())
    look = {"limit": values.pop("limit")} if "limit" in values else {}
    return CellRequest("eval", path, models=tuple(models), inspection_options=look, **values)


def _evaluate(magics: CommandHost, request: CellRequest) -> InspectionRecord:
    from ...evaluation.run import evaluate

    output = ProgressOutput(magics.shell, quiet=request.quiet)
    try:
        with output.capture_progress():
            if request.models:
                models = [
                    magics.models.fetch(replace(request, model=name, models=())) for name in request.models
                ]
            else:
                models = [magics.models.use_for(request)]
            record = evaluate(request.prompt, models, limit=request.inspection_options.get("limit"))
    except KeyboardInterrupt:
        raise Interrupted("stopped without a result") from None
    output.show_result(record, "")
    if request.variable:
        magics.shell.user_ns[request.variable] = record
    return record


COMMANDS = {
    "eval": Subcommand(
        "%llm eval TASK.yaml",
        "evaluate models on a multiple-choice task of lm-evaluation-harness; -m NAME may be repeated",
        _evaluate,
        _parse,
        options=_OPTIONS,
        strict=False,
        needs="the YAML file of a task",
        example="%llm eval task.yaml --limit 100 -m default -m default:fp32",
    )
}
