"""Steps: those of PEFT with torch's AdamW, the same with a frozen part that is kept, and the way back."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llm_magics.models.adapters.targets import resolve_targets
from llm_magics.tuning.examples import Example, Split
from llm_magics.tuning.training.lora import LoraParameters
from llm_magics.tuning.training.model import TrainableModel
from llm_magics.tuning.training.trainer import BETAS, CLIP, LAST_RATE, WARM_UP, Trainer
from tests.support import families
from tests.support.adapters import examples, expected, peft_of
from tests.support.decoders import checkpoint


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trainer") / "hub"
    families.make("llama", folder)
    return folder


def split_of(count: int = 12) -> Split:
    rows = [row for seed in range(count // 4) for row in examples(seed)]
    rows = [Example(n, row.ids, row.loss_mask, row.prompt_length) for n, row in enumerate(rows, 1)]
    return Split(train=rows[:-2], validation=rows[-2:])


def trainer(hub: Path, first: int = 0, total: int = 20, **options: Any) -> Trainer:
    network = TrainableModel(checkpoint(hub))
    spec = network.spec
    lora = LoraParameters(
        spec, range(first, spec.layers), resolve_targets(spec, "all"), rank=4, alpha=8, seed=0
    )
    return Trainer(network, lora, split_of(), rate=1e-2, batch=4, seed=0, total=total, **options)


def test_a_step_is_a_step_of_peft(hub: Path) -> None:
    """phi3 keeps q, k, v and gate, up in one matrix, as we do: every parameter goes where theirs goes."""
    folder = hub.parent / "phi3"
    oracle = families.make("phi3", folder)
    network = TrainableModel(checkpoint(folder))
    lora = LoraParameters(
        network.spec, range(3), resolve_targets(network.spec, "all"), rank=4, alpha=8, seed=0
    )
    targets = sorted({module.rpartition(".")[2] for module in lora.adapter().pairs})
    theirs = peft_of(oracle, targets, lora)
    ours = Trainer(network, lora, split_of(), rate=1e-2, batch=4, seed=0, total=20)
    parameters = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2, betas=BETAS, weight_decay=0.0)
    for step in range(3):
        losses = expected(theirs, ours._next())
        optimizer.zero_grad()
        losses.mean().backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP)
        for group in optimizer.param_groups:
            group["lr"] = 1e-2 * (step + 1) / WARM_UP
        optimizer.step()
        loss, tokens = ours.advance()
        assert loss == pytest.approx(float(losses.mean().detach()), abs=1e-4) and tokens > 0
    modules = dict(theirs.named_modules())
    for name, pair in lora.adapter().pairs.items():
        module = modules[f"base_model.model.{name}"]
        for array, parameter in ((pair.a, module.lora_A), (pair.b, module.lora_B)):
            assert np.abs(array - parameter["default"].weight.detach().numpy()).max() < 1e-5


def test_what_is_frozen_is_computed_once(hub: Path) -> None:
    plain, kept = trainer(hub, first=2), trainer(hub, first=2)
    kept.freeze()
    assert set(kept.network.layers) == {2}
    for _ in range(4):
        assert kept.advance()[0] == pytest.approx(plain.advance()[0], abs=1e-5)
    assert kept.loss(kept.split.validation) == pytest.approx(plain.loss(plain.split.validation), abs=1e-5)


def test_it_learns_and_goes_back(hub: Path) -> None:
    ours = trainer(hub)
    begun = ours.loss(ours.split.train)
    for _ in range(6):
        ours.advance()
    state, at = ours.state(), ours.step
    after = [ours.advance()[0] for _ in range(3)]
    assert ours.loss(ours.split.train) < begun - 0.05
    # The same three steps again, here and in another trainer.
    other = trainer(hub)
    for each in (ours, other):
        each.restore(state, at)
        assert [each.advance()[0] for _ in range(3)] == pytest.approx(after, abs=1e-6)


def test_what_is_no_number_changes_nothing(hub: Path) -> None:
    ours = trainer(hub)
    ours.advance()
    before = ours.lora.state()
    ours.network.embedding[5:290] = math.nan
    assert math.isnan(ours.advance()[0]) and ours.step == 1
    assert all(np.array_equal(array, before[name]) for name, array in ours.lora.state().items())


def test_the_rate_rises_and_falls(hub: Path) -> None:
    ours, rates = trainer(hub, total=40), []
    for ours.step in range(40):
        rates.append(ours._schedule())
    assert rates[0] == 1 / WARM_UP and max(rates) == rates[WARM_UP] == 1
    assert rates == sorted(rates[:WARM_UP]) + sorted(rates[WARM_UP:], reverse=True)
    assert LAST_RATE < rates[-1] < 2 * LAST_RATE


def test_every_epoch_has_every_row(hub: Path) -> None:
    ours = trainer(hub)
    seen = []
    for ours.step in range(10):
        seen += [example.row for example in ours._next()]
    assert all(sorted(seen[n : n + 10]) == list(range(1, 11)) for n in (0, 10, 20, 30))
    assert seen[:10] != seen[10:20]
