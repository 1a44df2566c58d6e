"""Python types as JSON Schema, and values of JSON as objects of these types."""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import types
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal, Union

from ..errors import UsageError
from ..sanitize import single_line

Build = Callable[[Any], Any]
_PLAIN: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
    list: "array",
    dict: "object",
}
_UNIONS = (Union, types.UnionType)
_LISTS = (list, set, frozenset, collections.abc.Sequence)
_OBJECTS = (dict, collections.abc.Mapping)
_HINT = "Pass a JSON Schema, a pydantic model, a dataclass, a TypedDict, or a type such as list[str]."


def schema_of_type(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of a Python type.

    Raises:
        UsageError: the type, or one in it, has no schema.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return {}
    if isinstance(kind, typing.Hashable) and kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if origin is typing.Annotated or origin in (typing.Required, typing.NotRequired):
        return schema_of_type(arguments[0])
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in _UNIONS:
        return {"anyOf": [schema_of_type(item) for item in arguments]}
    if origin in _LISTS:
        return {"type": "array", "items": schema_of_type(arguments[0])}
    if origin is tuple:
        return _schema_of_tuple(arguments)
    if origin in _OBJECTS:
        if arguments[0] is not str:
            raise UsageError(
                f"the keys of {_name(kind)} must be str", hint="Use dict[str, …]: JSON has no other keys."
            )
        return {"type": "object", "additionalProperties": schema_of_type(arguments[1])}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [item.value for item in kind]}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _schema_of_dataclass(kind)
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        return _object(hints, [name for name in hints if name in kind.__required_keys__])
    raise UsageError(f"no schema can be made of {_name(kind)}", hint=_HINT)


def build(kind: Any, value: Any) -> Any:
    """Return a value of JSON, which is valid against the schema of a type, as an object of the type."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated or origin in (typing.Required, typing.NotRequired):
        return build(arguments[0], value)
    if origin in _UNIONS:
        fitting = next((item for item in arguments if _is_of(item, value)), None)
        return value if fitting is None else build(fitting, value)
    if origin in _LISTS:
        items = (build(arguments[0], item) for item in value)
        return list(items) if origin is collections.abc.Sequence else origin(items)
    if origin is tuple:
        kinds = [arguments[0]] * len(value) if arguments[-1:] == (...,) else arguments
        return tuple(build(item, part) for item, part in zip(kinds, value, strict=True))
    if origin in _OBJECTS:
        return {name: build(arguments[1], item) for name, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind, include_extras=True)
        return kind(**{name: build(hints[name], item) for name, item in value.items()})
    if typing.is_typeddict(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        return {name: build(hints[name], item) for name, item in value.items()}
    return float(value) if kind is float and isinstance(value, int) else value


def _schema_of_tuple(arguments: Sequence[Any]) -> dict[str, Any]:
    if arguments[-1:] == (...,):
        return {"type": "array", "items": schema_of_type(arguments[0])}
    items = [schema_of_type(item) for item in arguments]
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}


def _schema_of_dataclass(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = [item for item in dataclasses.fields(kind) if item.init]
    required = [
        item.name
        for item in fields
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    ]
    return _object({item.name: hints[item.name] for item in fields}, required)


def _object(hints: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: schema_of_type(hint) for name, hint in hints.items()},
        "required": required,
        "additionalProperties": False,
    }


def _is_of(kind: Any, value: Any) -> bool:
    """Return whether a value of JSON may be one of a type; the first of a union that fits is taken."""
    origin = typing.get_origin(kind) or kind
    if origin is Literal:
        return value in typing.get_args(kind)
    if origin is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if origin is type(None) or kind is None:
        return value is None
    if dataclasses.is_dataclass(origin) or typing.is_typeddict(origin):
        return isinstance(value, dict) and set(value) <= set(schema_of_type(origin)["properties"])
    if isinstance(origin, type) and issubclass(origin, enum.Enum):
        return any(value == item.value for item in origin)
    if origin in (*_LISTS, tuple):
        return isinstance(value, list)
    if origin in _OBJECTS:
        return isinstance(value, dict)
    return (
        isinstance(origin, type)
        and isinstance(value, origin)
        and (origin is bool or value not in (True, False) or not isinstance(value, bool))
    )


def _name(kind: Any) -> str:
    return single_line(getattr(kind, "__name__", None) or repr(kind), most=60)
