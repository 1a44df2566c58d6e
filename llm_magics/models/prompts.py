"""From a prompt to the text and the token ids that the model reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..chat.prompt import render
from ..chat.provenance import is_neutral, split_by_origin
from ..core import validation
from ..engine.base import Tokenizer
from ..errors import UsageError

Prompt = str | Sequence[Mapping[str, str]]


class PromptEncoder:
    """Turn prompts into token ids.

    Args:
        tokenizer: text ↔ token ids.
        template: the chat template (Jinja); None where the model only continues text.
    """

    def __init__(self, tokenizer: Tokenizer, template: str | None) -> None:
        self._tokenizer, self.template = tokenizer, template

    def render(self, prompt: Prompt, system: str | None, raw: bool) -> str:
        """Return the text that the model reads.

        Raises:
            UsageError: the prompt is not a text or a list of messages, or it needs a template.
        """
        messages = self._messages(prompt, system, raw)
        if isinstance(messages, str):
            return messages
        return render(messages, self.template or "", **self._special_texts())

    def encode(
        self,
        prompt: Prompt,
        system: str | None,
        raw: bool,
        switches: Mapping[str, bool] | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> tuple[str, list[int]]:
        """Return the prompt's text and ids.

        A special token that a message spells out is read as plain characters.

        Args:
            prompt: a text or messages.
            system: the system message.
            raw: whether to continue the text without a chat template.
            switches: further variables of the template.
            tools: schemas of functions, as the template describes them.

        Raises:
            UsageError: the prompt is not a text or a list of messages, or it needs a template.
        """
        messages, tokenizer = self._messages(prompt, system, raw), self._tokenizer
        if isinstance(messages, str):
            return messages, tokenizer.encode(messages)
        parts = split_by_origin(
            messages,
            self.template or "",
            literals=tokenizer.special_token_strings,
            specials=tokenizer.special_ids_in_text,
            switches=switches,
            tools=tools,
            **self._special_texts(),
        )
        text = "".join(part.text for part in parts)
        ids, neutral = tokenizer.encode(text), is_neutral(parts)
        # The messages make no special token: mostly seen by the ids, and at the latest by what is not
        # unknown.
        if tokenizer.special_ids(ids) == tokenizer.special_ids(tokenizer.encode(neutral)):
            return text, ids
        if tokenizer.special_ids_in_text(text) == tokenizer.special_ids_in_text(neutral):
            return text, ids
        return text, tokenizer.encode_parts((part.text, part.trusted) for part in parts)

    def _messages(self, prompt: Prompt, system: str | None, raw: bool) -> str | list[Mapping[str, str]]:
        system = None if system is None else validation.require_str(system, "system")
        if not isinstance(prompt, (str, Sequence)):
            raise UsageError(
                f"a prompt must be a string or a list of messages, got {validation.format_value(prompt)}",
                hint="Pass a string.",
            )
        if isinstance(prompt, str) and (raw or self.template is None):
            if system:
                raise UsageError(
                    "a system message needs a chat template", hint="Omit raw, or the system message."
                )
            return prompt
        if raw or self.template is None:
            raise UsageError("a list of messages needs a chat template", hint="Pass the text as one string.")
        if isinstance(prompt, str):
            prompt = [{"role": "user", "content": prompt}]
        return list(prompt) if system is None else [{"role": "system", "content": system}, *prompt]

    def _special_texts(self) -> dict[str, Any]:
        """Return what a template may ask for; the answer is always the assistant's turn."""
        bos, eos = self._tokenizer.bos_id, self._tokenizer.eos_id
        return {
            "bos_token": "" if bos is None else self._tokenizer.token_text(bos),
            "eos_token": "" if eos is None else self._tokenizer.token_text(eos),
        }
