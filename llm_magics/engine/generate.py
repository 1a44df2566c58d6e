"""The only generation loop: prompt ids in, one Token after the other out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias

from ..core.options import SamplingOptions
from ..core.records import Generation, ModelInfo, Token, Trace
from ..core.sampling import TokenScorer, TokenStats
from .answer import Answer, token_record
from .base import Engine, Logits, check_fits
from .caches.cache_pool import Lease
from .prefill import chunk_ends
from .runtime import Runtime
from .speculation.draft import Draft, DraftGuesser
from .speculation.prompt_lookup import PromptLookup

MOST_FORCED = 31  # tokens that must come, which are read in one call
CHUNK = 128  # prompt tokens a call: between two calls an interrupt is heard
SCORE_VALUES = 128 * 49_152  # logits that are held at once, 25 MB


Guesser: TypeAlias = PromptLookup | DraftGuesser


class Stream:
    """The tokens of one answer, as they come; an iterator of :class:`Token`.

    ``generation`` is what there is so far. Dropping or closing the stream stops it; its stop_reason is then
    "interrupted". Streams of one model may be read in turns or in threads of their own: each has a KV cache
    to itself.

    Args:
        ids: the prompt.
        prompt, model: what they are called in the record.
        before: tokens of the answer that there are already; ``ids`` ends with them. They are not given out
            again.
        goes_on: whether those were generated with the same options.
        speculate: check several guessed tokens in one engine call (speculate.py). Whatever is guessed, a
            token is what the model chooses after those before it, with the same random number. In fp32 the
            text is the same; a quantised model's kernels round otherwise for several tokens than for one, so
            two tokens it holds about equally likely may change places.
        draft: a small model that guesses (draft.py); otherwise guesses come from the text itself.
        build: makes the value of an answer of a given form.
        transient: leave only the prompt in the KV cache at the end, for text that is rarely continued.

    Raises:
        ContextOverflow: the prompt is too long. UsageError: it is empty.
    """

    def __init__(
        self,
        runtime: Runtime,
        ids: Sequence[int],
        options: SamplingOptions,
        *,
        prompt: str,
        model: ModelInfo,
        speculate: bool = True,
        before: Sequence[Token] = (),
        goes_on: bool = False,
        draft: Draft | None = None,
        build: Callable[[Stream], Any] | None = None,
        transient: bool = False,
    ) -> None:
        self._build = build
        self.answer = Answer(
            ids,
            options,
            runtime.tokenizer,
            context_length=runtime.engine.context_length,
            prompt=prompt,
            model=model,
            before=before,
            goes_on=goes_on,
            logits_size=runtime.engine.vocab_size,
        )
        self._closed = threading.Event()
        # No method: a generator that knew its stream would keep it alive, and the cache that it leases.
        self._guesser = _guesser(runtime, self.answer, draft) if speculate or draft else None
        self._loop = _tokens(runtime, self.answer, self._guesser, self._closed, transient)

    def __iter__(self) -> Iterator[Token]:
        return self

    def __next__(self) -> Token:
        return next(self._loop)

    def close(self) -> None:
        """Stop here, from any thread: within one engine call. What was made stays in ``generation``."""
        self._closed.set()
        with suppress(ValueError):  # another thread is in the middle of it, and will see that it is closed
            self._loop.close()

    def to_end(self) -> Generation:
        """Make all of it, and return it."""
        for _ in self:
            pass
        return self.generation if self._build is None else replace(self.generation, built=self.value)

    @property
    def value(self) -> Any:
        """Return the value of the finished answer, where it was asked for in a form.

        Raises:
            IncompleteAnswer: the answer was cut off inside a value. UsageError: it was asked for in no form.
        """
        return self.generation.value if self._build is None else self._build(self)

    @property
    def generation(self) -> Generation:
        return self.answer.generation

    @property
    def room(self) -> int:
        """Return how many more tokens the answer may have."""
        return self.answer.room

    @property
    def prompt_tokens(self) -> int:
        """Return the length of the prompt."""
        return self.generation.timing.prompt_tokens

    @property
    def drafted(self) -> tuple[int, int]:
        """Return how many tokens the draft has guessed, and how many of them were right; 0 without one."""
        guesser = self._guesser
        return (guesser.guessed, guesser.right) if isinstance(guesser, DraftGuesser) else (0, 0)


def _tokens(
    runtime: Runtime, answer: Answer, guesser: Guesser | None, closed: threading.Event, transient: bool
) -> Generator[Token, None, None]:
    if answer.ended:
        return
    answer.begin()
    lease, prompt_length = runtime.pool.acquire(answer.ids), len(answer.ids)
    answer.cached_tokens = lease.cached_tokens
    weigher = TokenScorer(runtime.engine.vocab_size)
    try:
        logits = prefill(lease, answer.ids, closed)
        guessed: list[int] = []
        forced: list[int] = []
        while logits is not None:
            decided = _decide(lease, answer, weigher, logits, guessed, runtime.tokenizer.eos_ids)
            if guesser and not forced:
                guesser.update(len(guessed), len(decided) - 1)
            for weighed in decided:
                yield answer.append(weighed)
                if answer.ended:  # if by a stop string, what was decided after it is dropped
                    return
                if closed.is_set():
                    return
            # What must come is a guess that is always right.
            forced = answer.constraint.forced[:MOST_FORCED] if answer.constraint else []
            guessed = forced[: answer.room - 1]
            if not guessed and guesser:
                guessed = guesser.propose(answer.ids, answer.room - 1)
                if answer.constraint:
                    guessed = answer.constraint.allowed_prefix(guessed)
            logits = lease.extend([answer.ids[-1], *guessed], all_logits=True)
    finally:
        answer.finish_interrupted()
        if transient:
            lease.truncate(min(prompt_length, len(lease.cached)))
        lease.release()
        if isinstance(guesser, DraftGuesser):
            guesser.close()


def _guesser(runtime: Runtime, answer: Answer, draft: Draft | None) -> Guesser | None:
    """Return what guesses the tokens of an answer; None where a wrong guess would cost much."""
    if not can_guess(runtime.engine):
        return None
    return PromptLookup() if draft is None else DraftGuesser(draft, answer, runtime.engine.vocab_size)


def can_guess(engine: Engine) -> bool:
    """Return whether wrong guesses cost little: a recurrent state cannot go back by a few tokens."""
    shape = getattr(engine, "shape", None)
    return getattr(shape, "state_layers", 0) == 0


def prefill(lease: Lease, ids: Sequence[int], closed: threading.Event | None = None) -> Logits | None:
    """Return logits after ``ids``, (1, vocab), of which the cache holds the first already.

    None when closed meanwhile.
    """
    logits, begin = None, len(lease.cached)
    for end in chunk_ends(begin, len(ids), CHUNK):
        if closed is not None and closed.is_set():
            return None
        logits = lease.extend(ids[begin:end])
        begin = end
    return logits


def _decide(
    lease: Lease,
    answer: Answer,
    weigher: TokenScorer,
    logits: Logits,
    guessed: Sequence[int],
    ends: frozenset[int],
) -> list[TokenStats]:
    """Return the next tokens: the guesses that the model agrees with, and its own choice after them.

    Each guess is compared with a token that is sampled as usual, so every token keeps its distribution and
    its random number. With deterministic guesses this equals speculative sampling (Leviathan et al. 2022,
    arXiv:2211.17192).

    Args:
        lease: the KV cache of the answer.
        answer: the state of the request.
        weigher: computes the statistics of the chosen token.
        logits: (1 + guesses, vocab), after the answer so far and after each guess.
        guessed: proposed ids that the call verified.
        ends: ids that end the answer.
    """
    decided: list[TokenStats] = []
    seen = list(answer.ids)
    for row, guess in zip(logits, [*guessed, None], strict=True):
        decided.append(answer.choose(row, weigher, seen))
        if decided[-1].id != guess or decided[-1].id in ends or answer.is_decided:
            break
        seen.append(decided[-1].id)
    if len(decided) <= len(guessed):
        lease.truncate(len(seen))
    return decided


def read_tokens(
    runtime: Runtime,
    ids: Sequence[int],
    more: Sequence[int],
    before: Sequence[Token],
    *,
    alternatives: int,
    first: TokenStats | None = None,
) -> list[Token]:
    """Return the records of tokens that somebody put behind ``ids``, of which ``before`` are the last.

    Their texts are what they add to those of ``before``. Where ``first`` is given, the first one needs no
    reading.
    """
    decoder, weigher = runtime.tokenizer.detokenizer(), TokenScorer(runtime.engine.vocab_size)
    for token in before:
        decoder.push(token.id)
    whole, output = [*ids, *more], []
    check_fits(len(whole) + 1, runtime.engine.context_length, what="the answer")
    for place in range(len(ids), len(whole)):
        weighed = first if place == len(ids) else None
        if weighed is None:
            lease = runtime.pool.acquire(whole[:place])
            try:
                logits = prefill(lease, whole[:place])
                assert logits is not None  # nobody closes it
                weighed = weigher.score(logits[0], whole[place], alternatives)
            finally:
                lease.release()
        end = whole[place] in runtime.tokenizer.eos_ids
        output.append(
            token_record(runtime.tokenizer, weighed, "" if end else decoder.push(whole[place]), 0.0)
        )
    return output


def score_in_chunks(
    runtime: Runtime,
    ids: Sequence[int],
    seen: Callable[[int, Logits], None],
    *,
    first: int = 0,
    step: Callable[[int], object] = lambda count: None,
) -> None:
    """Read ``ids`` in a cache of their own, with the logits behind every one of them, a stretch at a time.

    Args:
        runtime: engine, tokenizer and cache pool.
        ids: token ids.
        seen: told of each stretch: the place that its first row of logits (n, vocab) stands behind, and the
            rows, which are valid until it returns.
        first: the first place that logits are computed for.
        step: told how many tokens were read.
    """
    size = max(16, min(CHUNK, SCORE_VALUES // runtime.engine.vocab_size))
    lease, begin = runtime.pool.acquire(), 0
    try:
        for end in chunk_ends(0, len(ids), size):
            rows = lease.extend(ids[begin:end], all_logits=end > first)
            if end > first:
                skipped = max(first - begin, 0)
                seen(begin + skipped, rows[skipped:])
            step(end - begin)
            begin = end
    finally:
        lease.truncate(0)  # nobody goes on from a text that was read: let the next one have this cache
        lease.release()


def score(
    runtime: Runtime,
    ids: Sequence[int],
    *,
    text: str,
    predicted_from: int,
    alternatives: int,
    model: ModelInfo,
    prompt: int = 0,
    step: Callable[[int], object] = lambda count: None,
) -> Trace:
    """Read ``ids`` and record what the model expected at each place.

    Args:
        runtime: engine, tokenizer and cache pool.
        ids: token ids.
        text: the text to score.
        predicted_from: 1 when nothing stands before the first token, 0 when ``ids`` begins with a BOS token
            that is not part of the text, or with a prompt.
        alternatives: number of alternatives to record per token.
        model: the model in the record.
        prompt: so many leading ids are not part of the text.
        step: told how many tokens were read.
    """
    engine, tokenizer = runtime.engine, runtime.tokenizer
    check_fits(len(ids), engine.context_length, what="the text", hint="Score it in parts.")
    decoder, weigher = tokenizer.detokenizer(), TokenScorer(engine.vocab_size)
    tokens = [] if predicted_from == 0 else [Token(ids[0], decoder.push(ids[0]), 0.0, 0.0, 0)]

    def seen(behind: int, rows: Logits) -> None:
        for place, logits in enumerate(rows, behind + 1):
            weighed = weigher.score(logits, ids[place], alternatives)
            piece = "" if ids[place] in tokenizer.eos_ids else decoder.push(ids[place])
            if place == len(ids) - 1:
                piece += decoder.flush()
            tokens.append(token_record(tokenizer, weighed, piece, 0.0))

    score_in_chunks(runtime, ids[:-1], seen, first=max(prompt, 1) - 1, step=step)
    return Trace(text, tuple(tokens), model, predicted_from)
