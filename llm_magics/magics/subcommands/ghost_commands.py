"""``%llm ghost``: suggestions at the cursor, and the model that makes them."""

from __future__ import annotations

import statistics

from ...errors import UsageError
from ...sanitize import safe_print, single_line
from ..ghost.model import is_here, not_here
from ..ghost.terminal import TerminalGhost, is_terminal
from ..parsing.cell_request import CellRequest
from ..parsing.option_parser import Option, read_options
from .base import CommandHost, CommandLine, Subcommand

_MODEL = Option(("--ghost-model",), "model", "the model of ghost text; the one in use where it is not stated")


def _parse(line: CommandLine) -> CellRequest | None:
    """Read nothing, "on" or "off", and the model."""
    word, _, rest = line.text.strip().partition(" ")
    if word.startswith("--"):
        word, rest = "", line.text
    if line.before or word not in ("", "on", "off"):
        return None
    options, text = read_options(rest, [_MODEL], whole=False, help="%llm ghost --help", fill=str)
    return None if text else CellRequest("ghost", word, **options)


def _ghost(magics: CommandHost, request: CellRequest) -> None:
    """Turn ghost text on or off, choose its model, or show both."""
    ghost = magics.ghost
    if request.model is not None:
        if not is_here(request.model):
            raise not_here(request.model)
        ghost.model.name = request.model
    if request.prompt and not is_terminal(magics.shell):
        raise UsageError(
            "a notebook's editor turns ghost text on and off",
            hint="Run the command Turn Ghost Text On of the command palette (Ctrl+Shift+C).",
        )
    if is_terminal(magics.shell):
        terminal = ghost.terminal = ghost.terminal or TerminalGhost(magics.shell, ghost.model)
        if request.prompt == "on":
            terminal.turn_on()
        elif request.prompt == "off":
            terminal.turn_off()
        state = "on: Control-G asks the model, Right accepts" if terminal.on else "off: %llm ghost on"
        safe_print(f"Ghost text is {state}.")
    own = ghost.model.name
    safe_print(f"Its model is {single_line(own) if own else 'the one in use'}.")
    if times := ghost.latencies:
        median = statistics.median(times) * 1000
        safe_print(f"The first word came after {median:.0f} ms (median of {len(times)}).")


COMMANDS = {
    "ghost": Subcommand(
        "%llm ghost [on|off] [--ghost-model NAME]",
        "suggestions at the cursor: their model, and on or off in a terminal",
        _ghost,
        _parse,
        strict=False,
        example="%llm ghost --ghost-model smollm2-135m-instruct",
        details="JupyterLab and Notebook 7 turn them on by the command Turn Ghost Text On of the palette. "
        "Tab accepts. In a terminal, Control-G asks.",
    )
}
