"""The options of a magic's line: shell-like words, read once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError

_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.DOTALL)
_QUOTED = re.compile(r"""\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'""", re.DOTALL)


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
    line: str, options: Sequence[Option], *, whole: bool, help: str
) -> tuple[dict[str, Any], str]:
    """The leading options, and the rest of the line as it stands.

    Args:
        help: what lists them all.
        whole: the line holds nothing but options, so that a word behind one is its value.
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
            near = get_close_matches(flag, by_flag, 1)
            raise UsageError(
                f"there is no option {flag}",
                hint=f"did you mean {near[0]}?" if near else f"{help} lists them all",
            )
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
        try:
            value = option.convert(given)
        except ValueError:
            raise UsageError(f"{flag} does not understand {given!r}", hint=f"{flag}: {option.help}") from None
        if option.many:
            value = (*values.get(option.name, ()), value)
        values[option.name] = value


def _word(line: str, at: int) -> tuple[str, int]:
    """One shell-like word from ``at`` on, its quotes taken off, and where it ends."""
    found = _WORD.match(line, at)
    end = found.end() if found else at
    if found is None or (end < len(line) and not line[end].isspace()):
        raise UsageError(
            f"a quote is not closed: {line[at : at + 40]}", hint="close it, or write \\' for a lone one"
        )
    return _QUOTED.sub(lambda part: part[1] or _inner(part[2]) or part[3] or "", found[0]), end


def _inner(text: str | None) -> str:
    """Inside double quotes a backslash protects only a quote or a backslash, as in a shell."""
    return re.sub(r'\\(["\\])', r"\1", text) if text else ""
