"""The options of a magic's line: shell-like words, read once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError

_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.DOTALL)
_QUOTED = re.compile(r"""\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'""", re.DOTALL)

_UNC = re.compile(r"\\\\[\w.$-]+\\[^\s\"']*$")  # \\server\share, as Windows has it


@dataclass(frozen=True, slots=True)
class Option:
    """One command-line option; ``convert`` is None for a switch, and ``optional`` is a value that may be left
    out; ``many`` one that may be given again.
    """

    flags: tuple[str, ...]
    name: str
    help: str
    convert: Callable[[str], Any] | None = str
    sampling: bool = True
    optional: bool = False
    many: bool = False


def listed(options: Sequence[Option]) -> list[str]:
    """Every option with its help, a line each."""
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
    """The leading options, and the rest of the line as it stands.

    Args:
        help: what lists them all.
        whole: the line holds nothing but options, so that a word behind one is its value.
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
        flag, equals, given = word.partition("=")
        option = by_flag.get(flag)
        if option is None:
            short = by_flag.get(word[:2])  # -n8, as getopt has it
            if short is not None and short.convert in (int, float) and not word.startswith("--"):
                option, flag, equals, given = short, word[:2], "=", word[2:]
            else:
                raise UsageError(f"there is no option {flag}", hint=_meant(flag, by_flag, help))
        if option.convert is None:
            if equals:
                raise UsageError(f"{flag} takes no value", hint=f"write just {flag}")
            values[option.name] = True
            continue
        if not equals:
            while at < len(line) and line[at].isspace():
                at += 1
            if option.optional and (not whole or line[at : at + 1] in ("", "-")):
                values[option.name] = ""
                continue
            if at == len(line):
                raise UsageError(f"{flag} needs a value", hint=f"{flag}: {option.help}")
            given, at = _word(line, at)
        given = fill(given)
        try:
            value = option.convert(given)
        except ValueError:
            raise UsageError(f"{flag} does not understand {given!r}", hint=f"{flag}: {option.help}") from None
        if option.many:
            value = (*values.get(option.name, ()), value)
        values[option.name] = value


def _meant(flag: str, known: Iterable[str], help: str) -> str:
    """What to do about an option that there is not."""
    if re.fullmatch(r"-(\d.*)?", flag):
        return f"a text that begins with - goes behind --: %llm -- {flag} …"
    flags = [*known]
    near = [each for each in flags if len(flag) > 2 and each.startswith(flag)]
    near = near or get_close_matches(flag, [each for each in flags if len(each) > 2], 1, 0.7)
    return f"did you mean {near[0]}?" if near else f"{help} lists them all"


def _word(line: str, at: int) -> tuple[str, int]:
    """One shell-like word from ``at`` on, its quotes taken off, and where it ends."""
    found = _WORD.match(line, at)
    end = found.end() if found else at
    if found is None or (end < len(line) and not line[end].isspace()):
        raise UsageError(
            f"a quote is not closed: {line[at : at + 40]}", hint="close it, or write \\' for a lone one"
        )
    if _UNC.match(found[0]):
        return found[0], end
    return _QUOTED.sub(_unquoted, found[0]), end


def _unquoted(part: re.Match[str]) -> str:
    """What a backslash or quotes stand for. A backslash protects a blank, a quote or itself; before any other
    letter it is one, as in a path of Windows and in \\n.
    """
    if part[1] is not None:
        return part[1] if part[1].isspace() or part[1] in "\"'\\" else f"\\{part[1]}"
    return _inner(part[2]) if part[2] is not None else part[3]


def _inner(text: str | None) -> str:
    """Inside double quotes a backslash protects only a quote or a backslash, as in a shell."""
    return re.sub(r'\\(["\\])', r"\1", text) if text else ""
