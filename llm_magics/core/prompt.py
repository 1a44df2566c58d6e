"""Messages + chat template → the text the model reads.

A template comes with the model, so it is untrusted: it runs in Jinja's immutable sandbox, with limits on its size, on what it
writes and on the time it takes. A message is untrusted too: it must not be able to speak for another role, so whoever encodes
the text reads special tokens only in the template's own parts (:class:`Segment`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import TemplateError, UsageError

MAX_TEMPLATE = 64 << 10  # characters
MAX_OUTPUT = 8 << 20  # characters
MAX_SECONDS = 1.0
MAX_STEPS = 100_000  # iterations of all loops together
_PADDING = {"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map"}  # one call can fill the memory
ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a rendered prompt; in a trusted one special tokens mean what they say."""

    text: str
    trusted: bool


def check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise UsageError unless every message has a known role and a text."""
    if not messages:
        raise UsageError("there are no messages", hint='pass at least {"role": "user", "content": "…"}')
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping) or message.get("role") not in ROLES or not isinstance(message.get("content"), str):
            raise UsageError(
                f"message {number} must have a role ({', '.join(ROLES)}) and a text as content, got {message!r:.80}",
                hint='write {"role": "user", "content": "…"}',
            )


def render(
    messages: Sequence[Mapping[str, str]], template: str, *, bos_token: str = "", eos_token: str = "",
    add_generation_prompt: bool = True,
) -> str:  # fmt: skip
    """The prompt's text, as transformers' ``apply_chat_template`` makes it.

    Raises:
        UsageError: a message is malformed.
        TemplateError: the template is too large, fails, reaches for what it must not, or does not come to an end.
    """
    check_messages(messages)
    return _run(messages, template, bos_token=bos_token, eos_token=eos_token, add_generation_prompt=add_generation_prompt)


def segments(
    messages: Sequence[Mapping[str, str]], template: str, *, bos_token: str = "", eos_token: str = ""
) -> list[Segment]:
    """The same text in parts: the template's own (trusted) and the messages' (not).

    Each content is replaced by a random mark for the rendering and put back after it. A template that trims its messages
    does so with the content as it will be put back only if marks come back whole; if any does not, everything is untrusted.
    """
    check_messages(messages)
    nonce = secrets.token_hex(8)
    marks = [f"\ue000{nonce}.{number}\ue001" for number in range(len(messages))]
    marked = [{**message, "content": mark} for message, mark in zip(messages, marks, strict=True)]
    tokens: dict[str, Any] = {"bos_token": bos_token, "eos_token": eos_token}
    rest = _run(marked, template, **tokens, add_generation_prompt=True)
    whole = render(messages, template, **tokens)
    parts: list[Segment] = []
    for message, mark in zip(messages, marks, strict=True):
        before, found, rest = rest.partition(mark)
        if not found:
            return [Segment(whole, False)]
        content = message["content"]
        if before + content not in whole:  # the template trims
            content = content.strip()
        parts += [Segment(before, True), Segment(content, False)]
    parts.append(Segment(rest, True))
    return parts if "".join(part.text for part in parts) == whole else [Segment(whole, False)]


def _run(messages: Sequence[Mapping[str, str]], template: str, **context: Any) -> str:
    from jinja2 import TemplateError as JinjaError

    if len(template) > MAX_TEMPLATE:
        raise TemplateError(
            f"the chat template has {len(template):,} characters", hint=f"at most {MAX_TEMPLATE:,} are accepted"
        )
    budget = _Budget()
    try:
        compiled = _environment(budget).from_string(template)
        out: list[str] = []
        size = 0
        for piece in compiled.generate(messages=[dict(message) for message in messages], **context):
            size += len(piece)
            budget.check(size)
            out.append(piece)
    except TemplateError:
        raise
    except (
        JinjaError,
        ArithmeticError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        MemoryError,
    ) as error:
        raise TemplateError(
            f"the model's chat template failed: {type(error).__name__}: {error}",
            hint="check the messages' order and roles, or continue raw text with --raw",
        ) from error
    return "".join(out)


class _Budget:
    """Ends a template that runs on: by the clock, by its loops' steps, by what it has written."""

    def __init__(self) -> None:
        self._steps, self._end = 0, time.monotonic() + MAX_SECONDS

    def check(self, size: int = 0) -> None:
        self._steps += 1
        if size > MAX_OUTPUT or self._steps > MAX_STEPS or time.monotonic() > self._end:
            raise TemplateError("the model's chat template does not come to an end", hint="continue raw text with --raw")

    def counted(self, items: Any) -> Iterator[Any]:
        for item in items:
            self.check()
            yield item


def _environment(budget: _Budget) -> Any:
    """A fresh sandbox whose loops all draw on the budget."""
    from datetime import datetime

    from jinja2 import nodes
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Budgeted(ImmutableSandboxedEnvironment):
        """Every ``for`` walks through ``_counted``; strings cannot be multiplied beyond the output limit."""

        intercepted_binops = frozenset({"*", "**"})

        def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
            return attr not in _PADDING and super().is_safe_attribute(obj, attr, value)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            numbers = isinstance(left, (int, float)) and isinstance(right, (int, float))
            if operator == "**" or (not numbers and _size(left) * _size(right) > MAX_OUTPUT):
                raise TemplateError(
                    f"the model's chat template uses {operator} without bound", hint="continue raw text with --raw"
                )
            return super().call_binop(context, operator, left, right)

        def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
            tree = super()._parse(source, name, filename)
            for loop in tree.find_all(nodes.For):
                loop.iter = nodes.Call(nodes.Name("_counted", "load"), [loop.iter], [], None, None, lineno=loop.lineno)
            tree.set_environment(self)
            return tree

    def raise_exception(message: str) -> None:
        raise TemplateError(f"the model's chat template says: {message}", hint="check the messages' order and roles")

    extensions: list[str | type[Extension]] = ["jinja2.ext.loopcontrols"]
    environment = Budgeted(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.globals.update(
        _counted=budget.counted,
        raise_exception=raise_exception,
        strftime_now=lambda form: datetime.now().strftime(form),
    )
    environment.filters["tojson"] = _tojson
    for name in _PADDING & environment.filters.keys():
        del environment.filters[name]
    return environment


def _size(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else abs(int(value)) if isinstance(value, (int, float)) else 1


def _tojson(value: Any, indent: int | None = None) -> str:
    """As transformers has it: no HTML escaping."""
    import json

    return json.dumps(value, ensure_ascii=False, indent=indent)
