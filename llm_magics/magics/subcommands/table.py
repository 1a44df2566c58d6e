"""The table of subcommands, the help that is made of it, and how a line finds its subcommand."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ...errors import UsageError
from ...sanitize import safe_print
from ...sanitize import single_line as line_of
from ..inspection.subcommands import OTHER_NAMES, SUBCOMMANDS, canonical
from ..parsing.cell_request import CellRequest
from ..parsing.option_parser import Option, listed
from ..parsing.options import LOADING, OPTIONS, SAMPLING
from . import (
    conversation_commands,
    eval_commands,
    ghost_commands,
    model_commands,
    notebook_commands,
    record_commands,
    serve_commands,
    session_commands,
)
from .base import CommandLine, Subcommand

_INSPECTION = {
    name: Subcommand(
        command.usage[0],
        command.usage[1],
        lambda magics, request: magics.inspect(request),
        options=command.options,
        example=command.example,
    )
    for name, command in SUBCOMMANDS.items()
}
TABLE: Mapping[str, Subcommand] = {
    "help": Subcommand(
        "%llm help [NAME]",
        "list everything, or explain one subcommand",
        lambda magics, request: safe_print(usage(request.prompt)),
        lambda line: _parse_help(line),
    ),
    **session_commands.COMMANDS,
    **notebook_commands.COMMANDS,
    **conversation_commands.COMMANDS,
    **record_commands.COMMANDS,
    **model_commands.COMMANDS,
    **serve_commands.COMMANDS,
    **eval_commands.COMMANDS,
    **ghost_commands.COMMANDS,
    **_INSPECTION,
}
ALIASES = {
    **OTHER_NAMES,
    "list": "models",
    "conversations": "threads",
    "ls": "models",
    "licences": "licenses",
}
# Words that prompts begin with are never taken for a misspelled subcommand.
_CONFUSABLE = [name for name in (*TABLE, *ALIASES) if len(name) > 3 and TABLE[ALIASES.get(name, name)].strict]
_FEW = 3  # words of a line that may have been meant as a subcommand


def name_of(word: str) -> str:
    """Return the name of a subcommand: `logit-lens`, `lens` and `ls` have others."""
    name = canonical(word)
    return ALIASES.get(name, name)


def is_known(word: str) -> bool:
    """Return whether a word is a subcommand, or another name of one."""
    return name_of(word) in TABLE


def _parse_help(line: CommandLine) -> CellRequest | None:
    fits = not line.before and len(line.words) <= 1 and all(is_known(word) for word in line.words)
    return CellRequest("help", " ".join(line.words)) if fits else None


def usage(word: str = "") -> str:
    """Describe every option in a line; or how one subcommand is written, with its options and an example."""
    name = name_of(word)
    if name in TABLE:
        command = TABLE[name]
        own = [option for option in OPTIONS if option.name in command.options]
        parts = [f"{command.usage}  {command.help}", command.details]
        parts += [f"for example: {command.example}" if command.example else "", *(listed(own) if own else ())]
        return "\n".join([*filter(None, parts), "%llm --help lists everything"])
    return "\n".join(
        [
            "%%llm [options]      the cell is the prompt",
            "%llm [options] TEXT  the rest of the line is the prompt",
            "%llm                 show the model in use",
            *(f"{command.usage:<20} {command.help}" for command in TABLE.values()),
            "                     without [TEXT], a subcommand uses the last answer",
            "%%llm_tune           fine-tune the model on the rows in the cell; --help lists its options",
            "",
            *listed(OPTIONS),
        ]
    )


def options_of(name: str) -> list[Option]:
    """List the options of OPTIONS that a subcommand takes."""
    names = {*TABLE[name].options}
    if name in SUBCOMMANDS:
        names |= {*LOADING, "variable", "quiet", "evaluate", "help"}
        names |= SAMPLING if SUBCOMMANDS[name].samples else set()
    return [option for option in OPTIONS if option.name in names]


def parse_command(rest: str, before: Mapping[str, Any]) -> tuple[CellRequest | None, str]:
    """Read a line that begins with a subcommand.

    Args:
        rest: the line behind the leading options.
        before: these options, by name.

    Returns:
        The request, None where the line is a prompt; and a note on what may have been meant.

    Raises:
        UsageError: the subcommand cannot be meant as a prompt, and its arguments do not fit.
    """
    words = rest.split()
    if not words:
        return None, ""
    typed = words[0].removesuffix("?")
    name, asks = name_of(typed), rest.endswith("?")
    if name in TABLE and ((len(words) == 1 and asks) or words[1:] in (["--help"], ["-h"])):
        return CellRequest("help", typed), ""
    if name not in TABLE:
        near = get_close_matches(name, _CONFUSABLE, 1, 0.8) if typed.islower() else []
        return None, f"did you mean %llm {name_of(near[0])}?" if near else ""
    if words[0].endswith("?"):
        return None, ""
    command = TABLE[name]
    line = CommandLine(name, typed, tuple(words[1:]), rest[len(typed) :].lstrip(), dict(before))
    if not (asks and len(words) > 1) and (request := command.parse(line)) is not None:
        return request, ""
    if before:
        return None, ""
    if len(words) == 1 and command.needs:
        example = f"Write for example {command.example}. " if command.example else ""
        listing = "Run %llm models to list them. " if "model" in command.needs else example
        raise UsageError(
            f"{typed} needs {command.needs}", hint=f"{listing}To ask the model, write %llm -- {typed}."
        )
    if len(words) > _FEW or asks:
        return None, ""
    if command.strict and typed not in ("help", "list", "ls"):  # "help me", "list three cities"
        raise UsageError(
            f"%llm {typed} does not take {line_of(' '.join(words[1:]))!r}",
            hint=f"Write {command.usage}. To ask the model, write %llm -- {typed} …",
        )
    return None, f"taken as a prompt: %llm {typed} takes no {line_of(' '.join(words[1:]))}"
