"""One answer in the making: decided tokens go in, Token records come out, until it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core.options import SamplingOptions
from ..core.records import Alternative, Generation, ModelInfo, StopReason, Timing, Token
from ..core.sampling import Sampler, TokenScorer, TokenStats
from ..errors import UsageError
from .base import Logits, Tokenizer, check_fits

if TYPE_CHECKING:
    from .constraint import TokenConstraint


class Answer:
    """What one request has come to. Knows no engine: it is given logits, wherever they come from.

    Args:
        ids: the prompt.
        context_length: prompt and answer together hold at most so many tokens.
        prompt, model: what they are called in the record.
        before: tokens that the answer has already; ``ids`` ends with them.
        goes_on: whether those were generated with the same options: it goes on as if it had not ended there.
        logits_size: the number of logits; 0 is the size of the vocabulary.

    Attributes:
        ids: prompt and answer so far.
        room: how many more tokens it may have.
        ended: whether it is complete.
        cached_tokens: how much of the prompt was not computed again; for the record.

    Raises:
        ContextOverflow: the prompt leaves no room for an answer. UsageError: it is empty.
    """

    def __init__(
        self,
        ids: Sequence[int],
        options: SamplingOptions,
        tokenizer: Tokenizer,
        *,
        context_length: int,
        prompt: str,
        model: ModelInfo,
        before: Sequence[Token] = (),
        goes_on: bool = False,
        logits_size: int = 0,
    ) -> None:
        check_fits(len(ids) + 1, context_length, what="the prompt and a first token")
        if not ids:
            raise UsageError("the prompt is empty", hint="Write a prompt.")
        self.ids, self.options, self.ended, self.cached_tokens = list(ids), options, False, 0
        self.room = min(options.max_tokens - len(before), context_length - len(ids))
        self._tokenizer, self._prompt, self._model = tokenizer, prompt, model
        self._sampler, self._decoder, self._held = (
            Sampler(options, len(ids) - len(before)),
            tokenizer.detokenizer(),
            StopStringBuffer(options.stop),
        )
        self._stop_reason: StopReason = "interrupted"
        self._tokens: list[Token] = list(before)
        self._given = len(before)
        piece = ""
        for token in before:
            piece, _ = self._held.push(self._decoder.push(token.id), self._hidden(token.id))
        if goes_on:
            # At its end it was given what was held back of a letter, or of a stop string.
            self._tokens[-1] = replace(before[-1], text=piece)
            self._sampler.skip(_count_draws(before))
        if before and (before[-1].id in tokenizer.eos_ids or self.room <= 0):
            self.ended, self._stop_reason = True, "stop" if before[-1].id in tokenizer.eos_ids else "length"
        self.constraint: TokenConstraint | None = None
        if options.grammar is not None:
            from .constraint import TokenConstraint

            self.constraint = TokenConstraint(options.grammar, tokenizer, logits_size or tokenizer.vocab_size)
            for token in before:
                self.constraint.take(token.id)
        self._start = 0.0
        self._texts: tuple[str, ...] = ()

    def begin(self) -> None:
        """Start the clock of the request."""
        self._start = time.perf_counter()

    def forecast(self) -> Sampler:
        """Return a sampler that draws the random numbers of the tokens to come; this answer keeps its own."""
        return deepcopy(self._sampler)

    def choose(self, logits: Logits, weigher: TokenScorer, seen: Sequence[int]) -> TokenStats:
        """Decide on one token, each of which takes its random number in turn.

        :meth:`take` it in the same order.

        Args:
            logits: (vocab,) after ``seen``, which are :attr:`ids` and the tokens decided on but not yet
                taken.
            weigher: computes the statistics of the chosen token.
            seen: ids of prompt and answer so far, for the repetition penalty.
        """
        constraint, count = self.constraint, self.options.alternatives
        if constraint is None:
            id = self._sampler.choose(logits, seen)
            return weigher.score(logits, id, count, self._sampler.u)
        if constraint.forced:  # nothing is drawn: a token that must come has no random number
            id = constraint.forced[0]
            constraint.take(id)
            return weigher.score(logits, id, count, None, id)
        allowed = constraint.allowed()
        id = self._sampler.choose(logits, seen, allowed)
        constraint.take(id)
        return weigher.score(logits, id, count, self._sampler.u, allowed)

    @property
    def is_decided(self) -> bool:
        """Return whether the tokens that were decided on make the whole answer that the grammar asks for."""
        return self.constraint is not None and self.constraint.ended_at >= 0

    def append(self, weighed: TokenStats) -> Token:
        """Append one token; :attr:`ended` tells whether it was the last."""
        id, tokenizer, stop_filter = weighed.id, self._tokenizer, self._held
        self.ids.append(id)
        self.room -= 1
        end = id in tokenizer.eos_ids
        piece, stopped = stop_filter.push(
            "" if end else self._decoder.push(id), "" if end else self._hidden(id)
        )
        whole = self.constraint is not None and self.constraint.ended_at == len(self._tokens) + 1
        self.ended = end or stopped or whole or self.room == 0
        if self.ended and not stopped:
            tail, stopped = self._flush()
            piece += tail
        token = token_record(tokenizer, weighed, piece, time.perf_counter() - self._start)
        self._tokens.append(token)
        if self.ended:
            self._stop_reason = "stop" if end or stopped or whole else "length"
        return token

    def finish_interrupted(self) -> None:
        """Finish after an interruption: the last token gets the buffered text.

        Do nothing if already finished.
        """
        if not self.ended and self._tokens:
            text = self._tokens[-1].text + self._flush()[0]
            self._tokens[-1] = replace(self._tokens[-1], text=text)
            self.ended = True

    def _hidden(self, id: int) -> str:
        """Return the text of a special token: a stop string may name it; it is never shown."""
        if not self.options.stop or not [*self._tokenizer.special_ids([id])]:
            return ""
        return self._tokenizer.token_text(id)

    def _flush(self) -> tuple[str, bool]:
        """Return the buffered text, and whether it completes a stop string."""
        tail, stopped = self._held.push(self._decoder.flush())
        return (tail, True) if stopped else (tail + self._held.flush(), False)

    @property
    def generation(self) -> Generation:
        """Return the record of the tokens so far."""
        times, tokenizer = [token.time_s for token in self._tokens[self._given :]], self._tokenizer
        span = times[-1] - times[0] if len(times) > 1 else 0.0
        return Generation(
            text="".join(token.text for token in self._tokens),
            tokens=tuple(self._tokens),
            stop_reason=self._stop_reason,
            prompt=self._prompt,
            options=self.options,
            timing=Timing(
                first_token_s=times[0] if times else 0.0,
                decode_tokens_per_s=(len(times) - 1) / span if span > 0 else 0.0,
                prompt_tokens=len(self.ids) - len(self._tokens),
                cached_tokens=self.cached_tokens,
            ),
            model=self._model,
            prompt_ids=tuple(self.ids[: len(self.ids) - len(self._tokens)]),
            vocab_size=self._tokenizer.vocab_size,
            pieces=partial_characters(self._tokenizer, self._tokens),
            # Only the whole record needs them, and the first token must not wait.
            prompt_texts=self._prompt_texts() if self.ended else (),
            specials={id: tokenizer.token_text(id) for id in sorted({*tokenizer.special_ids(self.ids)})}
            if self.ended
            else {},
        )

    def _prompt_texts(self) -> tuple[str, ...]:
        """Return what each token of the prompt adds to it; computed once."""
        if not self._texts:
            self._texts = token_texts(self._tokenizer, self.ids[: len(self.ids) - len(self._tokens)])
        return self._texts


def token_texts(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[str, ...]:
    """Return what each token adds to the text."""
    decoder, special = tokenizer.detokenizer(), {*tokenizer.special_ids(ids)}
    texts = [tokenizer.token_text(id) if id in special else decoder.push(id) for id in ids]
    if texts:
        texts[-1] += decoder.flush()
    return tuple(texts)


def _count_draws(tokens: Sequence[Token]) -> int:
    """Count the tokens at the end that were chosen by a random number each."""
    return next((n for n, token in enumerate(reversed(tokens)) if token.u is None), len(tokens))


def partial_characters(tokenizer: Tokenizer, tokens: Sequence[Token]) -> dict[int, bytes]:
    """Return the bytes of tokens and alternatives that are not whole characters, by id."""
    others = {other.id for token in tokens for other in token.alternatives if "\ufffd" in other.text}
    chosen = {token.id for token in tokens if "\ufffd" in tokenizer.token_text(token.id)}
    return {id: tokenizer.token_bytes(id) for id in sorted(others | chosen)}


def token_record(tokenizer: Tokenizer, weighed: TokenStats, text: str, time_s: float) -> Token:
    others = tuple(
        Alternative(id, tokenizer.token_text(id), logprob, banned)
        for id, logprob, banned in zip(
            weighed.top_ids,
            weighed.top_logprobs,
            weighed.banned or (False,) * len(weighed.top_ids),
            strict=True,
        )
    )
    w = weighed
    return Token(
        w.id,
        text,
        w.logprob,
        w.entropy,
        w.rank,
        others,
        time_s,
        w.u,
        w.log_total,
        w.allowed,
        w.log_allowed,
    )


class StopStringBuffer:
    """Holds back text that may be the beginning of a stop string."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._text = ""
        self._hidden: list[bool] = []  # for each letter, whether it is of a special token and never shown

    def push(self, piece: str, hidden: str = "") -> tuple[str, bool]:
        """Return the text that can be shown now, and whether a stop string is complete.

        Args:
            piece: what the next token adds to the text.
            hidden: the name of a special token behind it, which stop strings are compared with too.
        """
        if not self._stop:
            return piece, False
        self._text += piece + hidden
        self._hidden += [False] * len(piece) + [True] * len(hidden)
        result = [at for at in map(self._text.find, self._stop) if at >= 0]
        if result:
            return self._release(min(result)), True
        keep = max(
            (n for stop in self._stop for n in range(1, len(stop)) if self._text.endswith(stop[:n])),
            default=0,
        )
        return self._release(len(self._text) - keep), False

    def flush(self) -> str:
        """Return the buffered text, once."""
        return self._release(len(self._text))

    def _release(self, count: int) -> str:
        """Return the first characters of the buffer, without those that are never shown."""
        out = "".join(char for char, hide in zip(self._text[:count], self._hidden, strict=False) if not hide)
        self._text, self._hidden = self._text[count:], self._hidden[count:]
        return out
