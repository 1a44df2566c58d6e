"""Short convolutions (LFM2): what is cached of them can be cut, copied and grown like keys and values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.engine.ort import OrtEngine
from llm_magics.inspection.attention import attention
from llm_magics.inspection.reading.instrumented import InstrumentedDecoder
from llm_magics.inspection.reading.tokenized_text import TokenizedText
from llm_magics.inspection.walkthrough import walkthrough
from llm_magics.models.adapters.targets import resolve_targets
from tests.support import families
from tests.support.decoders import checkpoint, engine

IDS = np.random.default_rng(3).integers(3, 290, 120).tolist()


@pytest.fixture(scope="module", params=["fp32", "auto"])
def lfm2(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OrtEngine:
    folder = tmp_path_factory.mktemp("lfm2")
    families.make("lfm2", folder / "hub")
    return engine(checkpoint(folder / "hub"), folder / "built", request.param)


def read(engine: OrtEngine, *pieces: list[int]) -> np.ndarray:
    cache = engine.cache()
    return np.concatenate([cache.extend(piece, all_logits=True).copy() for piece in pieces])


def test_a_prefix_is_taken_up_bit_for_bit(lfm2: OrtEngine) -> None:
    alone = read(lfm2, IDS[:40], IDS[40:])[40:]
    for end in (40, 60, 100):  # the other cache went on, and is cut or copied
        other = lfm2.cache()
        other.extend(IDS[:40])
        other.extend([*reversed(IDS[40:end]), 7, 8])
        copied = lfm2.cache()
        copied.copy_prefix_from(other, 40)
        other.truncate(40)
        for cache in (other, copied):
            assert np.array_equal(cache.extend(IDS[40:], all_logits=True), alone)


def test_every_place_of_a_cut_is_a_place_to_go_on_from(lfm2: OrtEngine) -> None:
    """Also before as many tokens are there as a convolution sees."""
    cache = lfm2.cache()
    whole = cache.extend(IDS[:12], all_logits=True).copy()
    for place in range(12):
        cache.truncate(place)
        again = cache.extend(IDS[place:12], all_logits=True)
        assert np.abs(again - whole[place:]).max() < 2e-2 * np.abs(whole).max()


def test_a_buffer_that_grows_keeps_what_it_has(lfm2: OrtEngine) -> None:
    small, large = (lfm2.buffer(rows=2, capacity=size, logits=64) for size in (8, 256))
    results = []
    for buffer in (small, large):
        logits = []
        for begin, end in ((0, 6), (6, 7), (7, 40), (40, 41)):
            at = np.array([end - begin - 1], np.int64)
            out = buffer.run(np.array([IDS[begin:end]], np.int64), [end], at, first=1)
            logits.append(out.copy())
        results.append(np.concatenate(logits))
    assert np.array_equal(*results)
    assert small.nbytes < large.nbytes


def test_rows_of_a_batch_are_as_alone(lfm2: OrtEngine) -> None:
    texts = [IDS[:5], IDS[10:50], IDS[60:61]]

    def stepped(rows: list[list[int]]) -> list[np.ndarray]:
        cache = lfm2.batch_cache(len(rows))
        for row, ids in enumerate(rows):
            cache.start_row(row, ids)
            cache.extend_row(row, ids)
        steps = [cache.step([n + 20] * len(rows)).copy() for n in range(4)]
        return [np.stack([step[row] for step in steps]) for row in range(len(rows))]

    for together, ids in zip(stepped(texts), texts, strict=True):
        assert np.array_equal(together, stepped([ids])[0])


def test_cached_bytes_are_counted(lfm2: OrtEngine) -> None:
    shape = lfm2.shape
    assert (len(shape.sizes), shape.conv_layers, shape.conv_width, shape.conv_past) == (2, 3, 64, 2)
    assert shape.token_bytes == 8 * 2 * 2 * 16 + 4 * 3 * 64
    assert lfm2.cache().nbytes >= 256 * shape.token_bytes


def test_views_show_the_layers_with_attention_by_their_own_numbers(tmp_path: Path) -> None:
    families.make("lfm2", tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    base = engine(weights, tmp_path / "built", "fp32")
    tapped = InstrumentedDecoder(base, weights.spec)
    text = TokenizedText(tuple(IDS[:20]), tuple("x" * 20), (False,) * 20, 0)
    record = attention(tapped, text, lm.ModelInfo("lfm2"))
    assert record.head["kept"] == [2, 5] and record.head["no_attention"] == [1, 3, 4]
    assert np.allclose(record.matrix(5, 1).sum(1), 1, atol=0.02)
    assert not record.arrays["thumbs"][[0, 2, 3]].any() and record.arrays["thumbs"][[1, 4]].any()
    assert "layer   2" in record.to_text() and "layer   1" not in record.to_text()
    with pytest.raises(lm.UsageError, match="have no attention") as error:
        attention(tapped, text, lm.ModelInfo("lfm2"), layers=[3])
    assert "2, 5" in error.value.hint
    runtime: Any = None
    options = lm.SamplingOptions(max_tokens=2)
    with pytest.raises(lm.UnsupportedModel, match="has convolutions"):
        walkthrough(runtime, tapped, lm.ModelInfo("lfm2"), text, options)


def test_targets_of_adapters(tmp_path: Path) -> None:
    families.make("lfm2", tmp_path)
    spec = checkpoint(tmp_path).spec
    assert resolve_targets(spec, "all") == ("q", "k", "v", "o", "gate", "up", "down", "conv_in", "conv_out")
    assert resolve_targets(spec, ["out_proj"]) == ("o", "conv_out")  # PEFT's name means both
    assert resolve_targets(spec, ["in_proj", "w2"]) == ("down", "conv_in")
