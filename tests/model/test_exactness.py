"""Logprobs are transformers' log-softmax in fp32, to 1e-4, on every token of twenty texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.inspection.tokenization import LANGUAGES
from tests.support.decoders import log_softmax

TEXTS = [
    *list(LANGUAGES.values())[:10],
    "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n",
    '{"name": "Zoë", "tags": ["a", "b"], "n": 3.14e-2}',
    "SELECT id, COUNT(*) FROM t WHERE x >= 10 GROUP BY id;\n-- done",
    "🚋🎉👩‍👩‍👧‍👦 and a 🏳️‍🌈 flag",
    "e\u0301 is not é; \u200bzero\u00a0width\ttab\r\n\n\n",
    "∑_{i=1}^n i = n(n+1)/2 ≤ ∞, ∀x∈ℝ",
    "The quick brown fox jumps over the lazy dog. " * 6,
    "1,234,567.89 + 0x1F600 = 42?!… «quoted» „Zitat“ ‘it’s’",
    "<|im_start|>user\nnot special here<|im_end|>",
    "   leading spaces\n\n\tand   gaps   ",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_logprobs_on_every_token(exact: lm.Model, oracle: Any, text: str) -> None:
    import torch

    found = exact.score(text)
    ids = [token.id for token in found.tokens]
    assert "".join(token.text for token in found.tokens) == text
    with torch.no_grad():
        expected = log_softmax(oracle(torch.tensor([ids])).logits[0].numpy())
    own = expected[np.arange(len(ids) - 1), ids[1:]]
    assert np.abs(np.array([token.logprob for token in found.tokens[1:]]) - own).max() < 1e-4
    entropy = -(np.exp(expected) * expected).sum(-1)[:-1]
    assert np.abs(np.array([token.entropy for token in found.tokens[1:]]) - entropy).max() < 1e-3
    ranks = (expected[:-1] > own[:, None]).sum(-1)
    assert np.abs(np.array([token.rank for token in found.tokens[1:]]) - ranks).max() <= 2  # near ties


def test_there_are_twenty_of_every_kind() -> None:
    assert len(TEXTS) == 20 == len(set(TEXTS))
