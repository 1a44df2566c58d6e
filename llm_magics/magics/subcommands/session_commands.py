"""Subcommands about the session: help, tokens, the playground, the installation."""

from __future__ import annotations

from ... import __version__, doctor
from ...errors import UsageError
from ...sanitize import safe_print
from .. import settings
from ..output import view_for
from ..parsing.cell_request import CellRequest
from .base import CommandHost, Subcommand, one_of


def _tokens(magics: CommandHost, request: CellRequest) -> None:
    """Show the last answer's tokens, or switch it on or off for all that follow."""
    if switch := request.prompt:
        magics.tokens_on = switch == "on"
        return safe_print(
            "Every answer is shown as its tokens." if magics.tokens_on else "Answers are shown as text."
        )
    newest = magics.models.active
    last = newest.last if newest else None
    if last is None:
        raise UsageError("there is no answer yet", hint="Ask something first: %llm Why is the sky blue?")
    view_for(magics.shell, magics.streams, quiet=False).finish(last, tokens=True)
    return None


def _playground(magics: CommandHost, request: CellRequest) -> None:
    from IPython.display import display

    if getattr(magics.shell, "kernel", None) is None:
        raise UsageError("a playground needs a notebook", hint="Run it in JupyterLab.")
    display(magics.playground())  # type: ignore[no-untyped-call]  # IPython has no types for it


def _config(magics: CommandHost, request: CellRequest) -> None:
    safe_print(settings.table(magics.settings))


COMMANDS = {
    "config": Subcommand(
        "%llm config",
        "show every setting, its value and where it comes from",
        _config,
        details="Sources, the later ones first: %config, LLM_MAGICS_… of the environment, "
        "[tool.llm-magics] of pyproject.toml, ipython_config.py.",
    ),
    "tokens": Subcommand(
        "%llm tokens [on|off]",
        "show the tokens of the last answer; on, off: of every answer",
        _tokens,
        one_of("on", "off"),
    ),
    "playground": Subcommand("%llm playground", "an interactive chat with settings and tokens", _playground),
    "doctor": Subcommand(
        "%llm doctor",
        "check the installation, and say how to repair it",
        lambda magics, request: safe_print(doctor.report(doctor.run_checks())),
    ),
    "version": Subcommand(
        "%llm version", "show the version", lambda magics, request: safe_print(__version__)
    ),
}
