"""Held-out rows through ONNX Runtime: what the model that answers makes of them, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.sampling import log_softmax
from ..engine.base import Engine
from .examples import Example

TOKENS = 64  # read at once: logits of more would take much memory
DRAWS, LEVEL = 2000, 0.95


@dataclass(frozen=True, slots=True)
class Perplexity:
    """Of completions that nothing was chosen on.

    Attributes:
        before, after: perplexity without and with the adapter.
        before_interval, after_interval: 95 % bootstrap intervals over rows (Efron 1979).
        change, change_interval: after / before, from the same draws.
        rows, tokens: how many.
    """

    before: float
    after: float
    before_interval: tuple[float, float]
    after_interval: tuple[float, float]
    change: float
    change_interval: tuple[float, float]
    rows: int
    tokens: int

    def __str__(self) -> str:
        low, high = self.after_interval
        return (
            f"perplexity {self.before:.2f} → {self.after:.2f} [{low:.2f}, {high:.2f}] on {self.rows} rows "
            f"({self.tokens:,} tokens) that nothing was chosen on"
        )


def completion_nll(engine: Engine, examples: Sequence[Example]) -> np.ndarray:
    """Return Σ −ln p of each example's completions, and how many tokens: float64 (rows, 2)."""
    result = np.zeros((len(examples), 2))
    cache = engine.cache()
    for row, example in enumerate(examples):
        cache.truncate(0)
        total = 0.0
        for begin in range(0, len(example.ids) - 1, TOKENS):
            ids = example.ids[begin : min(begin + TOKENS, len(example.ids) - 1)]
            logits = cache.extend(ids, all_logits=True)
            for n in range(len(ids)):
                if example.loss_mask[begin + n + 1]:
                    total -= float(log_softmax(logits[n], np.float64)[example.ids[begin + n + 1]])
        result[row] = total, example.completions
    return result


def perplexity(before: np.ndarray, after: np.ndarray, *, seed: int = 0) -> Perplexity:
    """Compute perplexities from the losses of the same rows, see :func:`completion_nll`.

    Raises:
        ValueError: there are no rows.
    """
    if not len(before):
        raise ValueError("there are no rows")
    drawn = np.random.default_rng(seed).integers(0, len(before), (DRAWS, len(before)))
    counts = before[:, 1][drawn].sum(1)
    logs = [losses[:, 0][drawn].sum(1) / counts for losses in (before, after)]
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]

    def interval(values: np.ndarray) -> tuple[float, float]:
        low, high = np.exp(np.quantile(values, ends))
        return float(low), float(high)

    tokens = before[:, 1].sum()
    means = [float(losses[:, 0].sum() / tokens) for losses in (before, after)]
    return Perplexity(
        math.exp(means[0]),
        math.exp(means[1]),
        interval(logs[0]),
        interval(logs[1]),
        math.exp(means[1] - means[0]),
        interval(logs[1] - logs[0]),
        len(before),
        int(tokens),
    )


def longest_verbatim_match(answer: Sequence[int], examples: Sequence[Example]) -> tuple[int, int]:
    """Return the longest run of tokens that an answer has in common with what a row taught.

    Its length, and the row.

    It may begin anywhere in both.
    """
    taught: list[int] = []
    rows: list[int] = []
    for example in examples:
        own = [id for id, learnt in zip(example.ids, example.loss_mask, strict=True) if learnt]
        taught += [*own, -1]
        rows += [example.row] * (len(own) + 1)
    if not taught or not answer:
        return 0, 0
    text, best, row = np.array(taught), 0, 0
    runs = np.zeros(len(text) + 1, np.int64)
    for token in answer:  # the longest common substring, a line of its table at a time
        runs[1:] = np.where(text == token, runs[:-1] + 1, 0)
        at = int(runs.argmax())
        if runs[at] > best:
            best, row = int(runs[at]), rows[at - 1]
    return best, row
