"""Filters against transformers' logits processors."""

from __future__ import annotations

import numpy as np
import pytest

from llm_magics import SamplingOptions
from llm_magics.core.sampling import apply_repetition_penalty, candidates


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 40},
        {"top_p": 0.9, "top_k": 0},
        {"min_p": 0.05, "top_k": 0, "top_p": 1.0},
        {"top_k": 50, "top_p": 0.8, "min_p": 0.1},
        {"top_p": 0.9999, "top_k": 0, "min_p": 0.0},
    ],
)
def test_the_same_tokens_survive_with_the_same_odds(seed: int, options: dict) -> None:
    import torch
    from transformers import (
        LogitsProcessorList,
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    given = SamplingOptions(temperature=0.8, **options)
    logits = (np.random.default_rng(seed).standard_normal(3000) * 2).astype(np.float32)
    chain = LogitsProcessorList([TemperatureLogitsWarper(given.temperature)])
    if given.top_k:
        chain.append(TopKLogitsWarper(given.top_k))
    if given.top_p < 1:
        chain.append(TopPLogitsWarper(given.top_p))
    if given.min_p > 0:
        chain.append(MinPLogitsWarper(given.min_p))
    expected = torch.softmax(chain(torch.tensor([[1]]), torch.tensor(logits)[None].double())[0], -1).numpy()
    ids, odds = candidates(logits, given)
    found = np.zeros_like(expected)
    found[ids] = odds / odds.sum()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_repetition_penalty() -> None:
    import torch
    from transformers import RepetitionPenaltyLogitsProcessor

    logits = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    seen = [1, 5, 5, 99]
    expected = RepetitionPenaltyLogitsProcessor(1.3)(torch.tensor([seen]), torch.tensor(logits)[None])[
        0
    ].numpy()
    np.testing.assert_allclose(apply_repetition_penalty(logits, seen, 1.3), expected, rtol=1e-6)
