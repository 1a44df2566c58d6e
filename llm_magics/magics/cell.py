"""A cell's text → a CellRequest. Pure: the namespace is read, nothing is loaded or shown."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ..errors import TemplateError, UsageError


@dataclass(frozen=True, slots=True)
class CellRequest:
    """What a cell asks for.

    Attributes:
        verb: "generate", "status" (``%llm`` alone) or "help".
        prompt: the text, its variables expanded.
        options: fields of SamplingOptions that were given.
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
    quiet: bool = False
    out: str | None = None
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Option:
    """One command-line option; ``convert`` is None for a switch."""

    flags: tuple[str, ...]
    name: str
    help: str
    convert: Callable[[str], Any] | None = str
    sampling: bool = True


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
    Option(("-o", "--out"), "out", "VAR that takes the Generation", sampling=False),
    Option(("-p", "--precision"), "precision", "auto, fp32, fp16, int8, int4 or exact", sampling=False),
    Option(("--file",), "file", "which FILE of a repository or folder that has several", sampling=False),
    Option(("--threads",), "threads", "N threads for the engine", int, sampling=False),
    Option(("--cache-mb",), "cache_mb", "N MB that conversations may keep in memory", int, sampling=False),
    Option(("--raw",), "raw", "continue the text, with no chat template", None, sampling=False),
    Option(("-q", "--quiet"), "quiet", "show nothing", None, sampling=False),
    Option(("-h", "--help"), "help", "show this", None, sampling=False),
)
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
            "",
        ]
        + [f"{flags:<{width}}{text}" for flags, text in rows]
    )


def parse(line: str, cell: str | None, namespace: Mapping[str, Any]) -> CellRequest:
    """Understand a magic's line and cell.

    Raises:
        UsageError: an unknown option, a value that does not fit, unbalanced quotes, no prompt.
        TemplateError: a ``{expression}`` that is undefined or fails.
    """
    values, rest = _options(line)
    if values.pop("help", False):
        return CellRequest("help")
    sampling = {option.name for option in OPTIONS if option.sampling}
    for name in ("model", "system", "out", "precision", "file"):
        if name in values:
            values[name] = expand(values[name], namespace)
    out = values.get("out")
    if out is not None and (not out.isidentifier() or keyword.iskeyword(out)):
        raise UsageError(f"{out!r} cannot be the name of a variable", hint="for example -o answer")
    if cell is None:
        if not rest:
            if set(values) - {"model", "precision", "threads", "file", "cache_mb"}:
                raise UsageError(
                    "there is no prompt", hint="write it behind the options, or use %%llm and a cell"
                )
            return CellRequest("status", **values)
        prompt = expand(rest, namespace)
    else:
        if rest:
            raise UsageError(
                f"{rest[:40]!r} is no option", hint="the prompt goes into the cell; %llm TEXT takes one line"
            )
        prompt = expand(cell, namespace)
        prompt = prompt.removesuffix("\n")  # the one that every cell ends with
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint="write something in the cell")
    options = {name: values.pop(name) for name in list(values) if name in sampling}
    return CellRequest("generate", prompt, options=options, **values)


def _options(line: str) -> tuple[dict[str, Any], str]:
    """The leading options, and the rest of the line as it stands."""
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


# An expression that a {…} may hold, at its root. Displays such as {1, 2} and text in braces are not meant.
_ROOTS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp, ast.IfExp)
_CONVERSIONS: dict[str, Callable[[Any], str]] = {"r": repr, "s": str, "a": ascii}
_LONGEST = 500
_TRIES = 4


def expand(text: str, namespace: Mapping[str, Any]) -> str:
    """Replace each ``{expression}`` by its value, once: what a value holds is never looked at again.

    ``{{`` and the ``}}`` that belongs to it give single braces. Inside is a Python name, attribute,
    subscript, call, arithmetic or ``a if b else c``, with ``!r`` and ``:format`` as in f-strings; anything
    else in braces stays text, and so does ``{key: value}``: no format begins with a space here.

    Raises:
        TemplateError: a name is undefined, or the expression fails.
    """
    out: list[str] = []
    at = escaped = 0
    while (brace := _next_brace(text, at)) >= 0:
        out.append(text[at:brace])
        pair = text[brace : brace + 2]
        if pair == "{{" or (pair == "}}" and escaped):
            escaped += 1 if pair == "{{" else -1
            out.append(pair[0])
            at = brace + 2
            continue
        found = _expression(text, brace) if text[brace] == "{" else None
        if found is None:
            out.append(text[brace])
            at = brace + 1
        else:
            source, tree, conversion, spec, at = found
            out.append(_value(source, tree, conversion, spec, namespace))
    out.append(text[at:])
    return "".join(out)


def _next_brace(text: str, at: int) -> int:
    found = re.compile(r"[{}]").search(text, at)
    return found.start() if found else -1


def _expression(text: str, brace: int) -> tuple[str, ast.Expression, str, str, int] | None:
    """(source, tree, conversion, format, end) of the expression that opens at ``brace``; None where it is
    just text.
    """
    begin = brace + 1
    head = text[begin : begin + 1]
    if not (head.isidentifier() or head == "("):
        return None
    close = brace
    for _ in range(_TRIES):  # an expression may hold a brace itself: {d["}"]}
        close = text.find("}", close + 1, begin + _LONGEST)
        if close < 0:
            return None
        inside = text[begin:close]
        cuts = [(inside, "", "")]
        for cut in re.finditer(r"(?:!([rsa]))?(?::(?!\s)|$)", inside):
            if cut[0]:
                cuts.append(
                    (inside[: cut.start()], cut[1] or "", inside[cut.end() :] if cut[0].endswith(":") else "")
                )
        for source, conversion, spec in cuts:
            try:
                tree = ast.parse(source, mode="eval")
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            if isinstance(tree.body, _ROOTS):
                return source, tree, conversion, spec, close + 1
    return None


def _value(
    source: str, tree: ast.Expression, conversion: str, spec: str, namespace: Mapping[str, Any]
) -> str:
    try:
        # The user typed this expression into the cell: it runs with the user's rights, as any cell does.
        value = eval(compile(tree, "<cell>", "eval"), dict(namespace))  # noqa: S307
        return format(_CONVERSIONS[conversion](value) if conversion else value, spec)
    except NameError as error:
        name = error.name or source
        near = get_close_matches(name, [key for key in namespace if not key.startswith("_")], 3)
        known = f"did you mean {' or '.join(near)}? " if near else ""
        raise TemplateError(
            f"{{{source}}} in the cell: {name} is not defined",
            hint=f"{known}For the braces themselves write {{{{{source}}}}}",
        ) from error
    except Exception as error:
        raise TemplateError(
            f"{{{source}}} in the cell failed: {type(error).__name__}: {error}",
            hint=f"for the braces themselves write {{{{{source}}}}}",
        ) from error
