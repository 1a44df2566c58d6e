"""Training on a card, as far as a machine without one can tell: no operator gets tensors of two devices.

The device is torch's "meta", which computes shapes only; a dispatch mode looks at every operator, in both
directions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from llm_magics.engine.device import CPU, Device
from llm_magics.models.adapters.targets import resolve_targets
from llm_magics.tuning.examples import Example, Split
from llm_magics.tuning.training import hardware
from llm_magics.tuning.training.batch import batch_of
from llm_magics.tuning.training.lora import LoraParameters
from llm_magics.tuning.training.model import TrainableModel
from llm_magics.tuning.training.trainer import Trainer
from tests.support import families
from tests.support.adapters import examples
from tests.support.decoders import checkpoint

META = torch.device("meta")
MOVES = ("aten::_to_copy", "aten::copy_")
DENSE = [
    name
    for name in families.CASES
    if not name.startswith(("qwen3.5", "gemma4", "gpt-oss", "mixtral")) and "moe" not in name
]


class OneDevice(TorchDispatchMode):
    """Refuse operators whose tensors are on two devices; a number (0 dimensions) may be on the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [item for item in tree_leaves((args, kwargs or {})) if isinstance(item, torch.Tensor)]
        devices = {tensor.device.type for tensor in tensors if tensor.dim()}
        if len(devices) > 1 and func._schema.name not in MOVES:
            raise AssertionError(f"{func} gets tensors on {devices}")
        return func(*args, **(kwargs or {}))


def trainer_on(folder: Path, device: torch.device, first: int = 0) -> Trainer:
    network = TrainableModel(checkpoint(folder), device=device, first=first)
    spec = network.spec
    layers, roles = range(first, spec.layers), resolve_targets(spec, "all")
    lora = LoraParameters(spec, layers, roles, rank=4, alpha=6, seed=1, device=device)
    rows = [Example(n, row.ids, row.loss_mask, row.prompt_length) for n, row in enumerate(examples(), 1)]
    return Trainer(network, lora, Split(train=rows), rate=1e-2, batch=4, seed=0, total=4)


@pytest.mark.parametrize("name", DENSE)
def test_a_step_on_a_device(name: str, tmp_path: Path) -> None:
    families.make(name, tmp_path / "hub")
    for first in (0, 1):
        trainer = trainer_on(tmp_path / "hub", META, first)
        with OneDevice():
            trainer.freeze()
            rows = trainer.split.train
            losses = trainer._losses(rows, batch_of(rows).to(META))
            losses.mean().backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(list(trainer.lora), 1.0)
            trainer._optimizer.step()
        assert losses.device == META and all(parameter.grad is not None for parameter in trainer.lora)


def test_the_mode_sees_a_tensor_that_was_left_behind(tmp_path: Path) -> None:
    families.make("llama", tmp_path / "hub")
    trainer = trainer_on(tmp_path / "hub", META)
    rows = trainer.split.train
    with OneDevice(), pytest.raises(AssertionError, match="gets tensors on"):
        trainer._losses(rows, batch_of(rows))


def test_the_device_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware.training_device(CPU) == (torch.device("cpu"), "")
    device, note = hardware.training_device(Device("cuda", 1))
    assert (
        device == torch.device("cpu") and note == "the run computes on the CPU: this torch cannot use cuda:1"
    )
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert hardware.training_device(Device("cuda", 1)) == (torch.device("cuda", 1), "")
    assert hardware.training_device(Device("cuda", 2))[0] == torch.device("cpu")
    hardware.fastest_dtype.cache_clear()
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert hardware.fastest_dtype("cuda") == torch.float32
    hardware.fastest_dtype.cache_clear()


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({"GenuineIntel", "avx512_bf16", "amx_bf16"}, torch.bfloat16),
        ({"GenuineIntel", "avx512_bf16"}, torch.float32),
        ({"AuthenticAMD", "avx512_bf16"}, torch.bfloat16),
        ({"AuthenticAMD", "avx2"}, torch.float32),
        ({"bf16", "asimd"}, torch.bfloat16),
        (set(), torch.float32),
    ],
)
def test_the_number_format_of_a_processor(
    features: set[str], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_features", lambda: features)
    hardware.fastest_dtype.cache_clear()
    try:
        assert hardware.fastest_dtype() == expected
    finally:
        hardware.fastest_dtype.cache_clear()


def test_bfloat16_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session of 2 GB has no room for the default model in float32 and what a step remembers of it."""
    cpu = torch.device("cpu")
    for features, free, expected in (
        ({"GenuineIntel", "avx512_bf16"}, 1.5e9, torch.bfloat16),
        ({"GenuineIntel", "avx512_bf16"}, 8e9, torch.float32),
        ({"GenuineIntel", "avx2"}, 1.5e9, torch.float32),
    ):
        monkeypatch.setattr(hardware, "_features", lambda features=features: features)
        hardware.fastest_dtype.cache_clear()
        assert hardware.dtype_for(cpu, 134_000_000, int(free)) == expected
    hardware.fastest_dtype.cache_clear()
