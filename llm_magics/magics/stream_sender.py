"""Answers on their way to the views: only what is new, in binary, at most twenty times a second."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from ..core.output import FrameClock
from ..core.records import Token
from ..views.record_codec import encode_tokens
from .channel import Transport

ToMarkdown = Callable[[str], str]
EVERY_S, PROSE_S = 0.05, 0.25
_KEPT = 16  # answers that a view may still ask about


class ActiveStream:
    """One answer in the making.

    Args:
        id: by which views know it.
        most: it has at most so many tokens.
        stop: ends it, from any thread.
        markdown: makes Markdown of the text so far, which is sent too: for a view that has no output of
            its own that is renewed.

    Attributes:
        tokens: so far; a view that missed some asks for them again.
        bundle: what the notebook keeps of it; None until it is done.
    """

    def __init__(
        self,
        channel: Transport,
        id: str,
        most: int,
        stop: Callable[[], None],
        *,
        markdown: ToMarkdown | None = None,
    ) -> None:
        self.id, self.most, self.stop = id, most, stop
        self._markdown, self._prose = markdown, FrameClock()
        self.tokens: list[Token] = []
        self.bundle: dict[str, Any] | None = None
        self._channel, self._sent, self._next = channel, 0, 0.0
        self._lock = threading.Lock()  # a view's question comes in another thread
        self.ended = False

    def add(self, tokens: Sequence[Token]) -> None:
        self.tokens += tokens
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> None:
        """Send what was not sent yet."""
        with self._lock:
            if self._channel.connected and self._sent < len(self.tokens):
                self._send(self._sent)
            self._sent = len(self.tokens)
            self._next = time.monotonic() + EVERY_S
            if self._markdown and self._channel.connected and self._prose.is_due():
                text = self._markdown("".join(token.text for token in self.tokens))
                self._channel.send({"type": "markdown", "id": self.id, "text": text})
                self._prose.shown(PROSE_S)

    def resend(self, first: int, *, as_text: bool) -> None:
        """Send the tokens from ``first`` on once more."""
        with self._lock:
            self._send(max(0, min(first, len(self.tokens))), as_text=as_text)

    def end(self, bundle: dict[str, Any] | None) -> None:
        """Mark the stream as finished, and store the final bundle."""
        self.flush()
        self.bundle, self.ended = bundle, True
        self._channel.send({"type": "end", "id": self.id})

    def _send(self, first: int, *, as_text: bool = False) -> None:
        tokens = self.tokens[first:]
        before = self.tokens[first - 1].time_s if first else 0.0
        message = {"type": "tokens", "id": self.id, "from": first, "most": self.most}
        self._channel.send(message, encode_tokens(tokens, before), as_text=as_text)


class ActiveStreams:
    """The newest answers of a kernel, by their ids."""

    def __init__(self, channel: Transport) -> None:
        self.channel = channel
        self._all: OrderedDict[str, ActiveStream] = OrderedDict()

    def begin(
        self, id: str, most: int, stop: Callable[[], None], *, markdown: ToMarkdown | None = None
    ) -> ActiveStream:
        live = ActiveStream(self.channel, id, most, stop, markdown=markdown)
        self._all[id] = live
        while len(self._all) > _KEPT:
            self._all.popitem(last=False)
        return live

    def running(self) -> list[ActiveStream]:
        """Return the answers that are not finished."""
        return [live for live in list(self._all.values()) if not live.ended]

    def find(self, id: Any) -> ActiveStream | None:
        return self._all.get(id) if isinstance(id, str) else None
