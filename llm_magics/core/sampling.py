"""From logits to the next token, and to what is worth knowing about it.

Nothing here sorts the vocabulary: at 50k entries a sort costs 1 ms, the block maxima used instead 40 µs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from .options import SamplingOptions

Floats = NDArray[np.float32]
_ROWS = 128
_ALLOWED = 5  # likeliest tokens that a grammar allows, which are named beside the likeliest of all
_EXP_RANGE = 60.0  # e**60 times a million still fits float32


@dataclass(frozen=True, slots=True)
class TokenStats:
    """A token with its place in the model's own distribution (temperature 1, nothing removed).

    ``logprob`` and ``entropy`` in nats; ``rank`` 0 is the likeliest; ``top_ids`` and ``top_logprobs`` best
    first. ``u`` is the random number that decided, ``log_total`` the logarithm of the sum of all e^logit.
    Under a grammar ``allowed`` is how many tokens could come, ``log_allowed`` the logarithm of their
    probability, and ``banned`` tells of each of ``top_ids`` whether it could not come.
    """

    id: int
    logprob: float
    entropy: float
    rank: int
    top_ids: tuple[int, ...]
    top_logprobs: tuple[float, ...]
    u: float | None = None
    log_total: float | None = None
    allowed: int | None = None
    log_allowed: float | None = None
    banned: tuple[bool, ...] = ()


class AllowedTokens:
    """The ids that may come next under a grammar.

    Attributes:
        mask: (vocab,), bool.
        count: how many they are.
    """

    __slots__ = ("count", "mask")

    def __init__(self, mask: NDArray[np.bool_], count: int) -> None:
        self.mask, self.count = mask, count

    @property
    def few(self) -> bool:
        """Return whether they are less than half of all."""
        return 2 * self.count < len(self.mask)


def log_softmax(logits: Floats, dtype: type[Any] = np.float32) -> NDArray[Any]:
    """Return logits (…, vocab) as logprobs in nats, computed in ``dtype``."""
    result = logits.astype(dtype)
    result -= result.max(-1, keepdims=True)
    result -= np.log(np.exp(result).sum(-1, keepdims=True))
    return result


def top_k_indices(logits: Floats, k: int) -> NDArray[np.intp]:
    """Return the indices of the k largest of ``logits`` (vocab,), largest first.

    Of equal ones the lower index comes first.

    The k-th largest of the block maxima bounds the k-th largest of all from below, so only what reaches it is
    sorted. A block is a column of the reshaped array: maxima of columns are taken by whole rows, eight times
    as fast as along them.
    """
    size = len(logits)
    columns = size // _ROWS
    k = min(k, size)
    bounds = logits[: columns * _ROWS].reshape(_ROWS, columns).max(axis=0) if k <= columns else logits.copy()
    bounds.partition(len(bounds) - k)
    reached: NDArray[np.intp] = (logits >= bounds[len(bounds) - k]).nonzero()[0]
    return reached[(-logits[reached]).argsort(kind="stable")[:k]]


class TokenScorer:
    """Describes tokens under softmax(logits).

    Between two tokens the caches are cold, so what counts is how little memory and code is touched: one
    scratch array that is kept, few passes, and no BLAS: its threads would have to be woken.
    """

    def __init__(self, vocab_size: int) -> None:
        self._probabilities = np.empty(vocab_size, np.float32)

    def score(
        self,
        logits: Floats,
        id: int,
        alternatives: int,
        u: float | None = None,
        allowed: AllowedTokens | int | None = None,
    ) -> TokenStats:
        """Describe token ``id``.

        Args:
            logits: float32 (vocab,).
            id: the token.
            alternatives: how many of the likeliest tokens to name.
            u: the random number that decided on it.
            allowed: what could come under a grammar; an id where nothing else could.
        """
        best, shift = top_k_indices(logits, max(alternatives, 1)), 0.0
        if not -_EXP_RANGE < logits[best[0]] < _EXP_RANGE:  # softmax does not change when all move alike
            shift = float(logits[best[0]])
            logits = logits - logits[best[0]]
        odds = np.exp(logits, out=self._probabilities)
        total = float(odds.sum())
        log_total = math.log(total)
        entropy = log_total - float(np.einsum("i,i->", odds, logits)) / total
        own, values = logits[id], logits[best]
        # Whatever is larger than one of the best is among the best itself.
        larger = values if own >= values[-1] else logits
        under: dict[str, Any] = {}
        if isinstance(allowed, int):
            under = {"allowed": 1, "log_allowed": float(own) - log_total}
            under["banned"] = tuple((best[:alternatives] != allowed).tolist())
        elif allowed is not None:
            best, under = self._under(logits, best[:alternatives], allowed, log_total)
            values, alternatives = logits[best], len(best)
        return TokenStats(
            id=id,
            logprob=float(own) - log_total,
            entropy=max(entropy, 0.0),
            rank=int(np.count_nonzero(larger > own)),
            top_ids=tuple(best[:alternatives].tolist()),
            top_logprobs=tuple((values[:alternatives] - log_total).tolist()),
            u=u,
            log_total=float(np.float32(log_total + shift)),
            **under,
        )

    def _under(
        self, logits: Floats, best: NDArray[np.intp], allowed: AllowedTokens, log_total: float
    ) -> tuple[NDArray[np.intp], dict[str, Any]]:
        """Return the likeliest ids with the likeliest allowed ones, and what the grammar left.

        Args:
            logits: float32 (vocab,).
            best: the likeliest ids, of which none may be allowed.
            allowed: what could come.
            log_total: the logarithm of the sum of all e^logit.
        """
        odds = self._probabilities
        if allowed.few:
            ids = np.flatnonzero(allowed.mask)
            mass = float(odds[ids].sum())
            own = ids[top_k_indices(logits[ids], _ALLOWED)]
            best = np.concatenate([best, own[~np.isin(own, best)]])
            best = best[(-logits[best]).argsort(kind="stable")]
        else:
            mass = float(odds.sum()) - float(odds[~allowed.mask].sum())
        log_allowed = math.log(max(mass, 1e-38)) - log_total
        banned = tuple((~allowed.mask[best]).tolist())
        return best, {"allowed": allowed.count, "log_allowed": min(log_allowed, 0.0), "banned": banned}


class Sampler:
    """Chooses tokens for one request; owns its random stream, so the same seed gives the same text.

    Args:
        options: of the request.
        prompt_length: tokens of the prompt, which presence and frequency penalties do not count.
    """

    def __init__(self, options: SamplingOptions, prompt_length: int = 0) -> None:
        self._options, self._prompt_length = options, prompt_length
        self.u: float | None = None  # the last random number, of 32 bits, as the record keeps it
        self._random = np.random.Generator(np.random.PCG64(options.seed))

    def skip(self, tokens: int) -> None:
        """Skip the random numbers of tokens that were sampled before."""
        if self._options.temperature:
            self._random.random(tokens)

    def choose(self, logits: Floats, seen: Sequence[int], allowed: AllowedTokens | None = None) -> int:
        """Sample the next id.

        The order is that of transformers: penalties, temperature, top-k, top-p, min-p.

        Args:
            logits: (vocab,).
            seen: ids of prompt and answer, for the penalties.
            allowed: the ids that may come; the others are left out before anything else.
        """
        if allowed is not None:
            # Gathered, not set to −∞: less is sorted and summed, and rounding cannot pick another.
            ids = np.flatnonzero(allowed.mask)
            return int(ids[self._choose(logits[ids], seen)])
        return self._choose(logits, seen)

    def _choose(self, logits: Floats, seen: Sequence[int]) -> int:
        options = self._options
        if options.repetition_penalty != 1.0:
            logits = apply_repetition_penalty(logits, seen, options.repetition_penalty)
        if options.has_penalties:
            logits = apply_penalties(logits, seen, self._prompt_length, options)
        self.u = None
        if options.temperature == 0:
            id = int(logits.argmax())
            check_finite(logits[id])
            return id
        ids, probabilities = candidates(logits, options)
        # One uniform number a token, whatever is filtered: changing top_k does not shift the stream.
        self.u = min(int(self._random.random() * 2**32), 2**32 - 2) / 2**32
        point = self.u * probabilities.sum()
        index = int(np.searchsorted(np.cumsum(probabilities), point, side="right"))
        return int(ids[min(index, len(ids) - 1)])


def check_finite(most: float) -> None:
    """Raise ModelFileError where the largest logit is no number: NaN, or infinite."""
    if not math.isfinite(most):
        raise ModelFileError(
            f"the model computes {most} instead of a probability",
            hint="Load another copy of the model or of the adapter: the weights are damaged or too large.",
        )


def apply_repetition_penalty(logits: Floats, seen: Sequence[int], penalty: float) -> Floats:
    """Return a copy of the logits with the penalty of CTRL (Keskar et al. 2019) on ``seen``."""
    ids = np.unique(np.asarray(seen, np.intp))
    out = logits.copy()
    values = out[ids]
    out[ids] = np.where(values > 0, values / penalty, values * penalty)
    return out


def apply_penalties(
    logits: Floats, seen: Sequence[int], prompt_length: int, options: SamplingOptions
) -> Floats:
    """Return a copy of the logits with the presence, frequency and n-gram penalties.

    Args:
        logits: (vocab,).
        seen: ids of prompt and answer.
        prompt_length: how many of them are the prompt.
        options: the sampling options.
    """
    ids = np.asarray(seen, np.intp)
    out = logits.copy()
    own, counts = np.unique(ids[prompt_length:], return_counts=True)
    out[own] -= np.float32(options.presence_penalty) + counts.astype(np.float32) * np.float32(
        options.frequency_penalty
    )
    size = options.no_repeat_ngram_size
    if size and len(ids) >= size:
        grams = np.lib.stride_tricks.sliding_window_view(ids, size)
        follow = grams[(grams[:, :-1] == ids[len(ids) - size + 1 :]).all(1), -1]
        if len(np.unique(follow)) < len(out):  # of a tiny vocabulary something must be left
            out[follow] = -np.inf
    return out


def candidates(logits: Floats, options: SamplingOptions) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the ids that pass top-k, top-p and min-p, with unnormalized probabilities."""
    # The largest is taken off first: a very small temperature must not make all of them infinite.
    most = logits.max()
    check_finite(most)
    odds = np.exp((logits - most).astype(np.float64) / max(options.temperature, 1e-290))
    if options.top_k:
        ids = top_k_indices(logits, options.top_k)
        total = odds[ids].sum()
    else:
        total = odds.sum()
        ids = (
            _top_p_superset(logits, odds, options.top_p * total)
            if options.top_p < 1
            else np.arange(len(logits))
        )
    remaining = odds[ids]
    if options.top_p < 1:
        above = (
            np.cumsum(remaining) - remaining
        )  # the token that crosses top_p stays, and so the first always does
        ids, remaining = ids[above < options.top_p * total], remaining[above < options.top_p * total]
    if options.min_p > 0:
        likely = remaining >= options.min_p * remaining.max()
        ids, remaining = ids[likely], remaining[likely]
    return ids, remaining


def _top_p_superset(logits: Floats, odds: NDArray[np.float64], mass: float) -> NDArray[np.intp]:
    """Return enough of the most likely ids, most likely first, to cover the probability ``mass``."""
    for k in (64, 1024):
        ids = top_k_indices(logits, k)
        if odds[ids].sum() >= mass:
            return ids
    return top_k_indices(logits, len(logits))
