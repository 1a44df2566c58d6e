"""Our training forward says what transformers says, and its gradients are PEFT's: each family, in fp32."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from llm_magics.models.adapters.lora import Adapter, LoraPair
from llm_magics.models.adapters.roles import shape_of
from llm_magics.models.adapters.targets import module_of, resolve_targets, to_layer_roles
from llm_magics.tuning.training.batch import batch_of, tokens_of
from llm_magics.tuning.training.lora import LoraParameters
from llm_magics.tuning.training.model import TrainableModel
from tests.support import families
from tests.support.adapters import examples, expected, peft_of
from tests.support.decoders import checkpoint


@pytest.mark.parametrize(
    "name", [name for name in families.CASES if not name.startswith(("qwen3.5", "gemma4"))]
)
def test_losses_are_those_of_transformers(name: str, tmp_path: Path) -> None:
    oracle = families.make(name, tmp_path / "hub")
    network = TrainableModel(checkpoint(tmp_path / "hub"))
    for rows in (examples(), examples(1, shared=0), examples(2)[:1]):
        batch = batch_of(rows)
        assert len(batch.ids) % 32 == 0 and tokens_of(rows) <= len(batch.ids)
        with torch.no_grad():
            x = network.run(network.embed(batch), batch, range(network.spec.layers))
            assert (network.token_losses(x, batch) - expected(oracle, rows)).abs().max() < 1e-4


def test_what_all_begin_with_is_there_once() -> None:
    rows = examples()
    assert tokens_of(rows) == 9 + 12 + 40 + 5 + 31
    batch = batch_of(rows)
    assert batch.owner.tolist() == [
        row for row, length in enumerate((12, 40, 5, 31)) for _ in range(length - 2)
    ]
    assert batch.targets.tolist() == [id for row in rows for id in row.ids[row.prompt_length :]]


@pytest.mark.parametrize(
    "name", [name for name in families.CASES if not name.startswith(("qwen3.5", "gemma4"))]
)
@pytest.mark.parametrize("usual", [False, True], ids=["all", "usual"])
def test_gradients_are_those_of_peft(name: str, usual: bool, tmp_path: Path) -> None:
    """One backward pass, B not zero: every A and B of ours against PEFT's; a shared A has their sum."""
    oracle = families.make(name, tmp_path / "hub")
    network = TrainableModel(checkpoint(tmp_path / "hub"))
    spec = network.spec
    roles = resolve_targets(spec, ("q", "v") if usual else "all")
    lora = LoraParameters(spec, range(spec.layers), roles, rank=4, alpha=6, seed=1)
    made = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for b in lora.b.values():
            b.copy_(torch.randn(b.shape, generator=made) * 0.05)
    rows = examples()
    batch = batch_of(rows)
    found = network.token_losses(
        network.run(network.embed(batch), batch, range(spec.layers), lora.apply), batch
    )
    found.mean().backward()

    targets = sorted({module.rpartition(".")[2] for module in lora.adapter().pairs})
    inside = "|".join(map(re.escape, lora.adapter().pairs))  # experts have modules of the same names
    theirs = peft_of(oracle, inside if spec.experts else targets, lora)
    wanted = expected(theirs, rows)
    assert (found - wanted).abs().max() < 1e-4
    wanted.mean().backward()
    gradients = Adapter(
        {
            name.removeprefix("base_model.model."): LoraPair(
                module.lora_A["default"].weight.grad.numpy(), module.lora_B["default"].weight.grad.numpy()
            )
            for name, module in theirs.named_modules()
            if hasattr(module, "lora_A") and len(module.lora_A)
        },
        lora.alpha,
    )
    assert set(gradients.pairs) == set(lora.adapter().pairs)
    for (layer, role), pair in to_layer_roles(spec, gradients).items():
        product = next(product for product, held in lora.roles.items() if role in held)
        held, module = lora.roles[product], module_of(spec, role)[1]
        begin = sum(shape_of(spec, layer, each)[0] for each in held[: held.index(role)])
        ours = lora.b[layer, product].grad[begin : begin + shape_of(spec, layer, role)[0]].numpy()
        assert np.abs(ours - pair.b).max() <= 1e-4 * np.abs(pair.b).max() + 1e-8
        if len(module) == len(held):  # one module has them all: one A there too
            assert (
                np.abs(lora.a[layer, product].grad.numpy() - pair.a).max()
                <= 1e-4 * np.abs(pair.a).max() + 1e-8
            )
    for (layer, product), a in lora.a.items():
        held = lora.roles[product]
        modules = {module_of(spec, role)[0]: role for role in held}
        total = sum(to_layer_roles(spec, gradients)[layer, role].a for role in modules.values())
        assert np.abs(a.grad.numpy() - total).max() <= 1e-4 * np.abs(total).max() + 1e-8


def test_a_state_goes_back() -> None:
    from llm_magics.decoder.spec import DecoderSpec

    spec = DecoderSpec("llama", 2, 32, 4, 2, 8, 48, 64, 32, 1e-5)
    lora = LoraParameters(spec, [1], ("q", "v", "down"), rank=2, alpha=4, seed=3)
    before = lora.state()
    assert lora.count == sum(part.size for part in before.values())
    with torch.no_grad():
        for parameter in lora:
            parameter += 1
    lora.restore(before)
    assert all(np.array_equal(part, before[name]) for name, part in lora.state().items())
    assert sorted(lora.adapter().pairs) == [
        f"model.layers.1.{part}" for part in ("mlp.down_proj", "self_attn.q_proj", "self_attn.v_proj")
    ]
