"""Adapters with random weights, and the same in PEFT."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from llm_magics.decoder.spec import DecoderSpec
from llm_magics.models.adapters.lora import Adapter, LoraPair
from llm_magics.models.adapters.roles import roles_in_layer, shape_of
from llm_magics.models.adapters.targets import module_of, to_modules
from llm_magics.tuning.examples import Example
from llm_magics.tuning.training.lora import LoraParameters

IDS = np.random.default_rng(0).integers(3, 290, 100).tolist()


def made(spec: DecoderSpec, roles: tuple[str, ...], *, shared: bool, seed: int = 1, rank: int = 4) -> Adapter:
    """Random matrices at these roles in all layers but the first; ``shared``: one A where inputs are one."""
    rng = np.random.default_rng(seed)
    pairs = {}
    for layer in range(1, spec.layers):
        for stacked in roles_in_layer(spec, layer).values():
            a = None
            for role in (role for role in stacked if role in roles):
                out, width = shape_of(spec, layer, role)
                if a is None or not (shared or len(module_of(spec, role)[1]) > 1):
                    a = rng.normal(0, 0.2, (rank, width)).astype(np.float32)
                pairs[layer, role] = LoraPair(a, rng.normal(0, 0.2, (out, rank)).astype(np.float32))
    return Adapter(to_modules(spec, pairs), 6.0)


def examples(seed: int = 0, shared: int = 9) -> list[Example]:
    """Four rows of different lengths, two of them past every window, that begin alike."""
    rng = np.random.default_rng(seed)
    begin = rng.integers(3, 290, shared).tolist()
    made = []
    for row, length in enumerate((12, 40, 5, 31)):
        ids = [*begin, *rng.integers(3, 290, length).tolist()]
        learnt = [False] * (shared + 2) + [True] * (length - 2)
        made.append(Example(row, tuple(ids), tuple(learnt), shared + 2))
    return made


def expected(model: Any, rows: list[Example]) -> torch.Tensor:
    """−ln p of what is learnt, row by row."""
    out = []
    for row in rows:
        logits = model(torch.tensor([row.ids])).logits[0].float()
        logprobs = torch.log_softmax(logits, -1)
        out += [-logprobs[n - 1, row.ids[n]] for n in range(1, len(row.ids)) if row.loss_mask[n]]
    return torch.stack(out)


def peft_of(model: Any, targets: list[str], lora: LoraParameters) -> Any:
    """The same adapter in PEFT, through what we write."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0)
    theirs = get_peft_model(model, config)
    modules = dict(theirs.named_modules())
    with torch.no_grad():
        for name, pair in lora.adapter().pairs.items():
            module = modules[f"base_model.model.{name}"]
            module.lora_A["default"].weight.copy_(torch.from_numpy(pair.a))
            module.lora_B["default"].weight.copy_(torch.from_numpy(pair.b))
    return theirs
