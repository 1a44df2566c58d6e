"""``{name}`` in a prompt → its value, once. What is pasted stays text: nothing in braces is called."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from ...core.records import Generation, Trace
from ...errors import TemplateError
from ..context.files import read_file
from .latex_braces import LatexBraces

_NAME = r"[^\W\d]\w*"
_KEY = r"""-?\d+|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\""""
_STEP = rf"\.{_NAME}|\[(?:{_KEY})\]|\[-?\d*:-?\d*\]"
# No format begins with a space: that is {key: value}, which stays.
_FIELD = re.compile(
    rf"(?P<path>{_NAME}(?:{_STEP})*)(?:!(?P<conversion>[rsa]))?(?::(?P<format>[^\s{{}}][^{{}}\n]*))?(?=\}})"
)
_FIRST = re.compile(rf"\s*\(?\s*({_NAME})")
_BRACES = re.compile(r"\{+")
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"r": repr, "s": str, "a": ascii, "": lambda value: value}
_LONGEST, _TRIES = 500, 8  # characters of an expression; closing braces that it may hold itself
_NOTES = 3
_LOOKS = 200  # braces of a prompt that are looked at for what else they may mean
_BUILTINS = frozenset(name for name in vars(builtins) if not name.startswith("_"))
_SHELL = frozenset({"exit", "quit", "get_ipython", "open", "In", "Out"})  # IPython's own; code has them too
_ABRIDGERS = ("pandas", "numpy", "polars", "torch", "xarray")


@dataclass(frozen=True, slots=True)
class Field:
    """What braces hold: where it ends, how it is written, how to get its text, and the value itself."""

    end: int
    source: str
    value: Callable[[], str]
    value_text: Callable[[], Any] = lambda: None


class NoValueError(Exception):
    """Why a field has no value; it then stays as text."""


def expand(text: str, namespace: Mapping[str, Any], *, evaluate: bool = False) -> tuple[str, tuple[str, ...]]:
    """Replace each ``{name}`` by its value, once: what a value holds is never looked at again.

    A field is a name with attributes, subscripts with literal keys, ``!r`` and ``:format`` as in f-strings.
    ``{{name}}`` gives ``{name}``. Everything else in braces stays text: JSON, code, LaTeX, and names that are
    not defined.

    Args:
        text: the text.
        namespace: the variables of the notebook.
        evaluate: let a field be any expression, which is run with the user's rights (``--eval``).

    Returns:
        The text, and a note for every field that has no value and stayed, for what looks like a field and is
        none, and for every value of which the text is a part only.

    Raises:
        TemplateError: with ``evaluate``, an expression fails.
    """
    out: list[str] = []
    notes: list[str] = []
    at, looks, groups = 0, 0, LatexBraces(text)
    field_at = _expression if evaluate else _field
    while braces := _BRACES.search(text, at):
        if end := groups.end_at(braces.start()):
            out.append(text[at:end])
            at = end
            continue
        out.append(text[at : braces.start()])
        opened, at = len(braces[0]), braces.end()
        result = field_at(text, at, namespace)
        if result is None:
            if not evaluate and opened == 1 and looks < _LOOKS:
                looks += 1
                notes.extend(_expression_notes(text, at, namespace))
            out.append(braces[0])
            continue
        closed = len(text[result.end : result.end + opened]) - len(
            text[result.end : result.end + opened].lstrip("}")
        )
        pairs, single = divmod(min(opened, closed), 2)
        try:
            inside = result.value() if single else result.source
        except NoValueError as why:
            notes.append(f"{{{result.source}}} stayed as text: {why}")
            out.append(braces[0])
            continue
        if single:
            notes.extend(_abridged_notes(result, inside))
        out += ["{" * (opened - 2 * pairs - single + pairs), inside, "}" * pairs]
        at = result.end + 2 * pairs + single
    out.append(text[at:])
    return "".join(out), tuple(dict.fromkeys(notes))


def note(left: tuple[str, ...]) -> str:
    """Return one line about the fields that stayed as text; nothing where none did."""
    more = f"; and {len(left) - _NOTES} more" if len(left) > _NOTES else ""
    return "; ".join(left[:_NOTES]) + more


def _field(text: str, begin: int, namespace: Mapping[str, Any]) -> Field | None:
    """Return the field that begins at ``begin``, right after its brace; None where it is just text."""
    result = _FIELD.match(text, begin)
    if result is None:
        return None

    def value() -> str:
        if result["path"] == "file" and result["format"] and _is_file_field(result["format"], namespace):
            return read_file(result["format"])
        if any(int(number) > 999 for number in re.findall(r"\d+", result["format"] or "")):
            raise NoValueError("its format is too wide")
        return _formatted(_lookup(result["path"], namespace), result["conversion"], result["format"])

    return Field(result.end(), result[0], value, lambda: _lookup(result["path"], namespace))


def _is_file_field(name: str, namespace: Mapping[str, Any]) -> bool:
    """Return whether ``{file:name}`` is a file: a variable of that name goes before one that is not there."""
    return "file" not in namespace or (Path.cwd() / name.strip()).is_file()


def _lookup(path: str, namespace: Mapping[str, Any]) -> Any:
    """Return the value of a name, its attributes and its items.

    Nothing is called but what reading them calls.
    """
    name = re.match(_NAME, path)
    assert name is not None  # _FIELD begins with one
    if name[0] not in namespace:
        near = get_close_matches(name[0], [key for key in namespace if not key.startswith("_")], 2)
        raise NoValueError(f"there is no variable {name[0]}" + (f" ({' or '.join(near)}?)" if near else ""))
    value = namespace[name[0]]
    for step in re.findall(_STEP, path[name.end() :]):
        if step.startswith(".__"):
            raise NoValueError(f"{step[1:]} is not read")
        try:
            value = getattr(value, step[1:]) if step[0] == "." else value[_key(step[1:-1])]
        except Exception as error:
            what = type(error).__name__
            raise NoValueError(
                f"{step} fails ({what})" if step[0] == "[" else f"it has no {step[1:]}"
            ) from error
    return value


def _key(source: str) -> Any:
    if source[0] in "'\"" or ":" not in source:
        return ast.literal_eval(source)
    return slice(*(int(part) if part else None for part in source.split(":")))


def _formatted(value: Any, conversion: str | None, spec: str | None) -> str:
    # A date takes any letters for a format: {day:k for k in x} is code.
    if spec and "%" not in spec and isinstance(value, (date, time)):
        raise NoValueError("its format has no %")
    try:
        return format(_CONVERSIONS[conversion or ""](_text_form(value)), spec or "")
    except Exception as error:
        raise NoValueError(f"it cannot be written so ({type(error).__name__})") from error


def _text_form(value: Any) -> Any:
    """Return the text of a value; of a list of answers, their texts line by line.

    Their records are thousands of letters.
    """
    if (
        isinstance(value, (list, tuple))
        and value
        and all(isinstance(item, (Generation, Trace)) for item in value)
    ):
        return "\n\n".join(str(item) for item in value)
    return value


def _abridged_notes(field: Field, text: str) -> Iterator[str]:
    """Yield a note where a table or an array is printed with its middle left out."""
    if "..." not in text and "\u2026" not in text and not re.search(r"^\s*\.\.", text, re.MULTILINE):
        return
    try:
        value = field.value_text()
        shape = tuple(map(int, value.shape))
        maker = type(value).__module__.partition(".")[0]
    except Exception:
        return
    if maker not in _ABRIDGERS or not shape:
        return
    rows, columns = f"shape {shape}", ""
    if len(shape) == 1:
        rows = f"{shape[0]:,} values"
    elif len(shape) == 2:
        rows, columns = f"{shape[0]:,} rows", f" and {shape[1]:,} columns"
    part = f"a part of its {rows}"
    if maker == "pandas":
        lines = [line for line in text.splitlines() if line.strip() and set(line.split()) - {"..", "..."}]
        foot = ("[", "Length:", "Name:", "dtype:")
        kept = sum(line[:1].strip() != "" and not line.startswith(foot) for line in lines)
        part = f"{kept:,} of its {rows}" if kept < shape[0] else f"its {rows}"
    yield f"{{{field.source}}}: {part}{columns}, as {maker} prints it"


def _expression_notes(text: str, begin: int, namespace: Mapping[str, Any]) -> Iterator[str]:
    """Yield a note where braces look like an f-string expression that needs --eval."""
    name = _FIRST.match(text, begin)
    if name is None or keyword.iskeyword(name[1]) or not (name[1] in namespace or name[1] in _BUILTINS):
        return
    result = _expression(text, begin, namespace)
    if result is None:
        return
    ours = namespace.keys() - _SHELL
    meant = name[1] in ours
    if not meant and name[1] in _BUILTINS - _SHELL and re.match(rf"\s*{_NAME}\(", result.source):
        tree = ast.parse(result.source.strip().rstrip("="), mode="eval")
        meant = any(isinstance(node, ast.Name) and node.id in ours for node in ast.walk(tree))
    if meant:
        yield f"{{{result.source}}} stayed as text: nothing is called or computed; --eval runs it"


def _expression(text: str, begin: int, namespace: Mapping[str, Any]) -> Field | None:
    """Parse a field with any expression that ends before a brace, as :func:`_field` does."""
    close = begin
    for _ in range(_TRIES):  # an expression may hold a brace itself: {d["}"]}
        close = text.find("}", close + 1, begin + _LONGEST)
        if close < 0:
            return None
        whole = text[begin:close]
        if not whole.strip():
            continue
        for source, conversion, spec in _split_field(whole):
            try:
                tree = ast.parse(source.strip(), mode="eval")
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            if _is_meant(tree.body, bool(conversion or spec)):
                return Field(close, whole, partial(_evaluated, whole, tree, conversion, spec, namespace))
        shown = re.fullmatch(r"(.*[^=!<>\s])(\s*=\s*)", whole, re.DOTALL)
        if shown:  # {n=}
            with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                tree = ast.parse(shown[1].strip(), mode="eval")
                value = partial(_evaluated, whole, tree, "r", "", namespace)
                return Field(close, whole, lambda: whole + value())  # noqa: B023  # returned at once
    return None


def _is_meant(node: ast.expr, formatted: bool) -> bool:
    """Return whether an expression in braces can be meant as one.

    Not a number ({3} is a regular expression's), nor numbers in a set ({1, 2}), nor a key of JSON ({"a":1}).
    """
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and not formatted
    if isinstance(node, ast.Tuple):
        return any(not isinstance(item, ast.Constant) for item in node.elts) and not formatted
    return not isinstance(node, (ast.Lambda, ast.Yield, ast.YieldFrom, ast.Await, ast.Starred, ast.NamedExpr))


def _split_field(inside: str) -> Iterator[tuple[str, str | None, str]]:
    """Yield every split into expression, conversion and format; the whole as an expression comes first."""
    yield inside, None, ""
    for cut in re.finditer(r"(?:!([rsa]))?(?::(?!\s)|$)", inside):
        if cut[0]:
            yield inside[: cut.start()], cut[1], inside[cut.end() :] if cut[0].endswith(":") else ""


def _evaluated(
    source: str, tree: ast.Expression, conversion: str | None, spec: str, namespace: Mapping[str, Any]
) -> str:
    try:
        # The user asked for it: it runs with the user's rights, as any cell does.
        value = eval(compile(tree, "<cell>", "eval"), dict(namespace))  # noqa: S307
        return format(_CONVERSIONS[conversion or ""](_text_form(value)), spec)
    except Exception as error:
        raise TemplateError(
            f"{{{source}}} in the cell failed: {type(error).__name__}: {error}",
            hint=f"Write {{{{{source}}}}} for literal braces, or omit --eval.",
        ) from error
