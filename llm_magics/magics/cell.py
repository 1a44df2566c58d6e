"""A cell's text → a CellRequest. Pure: the namespace is read, nothing is loaded or shown."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError
from .expand import expand


@dataclass(frozen=True, slots=True)
class CellRequest:
    """What a cell asks for.

    Attributes:
        verb: "generate", "status" (``%llm`` alone), "help", "playground", or "tokens" (``%llm tokens
            [on|off]``, in the prompt).
        prompt: the text, its variables expanded.
        options: fields of SamplingOptions that were given.
        follow: None, or the thread to go on with: empty for that of the last answer.
        left: notes on what looked like a variable and stayed as text.
    """

    verb: str
    prompt: str = ""
    model: str | None = None
    precision: str = "auto"
    threads: int | None = None
    cache_mb: int | None = None
    file: str | None = None
    system: str | None = None
    raw: bool = False
    tokens: bool = False
    quiet: bool = False
    out: str | None = None
    follow: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One command-line option; ``convert`` is None for a switch, and ``optional`` is a value that may be left
    out.
    """

    flags: tuple[str, ...]
    name: str
    help: str
    convert: Callable[[str], Any] | None = str
    sampling: bool = True
    optional: bool = False


def _unescape(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\t", "\t")


OPTIONS = (
    Option(("-m", "--model"), "model", "NAME of a model, org/name on the Hub, or a path", sampling=False),
    Option(("-s", "--system"), "system", "TEXT of the system message", sampling=False),
    Option(("-n", "--max-tokens"), "max_tokens", "at most N new tokens (256)", int),
    Option(("-t", "--temperature"), "temperature", "0 is greedy; higher is more varied (0.7)", float),
    Option(("--top-k",), "top_k", "keep the K likeliest tokens; 0 keeps all (40)", int),
    Option(("--top-p",), "top_p", "keep the likeliest that together have probability P (0.95)", float),
    Option(("--min-p",), "min_p", "keep tokens of at least P times the best one's probability (0.05)", float),
    Option(("--repetition-penalty",), "repetition_penalty", "above 1 discourages repeating (1)", float),
    Option(("--seed",), "seed", "the same seed gives the same text (0)", int),
    Option(
        ("--stop",),
        "stop",
        "TEXT that ends the answer; \\n is a line break; may be given more than once",
        _unescape,
    ),
    Option(
        ("-c", "--continue"),
        "follow",
        "go on with the last answer's conversation, or with the thread NAME (in a line: -c=NAME)",
        sampling=False,
        optional=True,
    ),
    Option(("-o", "--out"), "out", "VAR that takes the Generation", sampling=False),
    Option(("-p", "--precision"), "precision", "auto, fp32, fp16, int8, int4 or exact", sampling=False),
    Option(("--file",), "file", "which FILE of a repository or folder that has several", sampling=False),
    Option(("--threads",), "threads", "N threads for the engine", int, sampling=False),
    Option(("--cache-mb",), "cache_mb", "N MB that conversations may keep in memory", int, sampling=False),
    Option(
        ("--tokens",),
        "tokens",
        "show how likely each token was, and what the model would rather have said",
        None,
        sampling=False,
    ),
    Option(
        ("--eval",),
        "evaluate",
        "let {…} be any expression in this cell; it is run",
        None,
        sampling=False,
    ),
    Option(("--raw",), "raw", "continue the text, with no chat template", None, sampling=False),
    Option(("-q", "--quiet"), "quiet", "show nothing", None, sampling=False),
    Option(("-h", "--help"), "help", "show this", None, sampling=False),
)
_LOADING = {"model", "precision", "threads", "file", "cache_mb"}
_SAMPLING = {option.name for option in OPTIONS if option.sampling}
_BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}
_WORD = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.DOTALL)
_QUOTED = re.compile(r"""\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'""", re.DOTALL)


def usage() -> str:
    """The help text: every option, a line each."""
    rows = [("  " + ", ".join(option.flags), option.help) for option in OPTIONS]
    width = max(len(flags) for flags, _ in rows) + 2
    return "\n".join(
        [
            "%%llm [options]      the cell is the prompt",
            "%llm [options] TEXT  the rest of the line is",
            "%llm                 the model in use",
            "%llm tokens          the last answer's tokens; 'on' or 'off': show those of every answer",
            "%llm playground      a place to try: a conversation, its settings, its tokens",
            "",
        ]
        + [f"{flags:<{width}}{text}" for flags, text in rows]
    )


def parse(line: str, cell: str | None, namespace: Mapping[str, Any]) -> CellRequest:
    """Understand a magic's line and cell.

    Raises:
        UsageError: an unknown option, a value that does not fit, unbalanced quotes, no prompt.
        TemplateError: with --eval, an expression that fails.
    """
    values, rest = _options(line, whole=cell is not None)
    if values.pop("help", False):
        return CellRequest("help")
    evaluate = values.pop("evaluate", False)
    left: tuple[str, ...] = ()
    for name in ("model", "system", "out", "precision", "file"):
        if name in values:
            values[name], more = expand(values[name], namespace, evaluate=evaluate)
            left += more
    out = values.get("out")
    if out is not None and (not out.isidentifier() or keyword.iskeyword(out)):
        raise UsageError(f"{out!r} cannot be the name of a variable", hint="for example -o answer")
    if cell is None and not values and rest in ("tokens", "tokens on", "tokens off") and "--" not in line:
        return CellRequest("tokens", rest[len("tokens") :].strip())
    if cell is None and not values and rest == "playground" and "--" not in line:
        return CellRequest("playground")
    if cell is None and not rest:
        if set(values) - _LOADING:
            raise UsageError(
                "there is no prompt", hint="write it behind the options, or use %%llm and a cell"
            )
        return CellRequest("status", **values)
    if cell is not None and rest:
        raise UsageError(
            f"{rest[:40]!r} is not an option", hint="the prompt goes into the cell; %llm TEXT takes one line"
        )
    # Every cell ends with one line break that nobody wrote.
    prompt, more = expand(rest if cell is None else cell.removesuffix("\n"), namespace, evaluate=evaluate)
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint="write something in the cell")
    options = {name: values.pop(name) for name in list(values) if name in _SAMPLING}
    return CellRequest("generate", prompt, options=options, left=left + more, **values)


def _options(line: str, *, whole: bool) -> tuple[dict[str, Any], str]:
    """The leading options, and the rest of the line as it stands.

    Args:
        whole: the line holds nothing but options, so that a word behind one is its value.
    """
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
        option = _BY_FLAG.get(flag)
        if option is None:
            near = get_close_matches(flag, _BY_FLAG, 1)
            raise UsageError(
                f"there is no option {flag}",
                hint=f"did you mean {near[0]}?" if near else "%llm --help lists them all",
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
        if option.name == "stop":
            value = (*values.get("stop", ()), value)
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
