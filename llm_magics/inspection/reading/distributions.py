"""What is worth knowing about many distributions at once, one a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.sampling import top_k_indices

Floats = NDArray[np.float32]
VALUES = 2 << 20  # logits that are held at once: 8 MB


def rows_per_chunk(vocab_size: int, *, most: int = 64) -> int:
    """Return how many rows of logits are computed per call."""
    return max(1, min(most, VALUES // vocab_size))


@dataclass(frozen=True, slots=True)
class DistributionStats:
    """Of n distributions: ``top_ids`` and ``top_logprobs`` (n, k), best first.

    Of one token each its ``logprob`` (nats) and its ``rank`` (from 0), both (n,); ``entropy`` (n,), nats;
    ``log_total`` (n,): the logarithm of the sum of all e^logit.
    """

    top_ids: NDArray[np.int64]
    top_logprobs: Floats
    logprob: Floats
    rank: NDArray[np.int64]
    entropy: Floats
    log_total: Floats


class DistributionReader:
    """Reads rows of logits, which it uses up."""

    def __init__(self, vocab_size: int, *, top_k: int) -> None:
        self.top_k = min(top_k, vocab_size)

    def read(self, logits: Floats, ids: NDArray[np.int64]) -> DistributionStats:
        """Read the top tokens of each row of logits, and the logprob and rank of one token.

        Args:
            logits: float32 (n, vocab); its rows are shifted in place.
            ids: (n,), the token of each row that is measured.
        """
        n = len(logits)
        most = logits.max(1)
        logits -= most[:, None]
        odds = np.exp(logits)
        total = odds.sum(1, dtype=np.float64)
        log_total = np.log(total)
        entropy = log_total - np.einsum("ij,ij->i", odds, logits) / total
        own = logits[np.arange(n), ids]
        best = np.stack([top_k_indices(row, self.top_k) for row in logits])
        return DistributionStats(
            best.astype(np.int64),
            (np.take_along_axis(logits, best, 1) - log_total[:, None]).astype(np.float32),
            (own - log_total).astype(np.float32),
            (logits > own[:, None]).sum(1),
            np.maximum(entropy, 0).astype(np.float32),
            (log_total + most).astype(np.float32),
        )
