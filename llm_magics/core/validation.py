"""What a caller passes: taken as it is meant, or refused in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from ..errors import UsageError

Kind = TypeVar("Kind")
_PLAIN = (str, bytes, int, float, list, tuple, dict, set)  # these say by themselves what they are

_MOST_STRENGTH = 4  # of an adapter; 1 is as it was trained


def format_value(value: object) -> str:
    """Return a value in a message: short, whatever it is."""
    try:
        words = repr(value)
    except Exception:  # a number of too many digits, or an object that fails to say what it is
        words = "a value that cannot be printed"
    kind = "" if isinstance(value, _PLAIN) or value is None else f"{type(value).__name__} "
    return f"{kind}{words[:60]}{'…' if len(words) > 60 else ''}"


def as_int(value: object) -> int | None:
    """Return a whole number, also one of NumPy's; None for everything else, truth values included."""
    if isinstance(value, bool):
        return None
    try:
        return index(value)  # type: ignore[arg-type]  # what is no number raises
    except TypeError:
        return None


def require_int(
    value: object, what: str, low: int, high: int | None = None, *, hint: str = "Omit it to use the default."
) -> int:
    """Check an integer.

    Raises:
        UsageError: the value is not an integer from ``low`` to ``high``.
    """
    number = as_int(value)
    if number is None or number < low or (high is not None and number > high):
        bound = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise UsageError(f"{what} must be an integer {bound}, got {format_value(value)}", hint=hint)
    return number


def require_float(
    value: object,
    what: str,
    low: float,
    high: float,
    *,
    above: bool = False,
    hint: str = "Omit it to use the default.",
) -> float:
    """Check a number.

    Raises:
        UsageError: the value is not a number from ``low``, or above ``above``, to ``high``.
    """
    # Compared before it is made a float: an integer may be too large for one. NaN is in no range.
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not good or (above and value == low):
        bound = f"above {low:g} and up to {high:g}" if above else f"from {low:g} to {high:g}"
        raise UsageError(f"{what} must be a number {bound}, got {format_value(value)}", hint=hint)
    return float(value)  # type: ignore[arg-type]  # `good` made it a number


def require_str(value: object, what: str) -> str:
    """Check a string.

    Raises:
        UsageError: the value is not a string, or has an unpaired surrogate.
    """
    if not isinstance(value, str):
        raise UsageError(f"{what} must be a string, got {format_value(value)}", hint="Pass a string.")
    check_surrogates(value)
    return value


def require_str_list(value: object, what: str, *, hint: str) -> list[str]:
    """Check a list of strings.

    Raises:
        UsageError: the value is not a series of strings, such as a list or a pandas column.
    """
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise UsageError(f"{what} must be a list of strings, got {format_value(value)}", hint=hint)
    result = list(value)
    if odd := [item for item in result if not isinstance(item, str)]:
        raise UsageError(f"{what} must have strings only, got {format_value(odd[0])}", hint=hint)
    return result


def require_instance(value: object, kind: type[Kind], what: str, *, hint: str) -> Kind:
    """Check the type of a value.

    Raises:
        UsageError: the value is not an instance of ``kind``.
    """
    if not isinstance(value, kind):
        raise UsageError(f"{what} must be a {kind.__name__}, got {format_value(value)}", hint=hint)
    return value


def require_path(value: Any, what: str) -> Path:
    """Check a path, and expand ``~``.

    Raises:
        UsageError: the value is not a path, or names a user that does not exist.
    """
    if not isinstance(value, (str, PathLike)):
        raise UsageError(f"{what} must be a path, got {format_value(value)}", hint="Pass a string or a Path.")
    try:
        result = Path(value).expanduser()
        str(result).encode()
    except (RuntimeError, UnicodeEncodeError, TypeError) as error:
        raise UsageError(
            f"{what} {format_value(value)} cannot be a path: {error}", hint="Correct the path."
        ) from error
    if "\0" in str(result):
        raise UsageError(f"{what} {format_value(value)} contains a NUL character", hint="Correct the path.")
    return result


def check_surrogates(text: str) -> None:
    """Check that a string can be encoded.

    Raises:
        UsageError: the value is not a string, or has an unpaired surrogate.
    """
    if not isinstance(text, str):
        raise UsageError(f"expected a string, got {type(text).__name__}", hint="Pass a string.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"character {error.start + 1} is an unpaired surrogate",
            hint='Repair it with text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").',
        ) from None


def check_strength(strength: float) -> float:
    """Check the strength of an adapter.

    Raises:
        UsageError: the value is outside of the allowed range.
    """
    return require_float(strength, "strength", 0, _MOST_STRENGTH, hint="Use 1 for the adapter as trained.")
