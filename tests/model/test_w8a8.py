"""Products of 8-bit weights and 8-bit inputs: how near they are, in every family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import llm_magics as lm
from llm_magics import UnsupportedModel
from llm_magics.decoder import graph
from llm_magics.decoder.graph_reader import read_graph, weight_of
from llm_magics.decoder.precision import Precision
from llm_magics.decoder.variants.input_maxima import SMOOTHED
from llm_magics.engine.ort import OrtEngine
from llm_magics.models.loading.smoothing import measure_inputs
from tests.support import families
from tests.support.cards import pretend_card
from tests.support.decoders import checkpoint, engine, log_softmax, pieces

TOKENS = 100


@pytest.mark.parametrize("name", families.CASES)
def test_every_family(name: str, tmp_path: Path) -> None:
    families.make(name, tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    ids = np.random.default_rng(0).integers(3, 290, TOKENS).tolist()
    expected = log_softmax(engine(weights, tmp_path / "fp32", "fp32").cache().extend(ids, all_logits=True))

    def divergence(logits: np.ndarray) -> float:
        return float((np.exp(expected) * (expected - log_softmax(logits))).sum(-1).mean())

    auto = divergence(engine(weights, tmp_path / "auto", "auto").cache().extend(ids, all_logits=True))
    sample = np.random.default_rng(1).integers(3, 290, TOKENS).tolist()
    maxima = measure_inputs(tmp_path / "auto", weights.spec, [sample])
    assert maxima and all(np.isfinite(item).all() and item.max() > 0 for item in maxima.values())
    folder = tmp_path / "w8a8"
    folder.mkdir()
    graph.build(weights, folder, Precision("w8a8", maxima))
    model = read_graph(folder / "decoder.onnx", folder)
    kinds = {product: node.op_type for node in model.graph if (product := weight_of(node))}
    smoothed = {product for product, kind in kinds.items() if kind == "MatMulInteger"}
    wanted = {product for product in kinds if product.partition(".")[0] in SMOOTHED}
    assert smoothed == set(maxima) == wanted
    decoder = OrtEngine(
        folder / "decoder.onnx",
        vocab_size=weights.spec.vocab,
        context_length=weights.spec.context,
        cache_shape=weights.spec.cache_shape,
    )
    for logits in (decoder.cache().extend(ids, all_logits=True), pieces(decoder, ids)):
        assert divergence(logits) < max(0.012, 2 * auto)  # experts have more, since a token may choose others


def test_the_default_model(default_gguf: Path, prose: list[int], reference: np.ndarray) -> None:
    """Compare it with transformers in fp32: a prompt at once, and token by token."""
    model = lm.load(precision="w8a8")
    assert model.info.precision == "w8a8"
    expected = log_softmax(reference)
    for step in (len(prose), 1):
        cache = model.engine.cache()
        parts = [
            cache.extend(prose[at : at + step], all_logits=True).copy() for at in range(0, len(prose), step)
        ]
        ours = log_softmax(np.concatenate(parts))
        assert (np.exp(expected) * (expected - ours)).sum(-1).mean() < 0.015
        assert (expected.argmax(-1) == ours.argmax(-1)).mean() >= 0.92
    answer = model.generate("What is the capital of France?", temperature=0, max_tokens=8)
    assert "Paris" in answer.text
    assert model.folder is not None
    assert not [path for path in model.folder.iterdir() if path.is_dir()]  # what was measured with is gone


def test_a_token_of_zeros_is_no_division_by_zero(tmp_path: Path) -> None:
    families.make("llama", tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    engine(weights, tmp_path / "auto", "auto")
    maxima = measure_inputs(tmp_path / "auto", weights.spec, [[5, 6, 7]])
    folder = tmp_path / "w8a8"
    folder.mkdir()
    graph.build(
        weights, folder, Precision("w8a8", {name: np.zeros_like(item) for name, item in maxima.items()})
    )
    decoder = OrtEngine(
        folder / "decoder.onnx",
        vocab_size=weights.spec.vocab,
        context_length=weights.spec.context,
        cache_shape=weights.spec.cache_shape,
    )
    assert np.isfinite(decoder.cache().extend([5, 6, 7], all_logits=True)).all()


def test_cards_refuse_it(home: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_card(monkeypatch)
    with pytest.raises(UnsupportedModel, match="cuda:0 is not supported for models in w8a8"):
        lm.load(str(tiny_gguf), precision="w8a8", device="cuda")
