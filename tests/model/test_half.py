"""The graph for cards, in float16: what a CPU can prove of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import llm_magics as lm
from llm_magics import UnsupportedModel, UsageError
from llm_magics.decoder.graph_reader import read_graph
from llm_magics.decoder.variants.half import require_half, to_half
from llm_magics.engine.caches import kv_buffer
from llm_magics.engine.caches.kv_memory import DeviceMemory
from llm_magics.engine.device import CPU
from llm_magics.engine.ort import OrtCache, OrtEngine
from llm_magics.tuning.run import run_to_end
from tests.support import families
from tests.support.cards import pretend_card
from tests.support.decoders import checkpoint, engine, greedy, log_softmax, pieces
from tests.support.runs import run_of

TOKENS = 100


def halved(decoder: OrtEngine, cache_shape: Any) -> OrtEngine:
    """The same decoder in float16, on the CPU."""
    graph = read_graph(decoder.graph, decoder.folder)
    to_half(graph)
    return OrtEngine(
        decoder.folder / "decoder.onnx",
        vocab_size=decoder.vocab_size,
        context_length=decoder.context_length,
        cache_shape=cache_shape,
        graph=ir.to_proto(graph).SerializeToString(),
        number_format="float16",
    )


@pytest.mark.parametrize("precision", ["auto", "fp32"])
@pytest.mark.parametrize("name", families.CASES)
def test_every_family(name: str, precision: str, tmp_path: Path) -> None:
    families.make(name, tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    try:
        require_half(weights.spec, "cuda:0")
    except UnsupportedModel as error:
        spec = weights.spec
        assert "cuda:0 is not supported for models with" in str(error)
        other = spec.conv_layers or spec.linear_layers or spec.experts or spec.positions == "alibi"
        assert other or "gemma" in name
        return
    floats = engine(weights, tmp_path / "built", precision)
    ids = np.random.default_rng(0).integers(3, 290, TOKENS).tolist()
    expected = log_softmax(floats.cache().extend(ids, all_logits=True))
    decoder = halved(floats, weights.spec.cache_shape)
    assert {item.type for item in decoder.session.get_inputs() if "past" in item.name} == {"tensor(float16)"}
    # With packed weights, one side rounds activations to 8 bits.
    limit = 0.01 if precision == "auto" else 2e-4
    for logits in (decoder.cache().extend(ids, all_logits=True), pieces(decoder, ids)):
        ours = log_softmax(logits)
        divergence = (np.exp(expected) * (expected - ours)).sum(-1).mean()
        assert divergence < limit, name


def test_memory_of_a_device(default_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory that cards have, here with ONNX Runtime's own of the CPU: growing, copying, rows."""
    model = lm.load()
    floats = model.engine
    assert isinstance(floats, OrtEngine)
    shape = floats.shape.sizes, floats.shape.sources
    decoder = halved(floats, shape)
    ids = model.tokenizer.encode("The quick brown fox jumps over the lazy dog. " * 70)[:600]
    plain = decoder.cache()
    expected = plain.extend(ids).copy()
    monkeypatch.setattr(kv_buffer, "HostMemory", lambda size, dtype: DeviceMemory(size, dtype, ("cpu", 0)))
    cache = decoder.cache()
    cache.extend(ids[:300])
    assert np.array_equal(cache.extend(ids[300:]), expected)  # past the first capacity
    other = decoder.cache()
    other.copy_prefix_from(cache, 400)
    assert np.array_equal(other.extend(ids[400:]), expected)
    assert greedy(decoder, ids[:50], 8) == greedy(decoder, ids[:50], 8)
    rows = decoder.batch_cache(2)
    rows.extend_row(0, ids[:100])
    assert rows.start_row(1, ids[:90]) > 0  # copied from the other row
    assert cache.nbytes == plain.nbytes


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_card(monkeypatch)


def test_a_model_on_a_card(card: None, home: Path, tiny_gguf: Path) -> None:
    model = lm.load(str(tiny_gguf), device="cuda:1")
    assert str(model.engine.device) == "cuda:1"  # type: ignore[attr-defined]
    assert model.info.precision.endswith(", float16 on cuda") and model.generate("Hello", max_tokens=4).tokens
    assert model.spec is not None and model.spec.device == "cuda"
    model.measure_fidelity()  # in float16: not what the same files say on the CPU
    assert model.fidelity and lm.load(str(tiny_gguf), device="cpu").fidelity is None
    with pytest.raises(UnsupportedModel, match=r"inspection runs on the CPU, and this model runs on cuda:1"):
        model.logit_lens("Hello")
    with pytest.raises(UsageError, match="cuda:0 has no int8 KV cache"):
        lm.load(str(tiny_gguf), device="cuda", kv_cache="int8")
    run = run_to_end(run_of(lm.load(str(tiny_gguf), device="cpu"), steps=2))
    assert model.with_adapter(run.adapter).generate("Hello", max_tokens=4).tokens
    note = "the run computes on the CPU: this torch cannot use cuda:1"
    assert note in run_to_end(run_of(model, steps=2)).notes and note not in run.notes
    assert lm.load(str(tiny_gguf)).spec.device == "cuda"  # type: ignore[union-attr]  # auto takes the card


def test_auto_takes_no_card_that_fails(
    card: None, home: Path, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OrtCache.extend
    told: list[str] = []

    def broken(self: Any, ids: Any, **options: Any) -> Any:
        logits = real(self, ids, **options)
        return logits * np.nan if self._kv._device.kind == "cuda" else logits

    monkeypatch.setattr(OrtCache, "extend", broken)
    monkeypatch.setattr("llm_magics.core.progress.warn", told.append)
    model = lm.load(str(tiny_gguf))
    assert model.engine.device == CPU and "float16" not in model.info.precision  # type: ignore[attr-defined]
    assert told == ["cuda:0 is not used: cuda:0 cannot be used: the model gives no numbers in float16"]
    with pytest.raises(UsageError, match="gives no numbers in float16"):
        lm.load(str(tiny_gguf), device="cuda")
