"""The tokens of an answer of a server, as its events bring them."""

from __future__ import annotations

import codecs
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...core import progress
from ...core.options import SamplingOptions
from ...core.records import Alternative, Generation, ModelInfo, StopReason, Timing, Token
from ...errors import ServerError
from ...sanitize import replace_surrogates
from .server import Call, Server

MOST_ALTERNATIVES = 20  # of OpenAI's API
_MOST_ID = 1 << 31
_FIRST_NUMBER = 1 << 31  # behind all ids, where the server gives some
_MORE = 64  # events beyond max_tokens: a server may count otherwise


class RemoteStream:
    """An answer of a server; an iterator of :class:`Token`.

    ``generation`` is what there is so far. A token is an entry of the server's logprobs: a character of
    several tokens is one entry. Where the server gives no logprobs, it is the text of one event.

    Args:
        server: answers.
        path, body: of the request.
        options: as the record holds them.
        prompt: what was sent, as the record holds it.
        model: as the record holds it.
        prompt_tokens: about how long the prompt is, until the server says it.
        build: makes the value of an answer of a given form.

    Attributes:
        cut: what is said of an answer that broke off; empty for nothing.
    """

    def __init__(
        self,
        server: Server,
        path: str,
        body: Mapping[str, Any],
        options: SamplingOptions,
        *,
        prompt: str,
        model: ModelInfo,
        prompt_tokens: int,
        build: Callable[[Generation], Any] | None = None,
    ) -> None:
        self._call, self._path, self._body = Call(server), path, body
        self._options, self._prompt, self._model = options, prompt, model
        self._build, self._place = build, server.address.place
        self.prompt_tokens, self.room, self.cut = prompt_tokens, options.max_tokens, ""
        self._tokens: list[Token] = []
        self._ids: dict[bytes, int] = {}
        self._first_number = 0  # of the tokens that the server gives no id
        self._pieces: dict[int, bytes] = {}
        self._missing: set[str] = set()
        self._reason: StopReason = "interrupted"
        self._usage: Mapping[str, Any] = {}
        self._reasoning = _ReasoningMarks()
        self._began = time.perf_counter()
        self._loop = self._run()

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        return next(self._loop)

    def close(self) -> None:
        """Stop here, from any thread: the connection ends, and with it the work of the server."""
        self._call.close()

    def to_end(self) -> Generation:
        """Read all of it, and return it with its value."""
        for _ in self:
            pass
        if self.cut:
            progress.warn(self.cut)
        generation = self.generation
        return generation if self._build is None else replace(generation, built=self._build(generation))

    @property
    def generation(self) -> Generation:
        """Return the answer so far."""
        times = [token.time_s for token in self._tokens]
        span = times[-1] - times[0] if times else 0.0
        details = self._usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
        timing = Timing(
            times[0] if times else 0.0,
            (len(times) - 1) / span if span > 0 else 0.0,
            _count(self._usage.get("prompt_tokens")) or self.prompt_tokens,
            _count(cached),
        )
        return Generation(
            "".join(token.text for token in self._tokens),
            tuple(self._tokens),
            self._reason,
            self._prompt,
            self._options,
            timing,
            self._model,
            pieces=dict(self._pieces),
            missing=tuple(sorted(self._missing)),
        )

    def _run(self) -> Iterator[Token]:
        self._began = time.perf_counter()
        most = 2 * self._options.max_tokens + _MORE
        finished = False
        with self._call as call:
            for event in call.events(self._path, self._body):
                usage = event.get("usage")
                self._usage = usage if isinstance(usage, Mapping) else self._usage
                choices = event.get("choices")
                choice = choices[0] if isinstance(choices, list) and choices else {}
                if not isinstance(choice, Mapping):
                    raise ServerError(f"{self._place} sent a choice that is no object", hint="Run it again.")
                yield from self._read(choice)
                if reason := choice.get("finish_reason"):
                    self._reason, finished = "length" if reason == "length" else "stop", True
                    if reason == "content_filter":
                        self.cut = f"{self._place} filtered the answer"
                if len(self._tokens) > most:
                    self._reason, finished = "length", True
                    break
        if not finished and not self._call.closed.is_set():
            self.cut = f"{self._place} ended the connection in the middle of the answer"

    def _read(self, choice: Mapping[str, Any]) -> Iterator[Token]:
        """Yield the tokens of one event."""
        delta = choice.get("delta")
        delta = delta if isinstance(delta, Mapping) else {"content": choice.get("text")}
        content, thought = _text(delta.get("content")), _text(delta.get("reasoning_content"))
        thought = thought or _text(delta.get("reasoning"))
        before = self._reasoning.before(thought=bool(thought), content=bool(content))
        entries = _entries(choice.get("logprobs"))
        if entries:
            decode = codecs.getincrementaldecoder("utf-8")("replace").decode
            for n, entry in enumerate(entries):
                text = decode(_bytes(entry), n == len(entries) - 1)
                text = _text(_ours(entry).get("text", text))
                yield self._add(entry, (before if n == 0 else "") + self._reasoning.strip(text))
        elif thought or content:
            self._missing |= {"logprob", "rank"}
            yield self._add({"token": thought or content}, before + (thought or content))

    def _add(self, entry: Mapping[str, Any], text: str) -> Token:
        """Keep a token and return it."""
        listed = entry.get("top_logprobs")
        rows = listed[:MOST_ALTERNATIVES] if isinstance(listed, list) else []
        id = self._id(entry)
        others = [self._alternative(item) for item in rows if isinstance(item, Mapping)]
        others.sort(key=lambda other: -other.logprob)
        rank = next((n for n, other in enumerate(others) if other.id == id), len(others))
        logprob, time_s = _logprob(entry), time.perf_counter() - self._began
        token = Token(id, replace_surrogates(text), logprob, 0.0, rank, tuple(others), time_s)
        more = _details(_ours(entry))
        if "entropy" not in more:
            self._missing.add("entropy")
        if rank == len(others) and "rank" not in more:
            self._missing.add("rank")
        token = replace(token, **more)
        self._tokens.append(token)
        return token

    def _alternative(self, entry: Mapping[str, Any]) -> Alternative:
        data = _bytes(entry)
        text, banned = data.decode("utf-8", "replace"), entry.get("banned") is True
        return Alternative(self._id(entry), text, _logprob(entry), banned)

    def _id(self, entry: Mapping[str, Any]) -> int:
        """Return the id that the server gives, or a number for these bytes: OpenAI's API has no ids."""
        data, id = _bytes(entry), entry.get("id")
        if type(id) is int and 0 <= id < _MOST_ID:
            self._ids.setdefault(data, id)
            self._first_number = _FIRST_NUMBER
        else:
            id = self._ids.setdefault(data, self._first_number + len(self._ids))
        if "\ufffd" in data.decode("utf-8", "replace"):
            self._pieces[id] = data
        return id


