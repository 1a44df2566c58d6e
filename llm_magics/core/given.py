"""What a caller passes: taken as it is meant, or refused in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from ..errors import UsageError
from .guard import check_sound

Kind = TypeVar("Kind")
_PLAIN = (str, bytes, int, float, list, tuple, dict, set)  # these say by themselves what they are


def shown(value: object) -> str:
    """A value in a message: short, whatever it is."""
    try:
        words = repr(value)
    except Exception:  # a number of too many digits, or an object that fails to say what it is
        words = "one that cannot be written"
    kind = "" if isinstance(value, _PLAIN) or value is None else f"{type(value).__name__} "
    return f"{kind}{words[:60]}{'…' if len(words) > 60 else ''}"


def as_whole(value: object) -> int | None:
    """A whole number, also one of NumPy's; None for everything else, truth values included."""
    if isinstance(value, bool):
        return None
    try:
        return index(value)  # type: ignore[arg-type]  # what is no number raises
    except TypeError:
        return None


def whole(value: object, what: str, low: int, high: int | None = None, *, hint: str = "leave it out") -> int:
    """Raises: UsageError: it is no whole number from ``low`` to ``high``."""
    number = as_whole(value)
    if number is None or number < low or (high is not None and number > high):
        bound = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise UsageError(f"{what} must be a whole number {bound}, got {shown(value)}", hint=hint)
    return number


def number(
    value: object, what: str, low: float, high: float, *, above: bool = False, hint: str = "leave it out"
) -> float:
    """Raises: UsageError: it is no number from ``low``, or ``above`` it, to ``high``."""
    # Compared before it is made a float: an integer may be too large for one. NaN is in no range.
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not good or (above and value == low):
        bound = f"above {low:g} and up to {high:g}" if above else f"from {low:g} to {high:g}"
        raise UsageError(f"{what} must be a number {bound}, got {shown(value)}", hint=hint)
    return float(value)  # type: ignore[arg-type]  # `good` made it a number


def text(value: object, what: str) -> str:
    """Raises: UsageError: it is no text."""
    if not isinstance(value, str):
        raise UsageError(f"{what} is a text, got {shown(value)}", hint="pass a string")
    check_sound(value)
    return value


def texts(value: object, what: str, *, hint: str) -> list[str]:
    """Raises: UsageError: it is no series of texts, such as a list or a pandas column."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise UsageError(f"{what} takes a list of strings, got {shown(value)}", hint=hint)
    found = list(value)
    if odd := [each for each in found if not isinstance(each, str)]:
        raise UsageError(f"{what} takes strings, got {shown(odd[0])} among them", hint=hint)
    return found


def one_of(value: object, kind: type[Kind], what: str, *, hint: str) -> Kind:
    """Raises: UsageError: it is nothing of that kind."""
    if not isinstance(value, kind):
        raise UsageError(f"{what} is a {kind.__name__}, got {shown(value)}", hint=hint)
    return value


def path(value: Any, what: str) -> Path:
    """Raises: UsageError: it is no path, or of no user that there is."""
    if not isinstance(value, (str, PathLike)):
        raise UsageError(f"{what} is a path, got {shown(value)}", hint="pass a string or a Path")
    try:
        found = Path(value).expanduser()
        str(found).encode()
    except (RuntimeError, UnicodeEncodeError, TypeError) as error:
        raise UsageError(f"{what} {shown(value)} cannot be a path: {error}", hint="check it") from error
    if "\0" in str(found):
        raise UsageError(f"{what} {shown(value)} cannot be a path: it holds a NUL", hint="check it")
    return found
