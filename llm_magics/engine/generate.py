"""The only generation loop: prompt ids in, one Token after the other out."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from ..core.options import SamplingOptions
from ..core.records import Alternative, Generation, ModelInfo, StopReason, Timing, Token, Trace
from ..core.sampling import Sampler, Weighed, Weigher
from ..errors import ContextOverflow, UsageError
from .base import Engine, Logits, Tokenizer

CHUNK = 128  # prompt tokens a call: between two calls an interrupt is heard
SCORE_CHUNK = 64  # logits of this many positions are held at once: 13 MB at a 50k vocabulary


@dataclass(frozen=True, slots=True)
class Reader:
    """What the loop needs of a model. The lock is held for one engine call at a time."""

    engine: Engine
    tokenizer: Tokenizer
    lock: threading.RLock


class Stream:
    """The tokens of one answer, as they come; an iterator of :class:`Token`.

    ``generation`` is what there is so far. Dropping or closing the stream stops it; its stop_reason is then "interrupted".
    Two streams of one model may be read in turns: each finds its own place in the KV cache again.
    """

    def __init__(self, reader: Reader, ids: Sequence[int], options: SamplingOptions, *, prompt: str, model: ModelInfo) -> None:
        limit = reader.engine.context_length
        over = len(ids) + 1 - limit  # one place for the answer's first token
        if over > 0:
            raise ContextOverflow(
                f"the prompt has {len(ids):,} tokens and the context holds {limit:,}: {over:,} too many",
                over=over,
                hint="shorten the prompt, or choose a model with a longer context",
            )
        if not ids:
            raise UsageError("the prompt is empty", hint="write something in the cell")
        self._reader, self._ids, self._options = reader, list(ids), options
        self._prompt, self._model = prompt, model
        self._tokens: list[Token] = []
        self._stop_reason: StopReason = "interrupted"
        self._cached = 0
        self._loop = self._run()

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        return next(self._loop)

    def close(self) -> None:
        """Stop here. What was made stays in ``generation``."""
        self._loop.close()

    @property
    def generation(self) -> Generation:
        times = [token.time_s for token in self._tokens]
        span = times[-1] - times[0] if len(times) > 1 else 0.0
        return Generation(
            text="".join(token.text for token in self._tokens),
            tokens=tuple(self._tokens),
            stop_reason=self._stop_reason,
            prompt=self._prompt,
            options=self._options,
            timing=Timing(
                first_token_s=times[0] if times else 0.0,
                decode_tokens_per_s=(len(times) - 1) / span if span > 0 else 0.0,
                prompt_tokens=len(self._ids) - len(self._tokens),
                cached_tokens=self._cached,
            ),
            model=self._model,
        )

    def _run(self) -> Generator[Token, None, None]:
        engine, tokenizer, options = self._reader.engine, self._reader.tokenizer, self._options
        start = time.perf_counter()
        sampler, weigher = Sampler(options), Weigher(engine.vocab_size)
        decoder, held = tokenizer.decoder(), HeldText(options.stop)
        room = min(options.max_tokens, engine.context_length - len(self._ids))
        self._cached = self._reusable()
        for index in range(room):
            with self._reader.lock:
                # The engine's array is its own until its next call: everything is taken from it under the lock.
                logits = self._advance()[-1]
                id = sampler.choose(logits, self._ids)
                weighed = weigher.weigh(logits, id, options.alternatives)
            self._ids.append(id)
            ended = id in tokenizer.eos_ids
            piece, stopped = held.push("" if ended else decoder.push(id))
            last = ended or stopped or index + 1 == room
            if last and not stopped:
                tail, stopped = held.push(decoder.flush())
                piece += tail if stopped else tail + held.rest()
            self._tokens.append(token_record(tokenizer, weighed, piece, time.perf_counter() - start))
            if last:
                self._stop_reason = "stop" if ended or stopped else "length"
            yield self._tokens[-1]
            if last:
                return

    def _reusable(self) -> int:
        """How many leading ids the cache holds already, in a state that a fresh computation would give bit for bit."""
        engine = self._reader.engine
        keep = min(common_prefix(engine.cached, self._ids[:-1]), engine.settled)
        # A single token would be computed by other kernels than it is within a whole prompt: take one more with it.
        return keep - 1 if 0 < keep == len(self._ids) - 1 else keep

    def _advance(self) -> Logits:
        """Logits after all ids so far; only what the cache lacks is computed."""
        engine = self._reader.engine
        if engine.owner is self and len(engine.cached) == len(self._ids) - 1:
            return engine.extend(self._ids[-1:])
        engine.rewind(self._reusable())
        engine.owner = self
        begin = len(engine.cached)
        for end in cuts(begin, len(self._ids), CHUNK):
            logits = engine.extend(self._ids[begin:end])
            begin = end
        return logits


def score(reader: Reader, ids: Sequence[int], *, text: str, predicted_from: int, alternatives: int, model: ModelInfo) -> Trace:
    """Read ``ids`` and record what the model expected at each place.

    Args:
        predicted_from: 1 when nothing stands before the first token, 0 when ``ids`` begins with a BOS token that is
            not part of the text.
    """
    engine, tokenizer = reader.engine, reader.tokenizer
    decoder, weigher = tokenizer.decoder(), Weigher(engine.vocab_size)
    bos = 1 - predicted_from
    tokens = [] if bos else [Token(ids[0], decoder.push(ids[0]), 0.0, 0.0, 0)]
    over = len(ids) - engine.context_length
    if over > 0:
        raise ContextOverflow(
            f"the text has {len(ids):,} tokens and the context holds {engine.context_length:,}: {over:,} too many",
            over=over,
            hint="score it in parts",
        )
    with reader.lock:
        engine.rewind(0)
        engine.owner = None
        begin = 0
        for end in cuts(0, len(ids) - 1, SCORE_CHUNK):
            for place, logits in enumerate(engine.extend(ids[begin:end], every=True), begin + 1):
                weighed = weigher.weigh(logits, ids[place], alternatives)
                piece = decoder.push(ids[place])
                if place == len(ids) - 1:
                    piece += decoder.flush()
                tokens.append(token_record(tokenizer, weighed, piece, 0.0))
            begin = end
    return Trace(text, tuple(tokens), model, predicted_from)


def token_record(tokenizer: Tokenizer, weighed: Weighed, text: str, time_s: float) -> Token:
    others = tuple(
        Alternative(id, tokenizer.token_text(id), logprob)
        for id, logprob in zip(weighed.top_ids, weighed.top_logprobs, strict=True)
    )
    return Token(weighed.id, text, weighed.logprob, weighed.entropy, weighed.rank, others, time_s)


def cuts(begin: int, end: int, size: int) -> Iterator[int]:
    """Where to cut [begin, end) into calls of at most ``size`` ≥ 3 tokens, none of a single one unless that is all there is."""
    while begin < end:
        left = end - begin
        begin += left if left <= size else size - 1 if left == size + 1 else size
        yield begin


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """How many leading ids two sequences share."""
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n


class HeldText:
    """Holds back text that may be the beginning of a stop string."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._held = ""

    def push(self, piece: str) -> tuple[str, bool]:
        """The text that may be shown now, and whether a stop string is complete."""
        if not self._stop:
            return piece, False
        self._held += piece
        found = [at for at in map(self._held.find, self._stop) if at >= 0]
        if found:
            return self._held[: min(found)], True
        keep = max((n for stop in self._stop for n in range(1, len(stop)) if self._held.endswith(stop[:n])), default=0)
        out = self._held[: len(self._held) - keep]
        self._held = self._held[len(out) :]
        return out, False

    def rest(self) -> str:
        """What was held back for nothing."""
        return self._held
