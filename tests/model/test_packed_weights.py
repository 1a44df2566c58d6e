"""Packed weights that are mapped from the file: the same bits, less memory of the process, and no risk."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.engine.ort import OrtEngine
from llm_magics.engine.sessions import packed_weights
from llm_magics.engine.sessions.packed_weights import PACKED_GRAPH, PLACES, drop_packed, with_packed
from tests.support import families
from tests.support.decoders import checkpoint, engine, pieces

pytestmark = pytest.mark.skipif(not packed_weights.can_map(), reason="packed weights are not mapped here")

FAMILIES = ["llama", "qwen3", "gpt2", "mixtral", "gemma3"]
MEMORY = """
import re, sys
import llm_magics as lm
from pathlib import Path

model = lm.load()
if len(sys.argv) > 1:
    from llm_magics.engine.sessions import packed_weights
    packed_weights.can_map = lambda: False
engine = model.engine
before = sum(map(int, re.findall(r"Anonymous:\\s+(\\d+)", Path("/proc/self/smaps").read_text())))
from llm_magics.engine.sessions.session import open_session
session = open_session(engine.graph, folder=engine.folder, threads=2, patterns=False, hint="")
after = sum(map(int, re.findall(r"Anonymous:\\s+(\\d+)", Path("/proc/self/smaps").read_text())))
print((after - before) / 1024)
"""


@pytest.fixture(autouse=True)
def small_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_weights, "_SMALLEST", 0)


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
@pytest.mark.parametrize("name", [case for case in families.CASES if case in FAMILIES])
def test_the_same_bits(name: str, precision: str, tmp_path: Path) -> None:
    families.make(name, tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    decoder = engine(weights, tmp_path / "converted", precision)
    ids = np.random.default_rng(0).integers(3, 290, 60).tolist()
    expected = pieces(decoder, ids)
    size = (decoder.folder / "weights.bin").stat().st_size
    packed_weights.write_packed(decoder.folder)
    places = json.loads((decoder.folder / PLACES).read_text("utf-8"))
    assert len(places) >= 2 * len(weights.spec.attention_layers), places
    assert with_packed(decoder.folder / "decoder.onnx", decoder.folder).name == PACKED_GRAPH
    assert np.array_equal(pieces(reopened(decoder, weights), ids), expected)
    # Another graph over the same weights, from memory.
    content = (decoder.folder / "decoder.onnx").read_bytes()
    assert len(with_packed(content, decoder.folder)) > len(content)
    assert np.array_equal(pieces(reopened(decoder, weights, content), ids), expected)
    assert drop_packed(decoder.folder, size) and not drop_packed(decoder.folder, size)
    assert (decoder.folder / "weights.bin").stat().st_size == size
    assert np.array_equal(pieces(reopened(decoder, weights), ids), expected)


def reopened(decoder: OrtEngine, weights: object, graph: bytes | None = None) -> OrtEngine:
    """Open a decoder once more, perhaps from the content of a graph."""
    return OrtEngine(
        decoder.folder / "decoder.onnx",
        vocab_size=decoder.vocab_size,
        context_length=decoder.context_length,
        cache_shape=weights.spec.cache_shape,  # type: ignore[attr-defined]
        graph=graph,
    )


def test_bytes_of_another_processor_are_not_taken(tmp_path: Path) -> None:
    """It packs in another way, so that its keys are others."""
    families.make("llama", tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    decoder = engine(weights, tmp_path / "converted", "int4")
    ids = list(range(3, 63))
    expected = pieces(decoder, ids)
    packed_weights.write_packed(decoder.folder)
    path = decoder.folder / PLACES
    places = {
        name: re.sub(r"\+\d+", "+1", place, count=1) for name, place in json.loads(path.read_text()).items()
    }
    name, place = next(iter(places.items()))
    path.write_text(json.dumps({name: place}))
    content = (decoder.folder / "decoder.onnx").read_bytes()
    assert np.array_equal(pieces(reopened(decoder, weights, content), ids), expected)


def test_no_room_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    families.make("llama", tmp_path / "hub")
    decoder = engine(checkpoint(tmp_path / "hub"), tmp_path / "converted", "int4")
    before = (decoder.folder / "weights.bin").read_bytes()
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    packed_weights.write_packed(decoder.folder)
    assert not (decoder.folder / PLACES).exists()
    assert (decoder.folder / "weights.bin").read_bytes() == before


def test_what_fails_leaves_the_model_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    families.make("llama", tmp_path / "hub")
    weights = checkpoint(tmp_path / "hub")
    decoder = engine(weights, tmp_path / "converted", "int4")
    before, ids = (decoder.folder / "weights.bin").read_bytes(), list(range(3, 63))
    expected, calls = pieces(decoder, ids), iter(range(100))
    pack = packed_weights._pack

    def fail(*arguments: object) -> tuple[str, Path, int, int]:
        if next(calls) == 2:
            raise RuntimeError("no room")
        return pack(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(packed_weights, "_pack", fail)
    packed_weights.write_packed(decoder.folder)
    assert sorted(path.name for path in decoder.folder.iterdir()) == ["decoder.onnx", "weights.bin"]
    assert (decoder.folder / "weights.bin").read_bytes() == before
    monkeypatch.setattr(packed_weights, "_pack", pack)
    packed_weights.write_packed(decoder.folder)
    (decoder.folder / PACKED_GRAPH).write_bytes(b"of a later version")
    assert np.array_equal(pieces(reopened(decoder, weights), ids), expected)


def test_a_saved_model_has_none(default_gguf: Path, tmp_path: Path) -> None:
    model = lm.load()
    assert model.folder is not None and (model.folder / PLACES).exists()
    saved = model.save(tmp_path / "saved")
    assert not (saved / PLACES).exists() and not (saved / PACKED_GRAPH).exists()
    assert (saved / "weights.bin").stat().st_size == model.weights_bytes
    again = lm.load(str(saved))
    assert (
        again.generate("Hi", max_tokens=8, temperature=0).text
        == model.generate("Hi", max_tokens=8, temperature=0).text
    )
    (saved / PLACES).write_text("{}")
    with pytest.raises(lm.ModelFileError, match="copy of the cache"):
        lm.load(str(saved), threads=1)


def test_memory_of_another_session(default_gguf: Path) -> None:
    """Another session of the default model, as for an adapter, takes little memory of its own."""
    taken = [
        float(
            subprocess.run(
                [sys.executable, "-c", MEMORY, *more], capture_output=True, text=True, timeout=120, check=True
            ).stdout.split()[-1]
        )
        for more in ((), ("unmapped",))
    ]
    print(f"another session takes {taken[0]:.0f} MB, and {taken[1]:.0f} MB with nothing mapped")
    assert taken[0] < 30 and taken[1] > 100
