"""The inside of every family, read through the fused graph with taps, against transformers' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_magics.inspection.reading.instrumented import InstrumentedDecoder
from tests.support import families
from tests.support.decoders import checkpoint, engine

IDS = np.random.default_rng(0).integers(3, 290, 100).tolist()


def everything(tapped: InstrumentedDecoder, ids: list[int]) -> dict[str, Any]:
    """All that was read, put together."""
    layers = tapped.spec.attention_layers
    parts: dict[str, list[Any]] = {"logits": [], "residuals": [], "heads": [], "attention": []}
    for each in tapped.read(ids, logits=True, residuals=True, attention=layers, heads=True):
        for name in parts:
            parts[name].append(getattr(each, name).copy())
    full = [np.pad(a, ((0, 0), (0, 0), (0, 0), (0, len(ids) - a.shape[3]))) for a in parts["attention"]]
    return {
        "logits": np.concatenate(parts["logits"]),
        "residuals": np.concatenate(parts["residuals"], axis=1),
        "heads": np.concatenate(parts["heads"], axis=1),
        "attention": np.concatenate(full, axis=2),
    }


@pytest.mark.parametrize("name", families.CASES)
def test_hidden_states_and_attention_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    import torch

    oracle = families.make(name, tmp_path / "hub")
    eager = oracle
    if "falcon" in name and "rw" not in name:  # sdpa tells no weights; its eager form is right without ALiBi
        eager = families.make(name, tmp_path / "again")
        eager.set_attn_implementation("eager")
    weights = checkpoint(tmp_path / "hub")
    base = engine(weights, tmp_path / "fp32", "fp32")
    plain = base.cache().extend(IDS[:64], all_logits=True).copy()
    tapped = InstrumentedDecoder(base, weights.spec)
    found = everything(tapped, IDS)
    # To the bit where the residuals alone are read.
    first = next(tapped.read(IDS, logits=True, residuals=True))
    assert np.array_equal(first.logits, plain)
    # To the last bits only: where weights are given out, attention is computed by another kernel.
    assert np.abs(found["logits"][:64] - plain).max() <= 1e-5 * np.abs(plain).max()
    assert np.array_equal(base.cache().extend(IDS[:64], all_logits=True), plain)
    with torch.no_grad():
        told = eager(torch.tensor([IDS]), output_hidden_states=True, output_attentions="rw" not in name)
    hidden = [each[0].numpy() for each in told.hidden_states]
    scale = max(np.abs(hidden[-2]).max(), 1.0)
    for layer in range(weights.spec.layers):  # the last one of transformers is normed already
        assert np.abs(found["residuals"][layer] - hidden[layer]).max() < 1e-4 * scale
    with torch.no_grad():
        expected = oracle(torch.tensor([IDS])).logits[0].numpy()
    assert np.abs(tapped.logits_of(found["residuals"][-1]) - expected).max() < 1e-4 * np.abs(expected).max()
    sums = found["attention"].sum(-1)
    if weights.spec.sinks:  # a sink takes its share
        assert (sums < 1).all() and (sums > 0).all()
    else:
        assert np.allclose(sums, 1, atol=1e-5)
    if "rw" not in name:
        for layer, weights_of in enumerate(told.attentions):
            assert np.abs(found["attention"][layer] - weights_of[0].numpy()).max() < 1e-4
    # The heads' own outputs are what attention writes, less its bias.
    spec, some = weights.spec, found["heads"][:, -3:]
    whole = tapped.head_outputs(some)
    apart = np.zeros_like(whole)
    for head in range(spec.heads):
        alone = np.zeros_like(some)
        for row, layer in enumerate(spec.attention_layers):
            dim = spec.head_dim_in(layer)
            part = slice(head * dim, (head + 1) * dim)
            alone[row, :, part] = some[row, :, part]
        apart += tapped.head_outputs(alone)
    assert np.allclose(whole, apart, atol=1e-4 * np.abs(whole).max())
