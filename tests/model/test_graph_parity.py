"""Tiny random models of odd shapes: our graph against transformers, cached and uncached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from tests.support import tiny
from tests.support.decoders import log_softmax, read

SHAPES = {"plain": tiny.SHAPE, "odd": tiny.ODD, "wide": tiny.WIDE}


@pytest.fixture(params=SHAPES, scope="module")
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, tiny.Weights, tiny.Shape]:
    shape = SHAPES[request.param]
    return tmp_path_factory.mktemp(request.param), tiny.random_weights(shape, seed=7), shape


def logits(oracle: Any, ids: list[int]) -> np.ndarray:
    import torch

    with torch.no_grad():
        return oracle(torch.tensor([ids])).logits[0].numpy()


def test_fp32(pair: Any, home: Path) -> None:
    folder, weights, shape = pair
    tiny.write(folder / "model.gguf", weights, shape)
    model, oracle = lm.load(str(folder / "model.gguf"), precision="fp32"), tiny.oracle(weights, shape)
    ids = np.random.default_rng(0).integers(3, shape.vocab, 200).tolist()
    expected = logits(oracle, ids)
    for step in (200, 64, 1):
        assert np.abs(read(model, ids, step) - expected).max() < 1e-4
    cache = model.engine.cache()
    greedy = ids[:10]
    for _ in range(64):
        out = cache.extend(greedy[len(cache.cached) :])
        greedy.append(int(out[-1].argmax()))
    import torch

    with torch.no_grad():
        theirs = oracle.generate(
            torch.tensor([ids[:10]]), max_new_tokens=64, do_sample=False, eos_token_id=None, pad_token_id=0
        )
    assert greedy == theirs[0].tolist()


@pytest.mark.parametrize(
    ("kind", "embed"),
    [
        ("Q4_0", "Q4_0"),
        ("Q4_0", "Q8_0"),
        ("Q4_1", "Q4_1"),
        ("Q4_1", "Q8_0"),
        ("Q8_0", "Q8_0"),
        ("F16", "F16"),
        ("BF16", "BF16"),
        ("Q5_0", "Q8_0"),
        ("Q5_1", "Q8_0"),
        ("F32", "F32"),
    ],
)
def test_quantised(pair: Any, home: Path, kind: str, embed: str) -> None:
    """Against transformers over the very weights that the file holds: only activations and zero points may
    round.
    """
    from llm_magics.formats.gguf import GgufFile

    folder, weights, shape = pair
    path = folder / f"{kind}.gguf"
    tiny.write(
        path, weights, shape, kind=kind if shape.heads * shape.head_dim % 32 == 0 else "F16", embed_kind=embed
    )
    held = {name: tensor.dequantize() for name, tensor in GgufFile(path).tensors.items()}
    for name in held:
        if name.endswith(("attn_q.weight", "attn_k.weight")):
            held[name] = (
                held[name]
                .reshape(-1, shape.head_dim // 2, 2, shape.hidden)
                .swapaxes(1, 2)
                .reshape(held[name].shape)
            )
    ids = np.random.default_rng(1).integers(3, shape.vocab, 200).tolist()
    theirs, ours = (
        log_softmax(logits(tiny.oracle(held, shape), ids)),
        log_softmax(read(lm.load(str(path)), ids)),
    )
    assert (np.exp(theirs) * (theirs - ours)).sum(-1).mean() < 0.02


def test_each_of_q_k_v_keeps_its_own_kind(home: Path, tmp_path: Path) -> None:
    weights = tiny.random_weights(tiny.SHAPE, 3)
    path = tmp_path / "mixed.gguf"
    from gguf import GGMLQuantizationType, GGUFWriter

    original = GGUFWriter.add_tensor

    def mixed(self: Any, name: str, data: Any, **more: Any) -> None:
        if name.endswith("attn_v.weight"):
            data, more = weights[name], {"raw_dtype": GGMLQuantizationType.F32}
        original(self, name, data, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GGUFWriter, "add_tensor", mixed)
        tiny.write(path, weights, tiny.SHAPE, kind="Q8_0")
    ids = list(range(3, 100))
    theirs, ours = (
        log_softmax(logits(tiny.oracle(weights, tiny.SHAPE), ids)),
        log_softmax(read(lm.load(str(path)), ids)),
    )
    assert (np.exp(theirs) * (theirs - ours)).sum(-1).mean() < 0.05
