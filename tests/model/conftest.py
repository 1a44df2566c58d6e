"""The oracle: transformers over the default model's own weights, in fp32."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.decoder.families import FAMILIES
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.tokenizers.gguf import tokenizer_spec
from llm_magics.models.fidelity import sample_text as shipped_prose
from tests.support import families, tiny

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
    assert FAMILIES["llama"].gguf.interleaved
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


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama as the Hub has it, in two shards and bfloat16, with a byte-level tokenizer."""
    folder = tmp_path_factory.mktemp("hub") / "tiny-llama"
    oracle = families.make("llama", folder)
    shutil.rmtree(folder)
    import torch

    oracle.to(torch.bfloat16).save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    gguf = folder.parent / "t.gguf"
    shape = tiny.Shape(vocab=293)
    tiny.write(gguf, {"token_embd.weight": np.zeros((293, 64), np.float32)}, shape)
    (folder / "tokenizer.json").write_text(tokenizer_spec(GgufFile(gguf).metadata).json)
    config = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": tiny.TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder
