"""The form of an answer and its labels, as a cell states them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import UsageError
from ...sanitize import single_line
from ..parsing.cell_request import CellRequest


def form_options(request: CellRequest, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of :meth:`Model.stream` about the form of the answer.

    Raises:
        UsageError: a name is not defined, or the form cannot be combined with another option.
    """
    stated = {
        "schema": None if request.schema is None else _schema(request.schema, namespace),
        "regex": request.regex,
        "grammar": None if request.grammar is None else _grammar(request.grammar, namespace),
    }
    options = {name: value for name, value in stated.items() if value is not None}
    if options and (request.format or request.tools):
        flag = "-f" if request.format else "--tools"
        raise UsageError(f"--{next(iter(options))} and {flag} cannot be combined", hint="Omit one of them.")
    if options and request.think:
        raise UsageError(
            f"--think and --{next(iter(options))} cannot be combined: reasoning is no part of a value",
            hint="Omit --think, or write --think off.",
        )
    return options


def labels(text: str) -> dict[str, list[str]]:
    """Read "a,b,c" or "a=x|y,b=z": labels with their spellings.

    Raises:
        UsageError: a label is empty, or stated twice.
    """
    result: dict[str, list[str]] = {}
    for part in text.split(","):
        name, _, spellings = part.strip().partition("=")
        name = name.strip()
        if not name or name in result:
            raise UsageError(
                f"--choices has {single_line(part.strip())!r:.60}, which is empty or stated twice",
                hint="Write for example --choices yes,no or --choices yes=yes|Yes,no=no|No.",
            )
        result[name] = [item for item in spellings.split("|") if item] or [name]
    return result


def _schema(text: str, namespace: Mapping[str, Any]) -> Any:
    """Return what ``--schema`` names: a variable, or the text itself where it is a schema."""
    name = text.strip()
    if name.replace(".", "").replace("_", "").isalnum() and not name[:1].isdigit():
        first, *rest = name.split(".")
        if first not in namespace:
            raise UsageError(
                f"--schema names {single_line(name)!r:.60}, which is not defined",
                hint="Run the cell that defines it, or write a schema such as 'name, age int'.",
            )
        value = namespace[first]
        for part in rest:
            value = getattr(value, part, None)
        return value
    return text


def _grammar(text: str, namespace: Mapping[str, Any]) -> Any:
    value = namespace.get(text.strip()) if text.strip().isidentifier() else text
    if not isinstance(value, str):
        raise UsageError(
            f"--grammar names {single_line(text)!r:.60}, which is no text",
            hint="Put the grammar into a variable, and write its name.",
        )
    return value
