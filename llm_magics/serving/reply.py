"""Tokens and answers as the JSON of the OpenAI API.

Each entry of the logprobs also has ``id`` and, under ``llm_magics``, what our records hold besides: a client
of this package shows the very tokens that the server computed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from ..core.records import Alternative, Generation, Token
from ..engine.base import Tokenizer
from ..errors import ContextOverflow, LLMMagicsError, ModelNotFound

EXTRAS = ("entropy", "rank", "u", "log_total", "allowed", "log_allowed")


class ReplyWriter:
    """Writes the answer to one request.

    Args:
        id: of the answer.
        name: of the model.
        tokenizer: of the model.
        chat: whether it is a chat completion.
        logprobs: whether tokens have their logprobs.
    """

    def __init__(self, id: str, name: str, tokenizer: Tokenizer, *, chat: bool, logprobs: bool) -> None:
        self._id, self._name, self._tokenizer = id, name, tokenizer
        self._chat, self._logprobs = chat, logprobs
        self._created = int(time.time())

    def chunk(self, tokens: Sequence[Token], finish: str | None = None) -> dict[str, Any]:
        """Return an event with some tokens, or with the reason of the end."""
        text = "".join(token.text for token in tokens)
        part: dict[str, Any] = (
            {"delta": {"content": text} if tokens else {}} if self._chat else {"text": text}
        )
        choice = {"index": 0, **part, "logprobs": self._entries(tokens), "finish_reason": finish}
        return self._envelope("chat.completion.chunk" if self._chat else "text_completion", [choice])

    def whole(self, answer: Generation) -> dict[str, Any]:
        """Return the whole answer."""
        message = {"role": "assistant", "content": answer.text}
        part: dict[str, Any] = {"message": message} if self._chat else {"text": answer.text}
        finish = "length" if answer.stop_reason == "length" else "stop"
        choice = {"index": 0, **part, "logprobs": self._entries(answer.tokens), "finish_reason": finish}
        kind = "chat.completion" if self._chat else "text_completion"
        return {**self._envelope(kind, [choice]), "usage": usage(answer)}

    def end(self, answer: Generation) -> dict[str, Any]:
        """Return the event with the counts of tokens."""
        kind = "chat.completion.chunk" if self._chat else "text_completion"
        return {**self._envelope(kind, []), "usage": usage(answer)}

    def _envelope(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        head = {"id": self._id, "object": kind, "created": self._created, "model": self._name}
        return {**head, "choices": choices}

    def _entries(self, tokens: Sequence[Token]) -> dict[str, Any] | None:
        return {"content": [self._entry(token) for token in tokens]} if self._logprobs and tokens else None

    def _entry(self, token: Token) -> dict[str, Any]:
        extras = {name: getattr(token, name) for name in EXTRAS}
        return {
            **self._word(token),
            "top_logprobs": [
                {**self._word(other), **({"banned": True} if other.banned else {})}
                for other in token.alternatives
            ],
            "llm_magics": {"text": token.text, **{k: v for k, v in extras.items() if v is not None}},
        }

    def _word(self, token: Token | Alternative) -> dict[str, Any]:
        data = self._tokenizer.token_bytes(token.id)
        logprob = token.logprob if math.isfinite(token.logprob) else -9999.0  # JSON has no infinity
        text = token.text if isinstance(token, Alternative) else data.decode("utf-8", "replace")
        return {"id": token.id, "token": text, "bytes": list(data), "logprob": logprob}


def usage(answer: Generation) -> dict[str, Any]:
    """Return the counts of tokens."""
    timing, count = answer.timing, len(answer.tokens)
    return {
        "prompt_tokens": timing.prompt_tokens,
        "completion_tokens": count,
        "total_tokens": timing.prompt_tokens + count,
        "prompt_tokens_details": {"cached_tokens": timing.cached_tokens},
    }


def error_reply(error: LLMMagicsError, context_length: int = 0) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of an error.

    Args:
        error: what went wrong.
        context_length: of the model, in tokens.
    """
    text = f"{error.message}. {error.hint}" if error.hint else error.message
    if isinstance(error, ContextOverflow):
        sizes = {"n_prompt_tokens": context_length + error.over, "n_ctx": context_length}
        return 400, {"error": {"message": text, "type": "exceed_context_size_error", "code": 400, **sizes}}
    status = 404 if isinstance(error, ModelNotFound) else 400
    return status, {"error": {"message": text, "type": "invalid_request_error", "code": status}}
