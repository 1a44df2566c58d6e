"""The only generation loop: prompt ids in, one Token after the other out."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from ..core.options import SamplingOptions
from ..core.records import Generation, ModelInfo, Token, Trace
from ..core.sampling import Weighed, Weigher
from ..errors import ContextOverflow
from .answer import Answer, token_record
from .base import Engine, Logits, Tokenizer
from .speculate import Guesser

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

    ``generation`` is what there is so far. Dropping or closing the stream stops it; its stop_reason is then
    "interrupted". Two streams of one model may be read in turns: each finds its own place in the KV cache
    again.

    Args:
        ids: the prompt.
        prompt, model: what they are called in the record.
        speculate: check several guessed tokens in one engine call (speculate.py). Whatever is guessed, a
            token is what the model chooses after those before it, with the same random number. In fp32 the
            text is the same; a quantised model's kernels round otherwise for several tokens than for one, so
            two tokens it holds about equally likely may change places.

    Raises:
        ContextOverflow: the prompt is too long. UsageError: it is empty.
    """

    def __init__(
        self,
        reader: Reader,
        ids: Sequence[int],
        options: SamplingOptions,
        *,
        prompt: str,
        model: ModelInfo,
        speculate: bool = True,
    ) -> None:
        context, tokenizer = reader.engine.context_length, reader.tokenizer
        self._answer = Answer(ids, options, tokenizer, context_length=context, prompt=prompt, model=model)
        self._reader, self._ids = reader, self._answer.ids
        self._weigher = Weigher(reader.engine.vocab_size)
        self._guesser = Guesser() if speculate else None
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
        return self._answer.generation

    def _run(self) -> Generator[Token, None, None]:
        answer = self._answer
        answer.begin()
        answer.cached_tokens = self._reusable()
        while not answer.ended:
            for weighed in self._decide():
                yield answer.take(weighed)
                if answer.ended:  # by a stop string: what was decided after it is dropped
                    break

    def _decide(self) -> list[Weighed]:
        """The next tokens, by one engine call: the guesses that the model agrees with, and its own choice
        after them.

        Comparing each guess with a token drawn as always leaves every token's distribution as it is, and its
        random number: with guesses that are certain, this is what speculative sampling comes to (Leviathan et
            al. 2022, arXiv:2211.17192).
        """
        engine, answer = self._reader.engine, self._answer
        decided: list[Weighed] = []
        guessed: list[int] = []
        with self._reader.lock:
            # The engine's array is its own until its next call: everything is taken from it under the lock.
            if engine.owner is self and len(engine.cached) == len(self._ids) - 1:
                if self._guesser:
                    guessed = self._guesser.guess(self._ids, answer.room - 1)
                logits = engine.extend([self._ids[-1], *guessed], every=True)
            else:
                logits = self._refill()
            seen = list(self._ids)
            for row, guess in zip(logits, [*guessed, None], strict=True):
                decided.append(answer.choose(row, self._weigher, seen))
                id = decided[-1].id
                if id != guess or id in self._reader.tokenizer.eos_ids:
                    break
                seen.append(id)
            right = len(seen) - len(self._ids)
            if right < len(guessed):
                engine.rewind(len(seen))
        if self._guesser:
            self._guesser.learn(len(guessed), right)
        return decided

    def _reusable(self) -> int:
        """How many leading ids the cache holds already, in a state that a fresh computation would give bit
        for bit.
        """
        engine = self._reader.engine
        keep = min(common_prefix(engine.cached, self._ids[:-1]), engine.settled)
        # A single token would be computed by other kernels than it is within a whole prompt: take one more
        # with it.
        return keep - 1 if 0 < keep == len(self._ids) - 1 else keep

    def _refill(self) -> Logits:
        """Logits after all ids so far, (1, vocab); what the cache holds of them already is not computed
        again.
        """
        engine = self._reader.engine
        engine.rewind(self._reusable())
        engine.owner = self
        begin = len(engine.cached)
        for end in cuts(begin, len(self._ids), CHUNK):
            logits = engine.extend(self._ids[begin:end])
            begin = end
        return logits


def score(
    reader: Reader, ids: Sequence[int], *, text: str, predicted_from: int, alternatives: int, model: ModelInfo
) -> Trace:
    """Read ``ids`` and record what the model expected at each place.

    Args:
        predicted_from: 1 when nothing stands before the first token, 0 when ``ids`` begins with a BOS token
            that is not part of the text.
    """
    engine, tokenizer = reader.engine, reader.tokenizer
    decoder, weigher = tokenizer.decoder(), Weigher(engine.vocab_size)
    bos = 1 - predicted_from
    tokens = [] if bos else [Token(ids[0], decoder.push(ids[0]), 0.0, 0.0, 0)]
    over = len(ids) - engine.context_length
    if over > 0:
        raise ContextOverflow(
            f"the text has {len(ids):,} tokens and the context holds {engine.context_length:,}: {over:,} "
            f"too many",
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


def cuts(begin: int, end: int, size: int) -> Iterator[int]:
    """Where to cut [begin, end) into calls of at most ``size`` ≥ 3 tokens, none of a single one unless that
    is all there is.
    """
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