class _ReasoningMarks:
    """The tags around reasoning that a server sends apart: our views fold what they enclose."""

    def __init__(self) -> None:
        self._open = self._closed = False

    def before(self, *, thought: bool, content: bool) -> str:
        """Return the tag that belongs before the text of an event."""
        if thought and not self._open:
            self._open = True
            return "<think>\n"
        if content and self._open and not self._closed:
            self._closed = True
            return "\n</think>\n\n"
        return ""

    def strip(self, text: str) -> str:
        """Return a token's text without a tag of the model's own, which was put in already."""
        return text.replace("<think>", "").replace("</think>", "") if self._open else text


def _entries(logprobs: object) -> list[Mapping[str, Any]]:
    """Return the tokens of an event's logprobs: those of chat, or of completions, which are columns."""
    if not isinstance(logprobs, Mapping):
        return []
    if isinstance(rows := logprobs.get("content"), list):
        return [row for row in rows if isinstance(row, Mapping)]
    tokens, values, tops = (logprobs.get(name) for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not isinstance(tokens, list) or not isinstance(values, list):
        return []
    tops = tops if isinstance(tops, list) else [None] * len(tokens)
    return [
        {
            "token": token,
            "logprob": value,
            "top_logprobs": [{"token": text, "logprob": other} for text, other in top.items()]
            if isinstance(top, Mapping)
            else [],
        }
        for token, value, top in zip(tokens, values, tops)  # noqa: B905  # a server may send less
    ]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 1 << 31 else 0


def _bytes(entry: Mapping[str, Any]) -> bytes:
    """Return the bytes of a token: as stated, or those of its text."""
    data = entry.get("bytes")
    if isinstance(data, list) and all(type(item) is int and 0 <= item < 256 for item in data):
        return bytes(data)
    return _text(entry.get("token")).encode("utf-8", "replace")


def _ours(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a server of this package tells of a token besides; empty for others."""
    more = entry.get("llm_magics")
    return more if isinstance(more, Mapping) else {}


def _details(more: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a token that a server of this package tells, where they can be."""
    fields: dict[str, Any] = {}
    for name in ("rank", "allowed"):
        if type(value := more.get(name)) is int and 0 <= value < _MOST_ID:
            fields[name] = value
    for name in ("entropy", "u", "log_total", "log_allowed"):
        value = more.get(name)
        if isinstance(value, float) and math.isfinite(value) and abs(value) < 1e6:
            fields[name] = value
    if not 0 <= fields.get("u", 0.0) < 1:
        del fields["u"]
    return fields


def _logprob(entry: Mapping[str, Any]) -> float:
    """Return a logprob in nats; the servers write about -10,000 for impossible ones."""
    value = entry.get("logprob", 0.0)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        return 0.0
    return min(float(value), 0.0)
