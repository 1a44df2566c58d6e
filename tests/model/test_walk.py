"""The walk: its numbers are those of the other views, and the heads' parts are those of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.inspection.reading.instrumented import InstrumentedDecoder
from llm_magics.inspection.walkthrough import direct_logit_attribution
from tests.support import families
from tests.support.decoders import checkpoint, engine

TEXT = "The capital of France is Paris. The capital of Italy is"
OPTIONS: dict[str, Any] = {"temperature": 1.2, "top_k": 12, "top_p": 0.9}


def test_every_step_agrees_with_its_full_view(exact: lm.Model) -> None:
    found = exact.walkthrough(TEXT, **OPTIONS)
    prompt = found.head["prompt"]
    ids = found.head["ids"]
    answer = exact.generate(TEXT, raw=True, max_tokens=4, **OPTIONS)
    assert [each["id"] for each in found.head["tokens"]] == [token.id for token in answer.tokens]
    assert exact.replay(found.answer).chosen() == ids[prompt:]
    lens, seen = exact.logit_lens(ids), exact.attention(ids)
    for n in range(4):
        place = prompt + n - 1
        assert (found.arrays["lens_ids"][n, :, 0] == lens.arrays["top_ids"][:, place, 0]).mean() > 0.95
        assert (
            abs(found.arrays["looks"][n, 17, 5, : place + 1] - seen.matrix(18, 6)[place, : place + 1]).max()
            < 1e-4
        )
        assert found.arrays["scores"][n].sum() == found.head["vocab"]
    assert found.best_head(0) == (23, 4) and found.arrays["alike"][0, 0] > 0.999
    assert abs(found.arrays["throws"][0, 0] - found.arrays["u"][0]) < 1e-6
    text = repr(found)
    assert "layer 24, head 5 looks at ␣Italy (85 %)" in text and "␣Rome leads from layer 30" in text
    assert len(found.to_pandas()) == 4


def test_the_heads_parts_are_the_gradient_of_the_logit(exact: lm.Model, oracle: Any) -> None:
    """With the last norm's scale held, a head's part is its output times the head matrix: torch says the
    same."""
    import torch

    found = exact.walkthrough(TEXT, max_tokens=1, temperature=0)
    ids, id = found.head["ids"][:-1], found.head["tokens"][0]["id"]
    kept: list[Any] = []
    hooks = [
        layer.self_attn.o_proj.register_forward_pre_hook(lambda _, given: kept.append(given[0][0, -1]))
        for layer in oracle.model.layers
    ]
    with torch.no_grad():
        told = oracle(torch.tensor([ids]), output_hidden_states=True)
        before: list[Any] = []
        last = oracle.model.norm.register_forward_pre_hook(lambda _, given: before.append(given[0][0, -1]))
        oracle(torch.tensor([ids]))
        scale = oracle.model.norm.weight * torch.rsqrt(
            before[0].pow(2).mean() + oracle.model.norm.variance_epsilon
        )
        direction = (oracle.lm_head.weight[id] - oracle.lm_head.weight.mean(0)) * scale
        for number, (layer, heads) in enumerate(zip(oracle.model.layers, kept[:30], strict=True)):
            parts = heads.view(9, 64)
            weight = layer.self_attn.o_proj.weight.view(576, 9, 64)
            expected = torch.einsum("hd,ohd,o->h", parts, weight, direction).numpy()
            assert np.abs(found.arrays["adds"][0, number] - expected).max() < 1e-3
    for hook in (*hooks, last):
        hook.remove()
    assert told is not None


@pytest.mark.parametrize(
    "name",
    [
        "gemma2",
        *(["gemma4"] if families.TRANSFORMERS >= 5 else []),
        "olmo2",
        "gpt2",
        "falcon-7b",
        "mixtral",
        "llama-odd",
    ],
)
def test_parts_sum_to_what_attention_writes(name: str, tmp_path: Path) -> None:
    """In every kind of block: all heads together are attention's own output behind its norm."""
    families.make(name, tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    tapped = InstrumentedDecoder(engine(weights, tmp_path / "fp32", "fp32"), weights.spec)
    ids = np.random.default_rng(0).integers(3, 290, 20).tolist()
    (part,) = tapped.read(ids, residuals=True, heads=True)
    found = direct_logit_attribution(tapped, part.heads[:, -1], part.residuals[-1, -1], 7)
    assert found.shape == (weights.spec.layers, weights.spec.heads) and np.isfinite(found).all()
    halves = part.heads[:, -1].copy()
    halves[:, weights.spec.head_dim :] = 0
    if weights.spec.block in ("pre", "parallel"):  # without a norm behind attention a part stands for itself
        alone = direct_logit_attribution(tapped, halves, part.residuals[-1, -1], 7)
        assert np.allclose(alone[:, 0], found[:, 0], atol=1e-4) and np.allclose(alone[:, 1:], 0, atol=1e-5)


def test_bad_input_is_said(model: lm.Model) -> None:
    with pytest.raises(lm.UsageError, match="at most 16"):
        model.walkthrough("a", max_tokens=99)
    with pytest.raises(lm.UsageError, match="too many for a walk"):
        model.walkthrough("word " * 600)
