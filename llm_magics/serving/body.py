"""The body of a request of the OpenAI API → prompt and options; what cannot be done is refused by name."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.validation import format_value
from ..errors import ModelNotFound, UsageError
from ..sanitize import single_line

MOST_ALTERNATIVES = 20
_SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "seed",
)
_HARMLESS = {"user", "metadata", "store", "service_tier", "parallel_tool_calls", "stream_options"}
_NEUTRAL: dict[str, tuple[Any, ...]] = {  # fields that must have no effect
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "logit_bias": ({},),
    "suffix": ("",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
}


@dataclass(frozen=True, slots=True)
class Completion:
    """What is asked.

    Attributes:
        prompt: messages, or a text that is continued as it is.
        raw: whether it is such a text.
        options: those of :meth:`Model.stream`.
        streams: whether the tokens are sent as they come.
        logprobs: whether they are sent with their logprobs.
        usage: whether a stream ends with the counts of tokens.
    """

    prompt: Any
    raw: bool
    options: dict[str, Any]
    streams: bool
    logprobs: bool
    usage: bool


def read_body(body: Any, name: str, *, chat: bool) -> Completion:
    """Read the body of a request.

    Args:
        body: JSON.
        name: of the model that is served.
        chat: whether it is a chat completion.

    Raises:
        UsageError: a field is unknown, wrong, or cannot be served. ModelNotFound: another model is asked for.
    """
    if not isinstance(body, Mapping):
        raise UsageError("the body must be a JSON object", hint="Pass messages.")
    fields = {key: value for key, value in body.items() if value is not None}
    asked = fields.pop("model", name)
    if asked != name:
        raise ModelNotFound(
            f"this server has no model {format_value(asked)}", hint=f"Use {single_line(name)}."
        )
    for field in _HARMLESS - {"stream_options"}:
        fields.pop(field, None)
    for field, allowed in _NEUTRAL.items():
        if field in fields and fields.pop(field) not in allowed:
            raise UsageError(f"{field} is not supported", hint=f"Omit {field}.")
    streams, usage = fields.pop("stream", False), fields.pop("stream_options", {})
    prompt = _prompt(fields, chat=chat)
    alternatives, logprobs = _logprobs(fields, chat=chat)
    options = {key: fields.pop(key) for key in _SAMPLING if key in fields}
    options |= {"alternatives": alternatives, "seed": options.get("seed", secrets.randbits(31))}
    for field in ("max_completion_tokens", "max_tokens"):
        if field in fields:
            options["max_tokens"] = fields.pop(field)
    if "stop" in fields:
        stop = fields.pop("stop")
        options["stop"] = [stop] if isinstance(stop, str) else stop
    if schema := _schema(fields.pop("response_format", None)):
        options["schema"] = schema
    if fields:
        odd = ", ".join(single_line(str(field)) for field in sorted(fields)[:5])
        raise UsageError(f"unknown or unsupported fields: {odd:.200}", hint="Omit them.")
    wants_usage = isinstance(usage, Mapping) and usage.get("include_usage") is True
    return Completion(prompt, not chat, options, streams is True, logprobs, wants_usage)


def _prompt(fields: dict[str, Any], *, chat: bool) -> Any:
    if not chat:
        prompt = fields.pop("prompt", "")
        prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
        if not isinstance(prompt, str) or not prompt:
            raise UsageError("prompt must be one text", hint="Pass one prompt a request.")
        return prompt
    messages = fields.pop("messages", None)
    if not isinstance(messages, list) or not messages:
        raise UsageError("messages must be a list with one message at least", hint="Pass messages.")
    return [_message(message) for message in messages]


def _message(message: Any) -> Any:
    """Return a message with its content as one text: clients may send it in parts."""
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(message, Mapping) or not isinstance(content, list):
        return message
    if not all(isinstance(part, Mapping) and part.get("type") == "text" for part in content):
        raise UsageError("a message has a part that is no text", hint="Pass text only.")
    return {**message, "content": "".join(str(part.get("text", "")) for part in content)}


def _logprobs(fields: dict[str, Any], *, chat: bool) -> tuple[int, bool]:
    """Return the number of alternatives, and whether logprobs are wanted at all.

    Raises:
        UsageError: the number is out of its range.
    """
    wanted = fields.pop("logprobs", False)
    count = fields.pop("top_logprobs", 0) if chat else wanted
    if wanted is False:
        return 0, False
    if chat and wanted is not True:
        raise UsageError("logprobs must be true or false", hint="Use top_logprobs for their number.")
    count = 0 if count is True else count
    if type(count) is not int or not 0 <= count <= MOST_ALTERNATIVES:
        raise UsageError(
            f"the number of logprobs must be from 0 to {MOST_ALTERNATIVES}, got {format_value(count)}",
            hint=f"Use at most {MOST_ALTERNATIVES}.",
        )
    return count, True


def _schema(form: Any) -> Mapping[str, Any] | None:
    """Return the JSON Schema of a response format; None for text.

    Raises:
        UsageError: it is of another kind.
    """
    kind = form.get("type") if isinstance(form, Mapping) else None
    if form is None or kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    schema = form.get("json_schema") if kind == "json_schema" else None
    schema = schema.get("schema") if isinstance(schema, Mapping) else None
    if not isinstance(schema, Mapping):
        raise UsageError(
            "response_format must be text, json_object or json_schema",
            hint='Pass {"type": "json_schema", "json_schema": {"name": "x", "schema": {…}}}.',
        )
    return schema
