"""Subcommands about the notebook: correct or explain a cell, show the context of an answer."""

from __future__ import annotations

from ...errors import UsageError
from ...inspection.answers.cell_fix import cell_fix
from ..answers.formats import code_of
from ..context.repair import EXPLAIN, FIX, cell_to_repair, repair_prompt
from ..inspection.output import ProgressOutput
from ..parsing.cell_request import CellRequest
from ..parsing.options import LOADING, SAMPLING
from .base import CommandHost, CommandLine, Subcommand

_TAKES = (*sorted(LOADING), *sorted(SAMPLING), "format", "variable", "quiet", "tokens")


def _cell_number(line: CommandLine) -> CellRequest | None:
    """Read nothing or the number of a cell; options may stand before the subcommand."""
    text = " ".join(line.words).strip("[]")
    if len(line.words) > 1 or (text and not text.isdecimal()) or {*line.before} - {*_TAKES}:
        return None
    options = {name: value for name, value in line.before.items() if name in SAMPLING}
    rest = {name: value for name, value in line.before.items() if name not in SAMPLING}
    return CellRequest(line.name, text, options=options, **rest)


def _fix(magics: CommandHost, request: CellRequest) -> str | None:
    """Ask for a corrected cell, and show the difference; nothing is run."""
    cell = cell_to_repair(magics.log, request.prompt)
    prompt = repair_prompt(cell, magics.log, magics.shell.user_ns, fix=True)
    answer = magics.ask(request, prompt, FIX)
    try:
        code = code_of(answer.answer)
    except UsageError:
        return None  # the answer says in words what is wrong
    output = ProgressOutput(magics.shell, quiet=request.quiet)
    fix = cell_fix(cell.number, cell.code, code, answer.model)
    if not fix.head["lines"]:
        output.show_text("The corrected cell is the same as the cell.")
        return code
    output.show_result(fix, "")
    if request.format == "code":
        magics.shell.set_next_input(code, replace=False)
    elif getattr(magics.shell, "kernel", None) is None:
        output.show_text(f"%llm -f code fix {cell.number} puts the corrected cell below this one.")
    return code


def _explain(magics: CommandHost, request: CellRequest) -> None:
    cell = cell_to_repair(magics.log, request.prompt)
    magics.ask(request, repair_prompt(cell, magics.log, magics.shell.user_ns, fix=False), EXPLAIN)


def _context(magics: CommandHost, request: CellRequest) -> None:
    """Show the parts of the last prompt: what the model was given, with the tokens of each."""
    parts = magics.composition
    if parts is None:
        raise UsageError("nothing was asked yet", hint="Ask something first: %llm --see above What is this?")
    ProgressOutput(magics.shell, quiet=False).show_html(parts.to_text(), parts.to_html())


COMMANDS = {
    "fix": Subcommand(
        "%llm fix [N]",
        "correct the last cell that failed, or cell [N]; the difference is shown, and nothing is run",
        _fix,
        _cell_number,
        _TAKES,
        details="The model reads the code, the error and the types of the variables. With -f code the "
        "corrected cell is put below.",
        strict=False,
    ),
    "explain": Subcommand(
        "%llm explain [N]",
        "explain the last error, or cell [N]",
        _explain,
        _cell_number,
        _TAKES,
        strict=False,
    ),
    "context": Subcommand(
        "%llm context",
        "show what the model was given for the last answer: each part, with its tokens",
        _context,
        strict=False,
    ),
}
