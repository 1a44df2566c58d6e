"""Messages and a chat template → the prompt's text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..errors import TemplateError
from . import template_process
from .messages import check_messages

MAX_TEMPLATE = 64 << 10  # characters

Messages = Sequence[Mapping[str, Any]]


def render(
    messages: Messages,
    template: str,
    *,
    bos_token: str = "",
    eos_token: str = "",
    now: datetime | None = None,
    switches: Mapping[str, bool] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
) -> str:
    """Return the prompt up to where the model answers, as transformers' ``apply_chat_template`` does.

    Args:
        messages: messages with ``role`` and ``content``; with ``tool_calls``, ``tool_call_id`` and
            ``name`` where functions are called.
        template: the Jinja chat template.
        bos_token: the text of the BOS token.
        eos_token: the text of the EOS token.
        now: what time it is, for templates that write it; None asks the clock.
        switches: further variables of the template, such as ``enable_thinking``.
        tools: schemas of functions, for templates that describe them.

    Raises:
        UsageError: a message is malformed.
        TemplateError: the template is too large, fails, reaches for what it must not, or goes over a limit.
    """
    check_messages(messages)
    if len(template) > MAX_TEMPLATE:
        raise TemplateError(
            f"the chat template has {len(template):,} characters",
            hint=f"Use a template with at most {MAX_TEMPLATE:,} characters.",
        )
    context = {
        # transformers defines both, and templates ask whether they are none
        "tools": None if tools is None else [dict(tool) for tool in tools],
        "documents": None,
        "bos_token": bos_token,
        "eos_token": eos_token,
        "add_generation_prompt": True,
        **(switches or {}),
    }
    return template_process.run(
        template, [dict(message) for message in messages], context, now or datetime.now()
    )
