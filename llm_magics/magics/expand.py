"""``{name}`` in a prompt → its value, once. What is pasted stays text: nothing in braces is called."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from ..errors import TemplateError
from .latex import Groups

_NAME = r"[^\W\d]\w*"
_KEY = r"""-?\d+|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*\""""
_STEP = rf"\.{_NAME}|\[(?:{_KEY})\]|\[-?\d*:-?\d*\]"
# No format begins with a space: that is {key: value}, which stays.
_FIELD = re.compile(
    rf"(?P<path>{_NAME}(?:{_STEP})*)(?:!(?P<conversion>[rsa]))?(?::(?P<format>[^\s{{}}][^{{}}\n]*))?(?=\}})"
)
_BRACES = re.compile(r"\{+")
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"r": repr, "s": str, "a": ascii, "": lambda value: value}
# What an expression of --eval may be at its root. Displays such as {1, 2} and text in braces are not meant.
_ROOTS = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp, ast.IfExp)
_LONGEST, _TRIES = 500, 4  # characters of an expression; closing braces that it may hold itself
_NOTES = 3


@dataclass(frozen=True, slots=True)
class Field:
    """What braces hold: where it ends, how it is written, and how to get its text."""

    end: int
    source: str
    value: Callable[[], str]


class NoValue(Exception):
    """Why a field has no value; it then stays as text."""


def expand(text: str, namespace: Mapping[str, Any], *, evaluate: bool = False) -> tuple[str, tuple[str, ...]]:
    """Replace each ``{name}`` by its value, once: what a value holds is never looked at again.

    A field is a name with attributes, subscripts with literal keys, ``!r`` and ``:format`` as in f-strings.
    ``{{name}}`` gives ``{name}``. Everything else in braces stays text: JSON, code, LaTeX, and names that are
    not defined.

    Args:
        evaluate: let a field be any expression, which is run with the user's rights (``--eval``).

    Returns:
        The text, and a note for every field that has no value and stayed.

    Raises:
        TemplateError: with ``evaluate``, an expression fails.
    """
    out: list[str] = []
    notes: list[str] = []
    at, groups = 0, Groups(text)
    field_at = _expression if evaluate else _field
    while braces := _BRACES.search(text, at):
        if end := groups.end_at(braces.start()):
            out.append(text[at:end])
            at = end
            continue
        out.append(text[at : braces.start()])
        opened, at = len(braces[0]), braces.end()
        found = field_at(text, at, namespace)
        if found is None:
            out.append(braces[0])
            continue
        closed = len(text[found.end : found.end + opened]) - len(
            text[found.end : found.end + opened].lstrip("}")
        )
        pairs, single = divmod(min(opened, closed), 2)
        try:
            inside = found.value() if single else found.source
        except NoValue as why:
            notes.append(f"{{{found.source}}} stayed as text: {why}")
            out.append(braces[0])
            continue
        out += ["{" * (opened - 2 * pairs - single + pairs), inside, "}" * pairs]
        at = found.end + 2 * pairs + single
    out.append(text[at:])
    return "".join(out), tuple(dict.fromkeys(notes))


def note(left: tuple[str, ...]) -> str:
    """One line about the fields that stayed as text; nothing where none did."""
    more = f"; and {len(left) - _NOTES} more" if len(left) > _NOTES else ""
    return "; ".join(left[:_NOTES]) + more


def _field(text: str, begin: int, namespace: Mapping[str, Any]) -> Field | None:
    """The field that begins at ``begin``, right after its brace; None where it is just text."""
    found = _FIELD.match(text, begin)
    if found is None:
        return None

    def value() -> str:
        if any(int(number) > 999 for number in re.findall(r"\d+", found["format"] or "")):
            raise NoValue("its format is too wide")
        return _formatted(_looked_up(found["path"], namespace), found["conversion"], found["format"])

    return Field(found.end(), found[0], value)


def _looked_up(path: str, namespace: Mapping[str, Any]) -> Any:
    """The value of a name, its attributes and its items. Nothing is called but what reading them calls."""
    name = re.match(_NAME, path)
    assert name is not None  # _FIELD begins with one
    if name[0] not in namespace:
        near = get_close_matches(name[0], [key for key in namespace if not key.startswith("_")], 2)
        raise NoValue(f"there is no variable {name[0]}" + (f" ({' or '.join(near)}?)" if near else ""))
    value = namespace[name[0]]
    for step in re.findall(_STEP, path[name.end() :]):
        if step.startswith(".__"):
            raise NoValue(f"{step[1:]} is not read")
        try:
            value = getattr(value, step[1:]) if step[0] == "." else value[_key(step[1:-1])]
        except Exception as error:
            what = type(error).__name__
            raise NoValue(f"{step} fails ({what})" if step[0] == "[" else f"it has no {step[1:]}") from error
    return value


def _key(source: str) -> Any:
    if source[0] in "'\"" or ":" not in source:
        return ast.literal_eval(source)
    return slice(*(int(part) if part else None for part in source.split(":")))


def _formatted(value: Any, conversion: str | None, spec: str | None) -> str:
    try:
        return format(_CONVERSIONS[conversion or ""](value), spec or "")
    except Exception as error:
        raise NoValue(f"it cannot be written so ({type(error).__name__})") from error


def _expression(text: str, begin: int, namespace: Mapping[str, Any]) -> Field | None:
    """As :func:`_field`, for any expression that ends before a brace."""
    head = text[begin : begin + 1]
    if not (head.isidentifier() or head == "("):
        return None
    close = begin
    for _ in range(_TRIES):  # an expression may hold a brace itself: {d["}"]}
        close = text.find("}", close + 1, begin + _LONGEST)
        if close < 0:
            return None
        for source, conversion, spec in _cuts(text[begin:close]):
            try:
                tree = ast.parse(source, mode="eval")
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue
            if isinstance(tree.body, _ROOTS):
                whole = text[begin:close]
                return Field(close, whole, partial(_evaluated, whole, tree, conversion, spec, namespace))
    return None


def _cuts(inside: str) -> Iterator[tuple[str, str | None, str]]:
    """Every way to read it as expression, conversion and format, the whole as an expression first."""
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
        return format(_CONVERSIONS[conversion or ""](value), spec)
    except Exception as error:
        raise TemplateError(
            f"{{{source}}} in the cell failed: {type(error).__name__}: {error}",
            hint=f"for the braces themselves write {{{{{source}}}}}, or leave out --eval",
        ) from error
