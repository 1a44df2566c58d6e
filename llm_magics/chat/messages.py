"""The messages of a conversation: how turns become messages, and which messages there may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core.validation import check_surrogates, format_value
from ..errors import UsageError

ROLES = ("system", "user", "assistant", "tool")


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
        if more := set(message) - {"role", "content"}:  # a template would write them as if they were its own
            raise UsageError(
                f"message {number} has {', '.join(map(repr, more))} too",
                hint="Use role and content only.",
            )
        check_surrogates(message["content"])
