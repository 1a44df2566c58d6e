"""An int8 KV cache: near the floats in every family, the same bits however a text is cut, refused by name."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

import llm_magics as lm
from llm_magics import UsageError
from llm_magics.decoder.graph_reader import read_graph
from llm_magics.decoder.variants.int8_cache import quantize_kv_cache
from llm_magics.engine.ort import OrtEngine
from llm_magics.models.cluster import worker
from llm_magics.models.loading import kv_scales
from llm_magics.tuning.run import run_to_end
from tests.support import families
from tests.support.decoders import checkpoint, engine, log_softmax, pieces
from tests.support.runs import run_of

TOKENS = 100
LIMIT = 0.005  # mean KL per token
LIMIT_EXPERTS = (
    0.08  # where a token has two experts that are nearly as good, rounding may choose the other one
)


@pytest.mark.parametrize("name", families.CASES)
def test_every_family(name: str, tmp_path: Path) -> None:
    families.make(name, tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    floats = engine(weights, tmp_path / "fp32", "fp32")
    ids = np.random.default_rng(0).integers(3, 290, TOKENS).tolist()
    cache = floats.cache()
    expected = log_softmax(cache.extend(ids, all_logits=True))
    scales = kv_scales.scales_for([cache.keys_values()], rotates=weights.spec.positions == "rope")
    graph = read_graph(floats.graph, floats.folder)
    quantize_kv_cache(graph, [scales[source] for source in floats.shape.sources])
    decoder = OrtEngine(
        floats.folder / "decoder.onnx",
        vocab_size=floats.vocab_size,
        context_length=floats.context_length,
        cache_shape=weights.spec.cache_shape,
        graph=ir.to_proto(graph).SerializeToString(),
        number_format="int8",
    )
    whole = decoder.cache().extend(ids, all_logits=True).copy()
    cut = decoder.cache()
    parts = [cut.extend(ids[begin:end], all_logits=True).copy() for begin, end in ((0, 37), (37, TOKENS))]
    assert np.array_equal(np.concatenate(parts), whole)
    limit = LIMIT_EXPERTS if weights.spec.experts else LIMIT
    for ours in (log_softmax(whole), log_softmax(pieces(decoder, ids))):
        divergence = (np.exp(expected) * (expected - ours)).sum(-1).mean()
        print(f"{name}: KL {divergence:.5f}")
        assert divergence < limit
    assert decoder.shape.token_bytes < floats.shape.token_bytes or not weights.spec.attention_layers


@pytest.fixture(scope="module")
def quantized(default_gguf: Path) -> lm.Model:
    return lm.load(kv_cache="int8")


def test_the_default_model(quantized: lm.Model) -> None:
    """On a text that the scales were not measured with, and far behind its end."""
    text = Path(lm.__file__).parents[1].joinpath("README.md").read_text("utf-8")
    floats = lm.load()
    assert floats is not quantized and "int8 KV cache" in quantized.info.precision
    ids = floats.tokenizer.encode(text, special=False)[:1500]
    divergence, same = [], []
    caches = floats.engine.cache(), quantized.engine.cache()
    for at in range(0, len(ids), 250):
        theirs, ours = (
            log_softmax(cache.extend(ids[at : at + 250], all_logits=True).copy()) for cache in caches
        )
        divergence.append(float((np.exp(theirs) * (theirs - ours)).sum(-1).mean()))
        same.append(float((theirs.argmax(-1) == ours.argmax(-1)).mean()))
    print(f"KL by 250 tokens: {np.round(divergence, 4)}, same first choice: {np.round(same, 3)}")
    assert np.mean(divergence) < 0.01 and np.mean(same) > 0.93
    assert 3.9 < caches[0].nbytes / caches[1].nbytes < 4.1


def test_answers_rows_and_views(quantized: lm.Model) -> None:
    answer = quantized.generate("1 2 3 4 5 6 7 8 9", raw=True, temperature=0, max_tokens=6)
    assert answer.text.startswith(" 10 11") and answer.model.precision.endswith("int8 KV cache")
    # Rows of a batch have caches of their own.
    rows = quantized.map(["Say hello to Bob.", "What is the capital of Italy?"], temperature=0, max_tokens=12)
    assert rows[1].text == quantized.generate(rows[1].prompt, raw=True, temperature=0, max_tokens=12).text
    floats, text = lm.load(), "Rome is the capital of Italy, and Paris is the capital of France."
    ours, theirs = (model.score(text) for model in (quantized, floats))
    assert np.allclose([t.logprob for t in ours.tokens], [t.logprob for t in theirs.tokens], atol=0.5)
    assert [t.logprob for t in ours.tokens] != [t.logprob for t in theirs.tokens]
    lens = quantized.logit_lens(text)  # a session of its own, with taps
    assert str(lens)


def test_an_adapter_and_the_scales_on_the_disk(home: Path, tiny_gguf: Path) -> None:
    run = run_to_end(run_of(lm.load(str(tiny_gguf)), steps=2))
    model = lm.load(str(tiny_gguf), kv_cache="int8")
    adapted = model.with_adapter(run.adapter)
    assert adapted.engine.shape.number_format == "int8" and adapted.generate("Hello", max_tokens=4).tokens  # type: ignore[attr-defined]
    card = model.save(home / "saved") / "README.md"
    assert "int8 KV cache" not in card.read_text()  # the weights have none
    assert model.folder is not None
    path = model.folder / "kv_scales.json"
    stored = path.read_text()
    wrong = stored.replace("[[[[", "[[[[-", 1), stored.replace("[[[[", "[[[[NaN, ", 1)
    for damage in ("", "{}", '{"scales": [[1]]}', *wrong):
        path.write_text(damage)
        model = adapted = None  # type: ignore[assignment]
        gc.collect()
        model = lm.load(str(tiny_gguf), kv_cache="int8")
        assert model and path.read_text() == stored  # measured anew, and the same


def test_what_cannot_have_it_and_what_must_know_of_it(home: Path, tiny_gguf: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown KV cache 'int4'\n.*Choose from fp32, int8"):
        lm.load(str(tiny_gguf), kv_cache="int4")
    model = lm.load(str(tiny_gguf), kv_cache="int8")
    assert model.spec is not None and model.spec.kv_cache == "int8"
    worker._opened.clear()
    opened = worker._open(model.spec, 1)  # what a worker of a cluster does
    assert opened.info == model.info
    floats, small = (lm.fit(str(tiny_gguf), kv_cache=kind) for kind in ("fp32", "int8"))
    assert small.token_bytes * 4 == floats.token_bytes and small.max_tokens >= floats.max_tokens
