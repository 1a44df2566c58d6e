"""Attention on the default model: what transformers' eager attention says, kept small, read back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.inspection.attention import Attention, induction_targets

TEXT = "The capital of France is Paris. The capital of Italy is"


def test_weights_are_those_of_transformers(exact: lm.Model, oracle: Any) -> None:
    import torch

    found = exact.attention(TEXT)
    ids = found.head["ids"]
    oracle.set_attn_implementation("eager")
    with torch.no_grad():
        told = oracle(torch.tensor([ids]), output_attentions=True).attentions
    expected = np.stack([each[0].numpy() for each in told])
    rolled = np.eye(len(ids))
    for layer in range(30):
        for head in range(9):
            assert np.abs(found.matrix(layer + 1, head + 1) - expected[layer, head]).max() < 1e-4
        mean = expected[layer].mean(0)
        assert np.abs(found.matrix(layer + 1, "mean") - mean).max() < 1e-4
        assert np.abs(found.matrix(layer + 1, "max") - expected[layer].max(0)).max() < 1e-4
        rolled = (0.5 * mean + 0.5 * np.eye(len(ids))) @ rolled
        assert np.abs(found.matrix(layer + 1, "rollout") - rolled).max() < 1e-3
    assert np.allclose(found.arrays["habits"][..., 0], expected[:, :, 1:, 0].mean(-1), atol=1e-4)
    copies = [(row, at) for row, at in enumerate(induction_targets(ids)) if at >= 0]
    behind = np.mean([expected[:, :, row, at] for row, at in copies], axis=0)
    assert np.allclose(found.arrays["habits"][..., 1], behind, atol=1e-4)
    assert np.allclose(found.arrays["thumbs"], expected, atol=1e-4)  # twelve tokens: nothing is shrunk
    again = Attention.from_payload(found.to_payload())
    assert np.abs(again.matrix(18, 6) - found.matrix(18, 6)).max() <= 0.5 / 255 + 1e-6


def test_a_long_text_keeps_one_layer_and_every_small_picture(model: lm.Model, prose: list[int]) -> None:
    found = model.attention(prose[:300])
    assert found.head["kept"] == [18] and found.arrays["thumbs"].shape == (30, 9, 24, 24)
    other = model.attention(prose[:300], layers=[3, 18])
    assert np.array_equal(other.matrix(18, 2), found.matrix(18, 2))
    assert np.allclose(other.matrix(3, 1).sum(1), 1, atol=1e-4)
    whole = other.matrix(3, 1)
    rows = np.arange(300) * 24 // 300
    corner = whole[np.ix_(rows == 20, rows == 4)].max()
    assert abs(found.arrays["thumbs"][2, 0, 20, 4] - corner) < 1e-6
    with pytest.raises(lm.UsageError, match="is not stored"):
        found.matrix(3)
    with pytest.raises(lm.UsageError, match="does not exist"):
        found.matrix(18, 10)


def test_more_than_a_gigabyte_is_asked_for(model: lm.Model, prose: list[int]) -> None:
    with pytest.raises(lm.UsageError, match=r"30 layers over 1,500 tokens take 1\.\d GB"):
        model.attention((prose * 3)[:1500], layers=range(1, 31))
    with pytest.raises(lm.UsageError, match="do not exist"):
        model.attention("a b", layers=[31])


def test_copies() -> None:
    assert induction_targets([5, 6, 5, 7, 6]) == [-1, -1, 1, -1, 2]
