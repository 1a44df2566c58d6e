"""The log-likelihood of a choice behind its context, cut into tokens as lm-evaluation-harness does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.sampling import TokenScorer
from ..engine.base import Tokenizer
from ..engine.generate import score_in_chunks
from ..errors import UsageError
from ..inspection.reading.batch_score import ContinuationReader

if TYPE_CHECKING:
    from ..engine.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A continuation behind a context.

    Attributes:
        ids: its tokens.
        logprobs: of each, nats.
        greedy: whether each token is the likeliest.
    """

    ids: tuple[int, ...]
    logprobs: NDArray[np.float64]
    greedy: bool

    @property
    def total(self) -> float:
        """Return the log-likelihood of the whole, nats."""
        return float(self.logprobs.sum())


def likelihoods(
    runtime: Runtime,
    context: str,
    continuations: Sequence[str],
    *,
    special: bool = False,
    reader: ContinuationReader | None = None,
) -> list[Likelihood]:
    """Return the log-likelihoods of texts behind one context, which is read once where its tokens are equal.

    Args:
        runtime: of the model.
        context: what stands before; blanks at its end are taken to the continuation.
        continuations: the texts.
        special: whether special tokens that the texts spell out are read as such.
        reader: of calls with contexts that begin alike; None takes a new one.

    Raises:
        UsageError: a continuation has no tokens.
    """
    reader = reader or ContinuationReader(runtime)
    groups: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
    for number, text in enumerate(continuations):
        before, ids = encode_pair(runtime.tokenizer, context, text, special=special)
        room = runtime.engine.context_length + 1 - len(ids)
        groups.setdefault(tuple(before[-room:]), []).append((number, tuple(ids)))
    results: dict[int, Likelihood] = {}
    for prefix, members in groups.items():
        for (number, own), score in zip(members, _score(runtime, reader, prefix, members), strict=True):
            results[number] = Likelihood(own, *score)
    return [results[number] for number in range(len(continuations))]


def ids_logprob(runtime: Runtime, before: Sequence[int], ids: Sequence[int]) -> float:
    """Return the log-likelihood of tokens behind others, nats; read in chunks."""
    whole, scorer = [*before, *ids], TokenScorer(runtime.engine.vocab_size)
    parts: list[float] = []

    def seen(behind: int, rows: Any) -> None:
        for place, logits in enumerate(rows, behind + 1):
            parts.append(scorer.score(logits, whole[place], 0).logprob)

    score_in_chunks(runtime, whole[:-1], seen, first=len(before) - 1)
    return math.fsum(parts)


def encode_pair(
    tokenizer: Tokenizer, context: str, continuation: str, *, special: bool = False
) -> tuple[list[int], list[int]]:
    """Return the tokens of a context and of what follows it, as lm-evaluation-harness cuts them.

    Both are cut as one text, so the continuation's first token may have the blank before it. An empty context
    is the token that begins a text, or ends one.

    Raises:
        UsageError: the continuation has no tokens.
    """
    if not context:
        ids = tokenizer.encode(continuation, special=special, begin=False)
        before = [tokenizer.bos_id if tokenizer.bos_id is not None else min(tokenizer.eos_ids)]
        if ids[:1] == before:
            before, ids = ids[:1], ids[1:]
    else:
        kept = context.rstrip()
        whole = tokenizer.encode(context + continuation, special=special)
        before = tokenizer.encode(kept, special=special)
        ids = whole[len(before) :]
    if not ids or not before:
        raise UsageError(f"the choice {continuation!r:.60} has no tokens", hint="Correct the task.")
    return before, ids


def _score(
    runtime: Runtime,
    reader: ContinuationReader,
    prefix: Sequence[int],
    members: Sequence[tuple[int, tuple[int, ...]]],
) -> list[tuple[NDArray[np.float64], bool]]:
    scorer = TokenScorer(runtime.engine.vocab_size)
    logprobs = [np.zeros(len(ids)) for _, ids in members]
    ranks = [np.zeros(len(ids), np.uint32) for _, ids in members]

    def seen(n: int, place: int, logits: Any) -> None:
        scored = scorer.score(logits, members[n][1][place], 0)
        logprobs[n][place], ranks[n][place] = scored.logprob, scored.rank

    reader.read(list(prefix), [ids for _, ids in members], seen)
    return [(values, not rank.any()) for values, rank in zip(logprobs, ranks, strict=True)]
