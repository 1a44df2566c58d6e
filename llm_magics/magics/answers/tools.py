"""Functions of the notebook that a model may call: their schemas, the calls in an answer, their arguments.

A call is text that the model wrote: its name must be one of the functions that the cell names, its arguments
are checked by the type hints, and nothing of it is evaluated.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union

from ...errors import UsageError
from ...sanitize import single_line
from .call_formats import calls_of, words_before_calls

ROUNDS = 5  # answers that may hold calls
_LONGEST = 8_000  # characters of a result
_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A function, and its schema as chat templates want it."""

    name: str
    function: Callable[..., Any]
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that an answer holds; ``arguments`` as the model wrote them."""

    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        shown = ", ".join(
            f"{name}={single_line(repr(value), most=80)}" for name, value in self.arguments.items()
        )
        return f"{single_line(self.name, most=60)}({shown})"


def tools_of(names: str, namespace: Mapping[str, Any]) -> dict[str, Tool]:
    """Return the functions that ``--tools`` names, by name.

    Raises:
        UsageError: a name is no function, or a parameter has a type that has no schema.
    """
    tools = {}
    for name in filter(None, (item.strip() for item in names.split(","))):
        function = namespace.get(name)
        if not isinstance(function, (types.FunctionType, types.MethodType, types.BuiltinFunctionType)):
            raise UsageError(
                f"--tools names {single_line(name)!r:.60}, which is no function",
                hint="Choose the name of a function of the notebook.",
            )
        tools[name] = Tool(name, function, schema_of(name, function))
    if not tools:
        raise UsageError("--tools names no function", hint="Write for example --tools weather,add.")
    return tools


def schema_of(name: str, function: Callable[..., Any]) -> dict[str, Any]:
    """Return the schema of a function: its name, its docstring and its parameters by type hints.

    Raises:
        UsageError: a parameter has no type hint, or one that has no schema.
    """
    try:
        signature, hints = inspect.signature(function), typing.get_type_hints(function)
    except (TypeError, ValueError, NameError) as error:
        raise UsageError(
            f"the parameters of {name} cannot be read: {error}", hint="Add type hints."
        ) from None
    properties, required = {}, []
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise UsageError(
                f"{name} takes {parameter}, which a model cannot pass", hint="Use parameters with names."
            )
        if parameter.name not in hints:
            raise UsageError(
                f"the parameter {parameter.name} of {name} has no type hint",
                hint=f"Write for example {parameter.name}: str.",
            )
        properties[parameter.name] = _schema(hints[parameter.name], f"{name}.{parameter.name}")
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    description = (inspect.getdoc(function) or name).strip()
    parameters = {"type": "object", "properties": properties, "required": required}
    about = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": about}


def calls_in(text: str) -> Iterator[ToolCall]:
    """Yield the calls of an answer, in order; ``text`` has its special tokens spelled out."""
    for name, arguments in calls_of(text):
        yield ToolCall(name, arguments)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One answer with calls, and what the calls gave.

    Attributes:
        spelled: the answer with its special tokens spelled out.
        calls: in it, in order.
        results: of the calls.
    """

    spelled: str
    calls: tuple[ToolCall, ...]
    results: tuple[str, ...]


def steps_of(exchanges: Sequence[Exchange], *, structured: bool) -> list[dict[str, Any]]:
    """Return calls and their results as messages behind the prompt.

    Args:
        exchanges: in order.
        structured: whether the template writes calls itself, of ``tool_calls``; otherwise the text of the
            answer is repeated.
    """
    steps: list[dict[str, Any]] = []
    for exchange in exchanges:
        if not structured:
            steps.append({"role": "assistant", "content": exchange.spelled})
        for number, (call, result) in enumerate(zip(exchange.calls, exchange.results, strict=True)):
            if not structured:
                steps.append({"role": "tool", "content": result})
                continue
            id = f"call{len(steps):05}"  # 9 letters and digits: Mistral's templates take no other
            arguments = {_plain(name): value for name, value in call.arguments.items()}
            function = {"name": _plain(call.name), "arguments": arguments}
            asked = {"id": id, "type": "function", "function": function}
            # One call a message: some templates take no more. What was said stands before the first.
            said = "" if number else words_before_calls(exchange.spelled)
            steps.append({"role": "assistant", "content": said, "tool_calls": [asked]})
            answered = {"name": function["name"], "tool_call_id": id}
            steps.append({"role": "tool", "content": result, **answered})
    return steps


def _plain(name: str) -> str:
    """Return a name that a model wrote with what no name has taken out."""
    return re.sub(r"[^\w.-]", "_", name)[:64] or "_"


def checked_arguments(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments, each of the type of its parameter.

    Raises:
        ValueError: one is missing, unknown or of another type; its text is for the model.
    """
    parameters = tool.schema["function"]["parameters"]
    hints = typing.get_type_hints(tool.function)
    if unknown := [name for name in arguments if name not in parameters["properties"]]:
        raise ValueError(f"{tool.name} has no parameter {', '.join(map(str, unknown))}")
    if missing := [name for name in parameters["required"] if name not in arguments]:
        raise ValueError(f"{tool.name} needs {', '.join(missing)}")
    return {name: _value(value, hints[name], f"{tool.name}.{name}") for name, value in arguments.items()}


def result_text(value: Any) -> str:
    """Return what a function gave as the text of a message."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _schema(hint: Any, where: str) -> dict[str, Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _NAMES:
        return {"type": _NAMES[hint]}
    if origin is Literal:
        return {"type": "string", "enum": [str(item) for item in arguments]}
    if origin in (Union, types.UnionType):
        inner = [item for item in arguments if item is not type(None)]
        if len(inner) == 1:
            return _schema(inner[0], where)
    if hint is list or origin is list:
        return {"type": "array", "items": _schema(arguments[0], where) if arguments else {}}
    if hint is dict or origin is dict:
        return {"type": "object"}
    raise UsageError(
        f"the type {hint!r:.60} of {where} cannot be described to a model",
        hint="Use str, int, float, bool, list, dict, Literal or Optional of these.",
    )


def _value(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _value(value, next(item for item in arguments if item is not type(None)), where)
    if origin is Literal:
        chosen = next((item for item in arguments if item == value or str(item) == value), None)
        if chosen is None:
            raise ValueError(f"{where} must be one of {', '.join(map(str, arguments))}, got {value!r:.60}")
        return chosen
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    expected = origin or hint
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        name = getattr(expected, "__name__", str(expected))
        raise ValueError(f"{where} must be {name}, got {value!r:.60}")
    if expected is list and arguments:
        return [_value(item, arguments[0], where) for item in value]
    return value
