"""The messages of a conversation: how turns become messages, and which messages there may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..core.validation import check_surrogates, format_value
from ..errors import UsageError

ROLES = ("system", "user", "assistant", "tool")
_MORE = {"assistant": ("tool_calls",), "tool": ("name", "tool_call_id")}  # further fields, by role
_WORD = re.compile(r"[\w.-]{1,64}")


def as_messages(system: Iterable[tuple[str, str]], prompt: str) -> list[dict[str, str]]:
    """Return the messages of a conversation.

    Args:
        system: what was asked and answered before.
        prompt: what is asked now.
    """
    earlier = [
        {"role": role, "content": text}
        for turn in system
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]
    return [*earlier, {"role": "user", "content": prompt}]


def check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise UsageError unless every message has a known role and a sound text."""
    if not messages:
        raise UsageError(
            "the list of messages is empty", hint='Pass at least {"role": "user", "content": "…"}.'
        )
    for number, message in enumerate(messages, 1):
        if (
            not isinstance(message, Mapping)
            or message.get("role") not in ROLES
            or not isinstance(message.get("content"), str)
        ):
            raise UsageError(
                f"message {number} must have a role ({', '.join(ROLES)}) and a string as content, got "
                f"{format_value(message)}",
                hint='Write {"role": "user", "content": "…"}.',
            )
        allowed = {"role", "content", *_MORE.get(message["role"], ())}
        if more := set(message) - allowed:  # a template would write them as if they were its own
            raise UsageError(
                f"message {number} has {', '.join(map(repr, more))} too",
                hint="Use role and content only.",
            )
        _check_calls(message, number)
        for text in texts_of(message):
            check_surrogates(text)


def texts_of(message: Mapping[str, Any]) -> list[str]:
    """Return the texts of a message: its content, and the strings in the arguments of its calls."""
    texts: list[str] = []

    def noted(text: str) -> str:
        texts.append(text)
        return text

    map_texts(message, noted)
    return texts


def map_texts(message: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return a message with its content and the strings in the arguments of its calls changed."""

    def changed(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, list):
            return [changed(item) for item in value]
        if isinstance(value, dict):
            return {name: changed(item) for name, item in value.items()}
        return value

    result = {**message, "content": change(message["content"])}
    if calls := message.get("tool_calls"):
        result["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": changed(call["function"]["arguments"])}}
            for call in calls
        ]
    return result


def _check_calls(message: Mapping[str, Any], number: int) -> None:
    """Raise UsageError unless the calls and names of a message are well formed.

    A template writes them as its own words, so names have letters, digits, points and hyphens only.
    """
    words = [message[name] for name in ("name", "tool_call_id") if name in message]
    calls = message.get("tool_calls", [])
    try:
        for call in calls:
            words += [call["id"], call["type"], call["function"]["name"]]
            words += _names_in(call["function"]["arguments"], top=True)
        fits = isinstance(calls, list) and all(_WORD.fullmatch(word) for word in words)
    except (KeyError, TypeError):
        fits = False
    if not fits:
        raise UsageError(
            f"message {number} has a call with an invalid name or arguments",
            hint='Write {"id": "call00000", "type": "function", "function": {"name": "f", "arguments": {}}}.',
        )


def _names_in(value: Any, *, top: bool = False) -> list[Any]:
    """Return the names of all objects in arguments.

    Raises:
        TypeError: a value is no JSON, or the arguments are no object.
    """
    if isinstance(value, dict):
        return [*value, *(name for item in value.values() for name in _names_in(item))]
    if top or not (value is None or isinstance(value, (str, int, float, list))):
        raise TypeError
    return [name for item in value for name in _names_in(item)] if isinstance(value, list) else []
