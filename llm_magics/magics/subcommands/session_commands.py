"""Subcommands about the session: help, tokens, the playground, the installation."""

from __future__ import annotations

from dataclasses import replace

from ... import __version__, doctor
from ...core.options import SamplingOptions
from ...errors import UsageError
from ...sanitize import safe_print
from .. import settings
from ..answers import history
from ..output import view_for
from ..parsing.cell_request import CellRequest
from .base import CommandHost, Subcommand, number_needed, one_of, words_up_to


def _tokens(magics: CommandHost, request: CellRequest) -> None:
    """Show the last answer's tokens, or switch it on or off for all that follow."""
    if switch := request.prompt:
        magics.tokens_on = switch == "on"
        return safe_print(
            "Every answer is shown as its tokens." if magics.tokens_on else "Answers are shown as text."
        )
    newest = magics.models.answering
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


def _stop(magics: CommandHost, request: CellRequest) -> None:
    """Stop the answers that are generated in the background."""
    running = [job for job in magics.jobs if not job.done]
    for job in running:
        job.stop()
    count = len(running)
    safe_print(f"{count} answer{'s' * (count != 1)} stopped." if count else "Nothing runs in the background.")


def _history(magics: CommandHost, request: CellRequest) -> None:
    on = settings.resolve(magics.settings).get("history", (False, ""))[0]
    safe_print(history.listing(request.prompt, on=bool(on)))


def _again(magics: CommandHost, request: CellRequest) -> None:
    """Ask a prompt of the history again, with the options that it had."""
    entry = history.find(int(request.prompt))
    stated = SamplingOptions.from_dict(entry.options).as_dict()
    magics.ask(replace(request, options=stated), entry.prompt or "", entry.system)


COMMANDS = {
    "stop": Subcommand(
        "%llm stop",
        "stop the answers that are generated in the background",
        _stop,
        strict=False,
    ),
    "history": Subcommand(
        "%llm history [WORDS]",
        "list the newest answers of the log, those with the words in model or prompt",
        _history,
        words_up_to(3),
        strict=False,
        details="The log is off. %config LLMMagics.history = True turns it on; it keeps prompts only with "
        "LLMMagics.history_prompts = True.",
    ),
    "again": Subcommand(
        "%llm again N",
        "ask the prompt of answer N of the history again, with its options",
        _again,
        number_needed,
        strict=False,
        needs="the number N of an answer",
        example="%llm again 12",
    ),
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
