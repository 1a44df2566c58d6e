"""The options of a magic's line: shell-like words, read once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ...errors import UsageError

_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.DOTALL)
_QUOTED = re.compile(r"""\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'""", re.DOTALL)

# Options of %%ai (jupyter-ai) and of the llm command that mean something else here.
ELSEWHERE = {
    "-x": "Use -f code to take the code out of an answer.",
    "--extract": "Use -f code to take the code out of an answer.",
    "--no-stream": "Use -q: an answer is shown as it comes, or not at all.",
    "--cid": "Use -c NAME to go on with a conversation.",
    "--conversation": "Use -c NAME to go on with a conversation.",
    "--fragment": "Use --see NAME for a variable or a cell, and {file:NAME} for a file.",
    "--attachment": "Use --see NAME for a variable or a cell, and {file:NAME} for a file.",
    "--template": "Put the text into a variable, and write {name} in the prompt.",
    "--key": "Omit it: a model on this machine needs no key.",
    "--api-key": "Omit it: a model on this machine needs no key.",
    "--log": "Use %config LLMMagics.history = True.",
    "--no-log": "Omit it: the history is off unless a setting turns it on.",
    "--max_tokens": "Did you mean --max-tokens?",
    "--model-id": "Did you mean --model?",
}
_UNC = re.compile(r"\\\\[\w.$-]+\\[^\s\"']*$")  # \\server\share, as Windows has it


@dataclass(frozen=True, slots=True)
class Option:
    """Describe one command-line option.

    ``convert`` is None for a switch; ``optional``: its value may be omitted; ``many``: it may be repeated.
    """

    flags: tuple[str, ...]
    name: str
    help: str
    convert: Callable[[str], Any] | None = str
    sampling: bool = True
    optional: bool = False
    many: bool = False


def listed(options: Sequence[Option]) -> list[str]:
    """Return every option with its help, a line each."""
    rows = [("  " + ", ".join(option.flags), option.help) for option in options]
    width = max(len(flags) for flags, _ in rows) + 2
    return [f"{flags:<{width}}{text}" for flags, text in rows]


def read_options(
    line: str,
    options: Sequence[Option],
    *,
    whole: bool,
    help: str,
    fill: Callable[[str], str] = str,
) -> tuple[dict[str, Any], str]:
    """Return the leading options, and the rest of the line as it stands.

    Args:
        line: the line of the magic.
        options: the sampling options.
        whole: the line holds nothing but options, so that a word behind one is its value.
        help: what lists them all.
        fill: puts the values of variables into an option's value, before it is converted.
    """
    by_flag = {flag: option for option in options for flag in option.flags}
    values: dict[str, Any] = {}
    at = 0
    while True:
        while at < len(line) and line[at].isspace():
            at += 1
        if not line[at:].startswith("-"):
            return values, line[at:].rstrip()
        word, at = _word(line, at)
        if word == "--":
            return values, line[at:].strip()
        flag, equals, value_text = word.partition("=")
        option = by_flag.get(flag)
        if option is None:
            short = by_flag.get(word[:2])  # -n8, as getopt has it
            if short is not None and short.convert in (int, float) and not word.startswith("--"):
                option, flag, equals, value_text = short, word[:2], "=", word[2:]
            else:
                hint = _resolve_flag(flag, by_flag, help)
                near = re.fullmatch(r"Did you mean (-\S+)\?", hint)
                raise UsageError(
                    f"unknown option {flag}",
                    hint=hint,
                    why="Nothing was run.",
                    replacement=(flag, near[1]) if near else None,
                )
        if option.convert is None:
            if equals:
                raise UsageError(f"{flag} takes no value", hint=f"Write {flag} alone.")
            values[option.name] = True
            continue
        if not equals:
            while at < len(line) and line[at].isspace():
                at += 1
            if option.optional and (not whole or line[at : at + 1] in ("", "-")):
                values[option.name] = ""
                continue
            if at == len(line):
                raise UsageError(f"{flag} needs a value", hint=f"Use {flag}: {option.help}.")
            value_text, at = _word(line, at)
        value_text = fill(value_text)
        try:
            value = option.convert(value_text)
        except ValueError:
            raise UsageError(
                f"{flag} got an invalid value: {value_text!r}", hint=f"Use {flag}: {option.help}."
            ) from None
        if option.many:
            value = (*values.get(option.name, ()), value)
        values[option.name] = value


def _resolve_flag(flag: str, known: Iterable[str], help: str) -> str:
    """Return what to do about an option that there is not."""
    if re.fullmatch(r"-(\d.*)?", flag):
        return f"Write a text that begins with - after --: %llm -- {flag} …"
    if flag in ELSEWHERE:
        return ELSEWHERE[flag]
    flags = [*known]
    near = [item for item in flags if len(flag) > 2 and item.startswith(flag)]
    near = near or get_close_matches(flag, [item for item in flags if len(item) > 2], 1, 0.7)
    return f"Did you mean {near[0]}?" if near else f"Run {help} to list all."


def _word(line: str, at: int) -> tuple[str, int]:
    """Return one shell-like word from ``at`` on, its quotes taken off, and where it ends."""
    result = _WORD.match(line, at)
    end = result.end() if result else at
    if result is None or (end < len(line) and not line[end].isspace()):
        raise UsageError(
            f"a quote is not closed: {line[at : at + 40]}", hint="Close it, or write \\' for a single one."
        )
    if _UNC.match(result[0]):
        return result[0], end
    return _QUOTED.sub(_unquote, result[0]), end


def _unquote(part: re.Match[str]) -> str:
    """Return what a backslash or quotes stand for.

    A backslash protects a blank, a quote or itself; before any other letter it is one, as in a path of
    Windows and in \\n.
    """
    if part[1] is not None:
        return part[1] if part[1].isspace() or part[1] in "\"'\\" else f"\\{part[1]}"
    return _inner(part[2]) if part[2] is not None else part[3]


def _inner(text: str | None) -> str:
    """Return inside double quotes a backslash protects only a quote or a backslash, as in a shell."""
    return re.sub(r'\\(["\\])', r"\1", text) if text else ""
