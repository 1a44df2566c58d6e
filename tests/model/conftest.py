"""The oracle: transformers over the default model's own weights, in fp32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.decoder.families import FAMILIES
from llm_magics.formats.gguf import GgufFile
from llm_magics.models.fidelity import prose as shipped_prose
from tests import tiny

PROSE = shipped_prose()
TOKENS = 600


@pytest.fixture(scope="session")
def model(default_gguf: Path) -> lm.Model:
    return lm.load()


@pytest.fixture(scope="session")
def exact(default_gguf: Path) -> lm.Model:
    return lm.load(precision="fp32")


@pytest.fixture(scope="session")
def oracle(default_gguf: Path) -> Any:
    """LlamaForCausalLM over weights that the gguf package dequantised; q and k are put back into halves right
    here.
    """
    file = GgufFile(default_gguf)
    shape = tiny.Shape(
        layers=30, hidden=576, heads=9, kv_heads=3, head_dim=64, ffn=1536, vocab=49152, context=8192
    )
    weights = {name: tensor.dequantize() for name, tensor in file.tensors.items()}
    for name in weights:
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            weights[name] = weights[name].reshape(-1, 32, 2, 576).swapaxes(1, 2).reshape(-1, 576)
    assert FAMILIES["llama"].gguf.woven
    return tiny.oracle(weights, shape, rope_theta=100_000.0)


@pytest.fixture(scope="session")
def prose(model: lm.Model) -> list[int]:
    ids = model.tokenizer.encode(PROSE)[:TOKENS]
    assert len(ids) == TOKENS
    return ids


@pytest.fixture(scope="session")
def reference(oracle: Any, prose: list[int]) -> np.ndarray:
    """The oracle's logits over the prose, (tokens, vocab)."""
    import torch

    with torch.no_grad():
        return oracle(torch.tensor([prose])).logits[0].numpy()
