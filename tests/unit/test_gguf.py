from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from llm_magics import ModelFileError, UnsupportedModel
from llm_magics.decoder.families import spec_of
from llm_magics.decoder.spec import DecoderSpec
from llm_magics.formats.config import Config
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.gguf_config import config_from_gguf
from llm_magics.models.loading.convert import ConvertedModel, convert
from tests.support import tiny


def test_metadata_and_tensors_as_the_gguf_package_reads_them(tiny_gguf: Path) -> None:
    from gguf import GGUFReader

    ours, theirs = GgufFile(tiny_gguf), GGUFReader(tiny_gguf)
    for name, field in theirs.fields.items():
        if not name.startswith("GGUF."):
            assert ours.metadata[name] == field.contents(), name
    assert {t.name for t in theirs.tensors} == set(ours.tensors)
    for tensor in theirs.tensors:
        mine = ours.tensors[tensor.name]
        assert (
            mine.shape == tuple(int(n) for n in tensor.shape)[::-1] and mine.kind == tensor.tensor_type.name
        )
        np.testing.assert_array_equal(mine.blocks.ravel(), tensor.data.view(np.uint8).ravel())


def test_every_truncation_is_a_clear_error(tiny_gguf: Path, tmp_path: Path) -> None:
    data = tiny_gguf.read_bytes()
    broken = tmp_path / "broken.gguf"
    for size in [0, 3, 4, 8, 20, 24, 60, *range(100, len(data), len(data) // 40)]:
        broken.write_bytes(data[:size])
        with pytest.raises(ModelFileError):
            GgufFile(broken)


@pytest.mark.parametrize(
    "head",
    [
        b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 1),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1 << 62),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 4, 1 << 61),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<IIQ", 9, 9, 1),
        b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 1) + b"k" + struct.pack("<I", 77),
        b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<I", 9),
        b"GGUF"
        + struct.pack("<IQQQ", 3, 1, 0, 1)
        + b"t"
        + struct.pack("<IQQQIQ", 3, 1 << 40, 1 << 40, 1 << 40, 0, 0),
        b"GGUF" + struct.pack("<IQQQ", 3, 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 64, 0, 1 << 63),
        b"PK\3\4 a zip file",
    ],
)
def test_hostile_headers(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile.gguf"
    path.write_bytes(head + b"\0" * 64)
    start = time.process_time()
    with pytest.raises(ModelFileError):
        GgufFile(path)
    assert time.process_time() - start < 2


def test_what_cannot_be_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModel, match="mamba"):
        config_from_gguf({"general.architecture": "mamba"}, 10, {})
    base = {"general.architecture": "llama", "llama.embedding_length": 64, "llama.attention.head_count": 4}
    with pytest.raises(ModelFileError, match="heads are not divisible"):
        DecoderSpec("llama", 1, 96, 4, 3, 32, 64, 100, 64, 1e-5, 1e4)
    with pytest.raises(ModelFileError, match="layers = 100000"):
        DecoderSpec("llama", 100_000, 96, 4, 4, 32, 64, 100, 64, 1e-5, 1e4)
    with pytest.raises(ModelFileError, match="num_hidden_layers"):
        config_from_gguf(base, 10, {})
    with pytest.raises(UnsupportedModel, match="whale"):
        spec_of(Config({"model_type": "whale", "num_hidden_layers": 1, "hidden_size": 64}))
    with pytest.raises(ModelFileError, match="cannot be read"):
        GgufFile(tmp_path / "missing.gguf")


def test_a_missing_or_misshapen_weight_is_named(tmp_path: Path) -> None:
    weights = tiny.random_weights(tiny.SHAPE, 0)
    for name, change in [
        ("blk.1.ffn_up.weight", None),
        ("blk.0.attn_v.weight", weights["blk.0.attn_v.weight"][:16]),
    ]:
        broken = {key: value for key, value in weights.items() if key != name}
        if change is not None:
            broken[name] = change
        tiny.write(tmp_path / "broken.gguf", broken, tiny.SHAPE)
        (tmp_path / "out").mkdir(exist_ok=True)
        with pytest.raises(ModelFileError, match=r"(gate_)?up weight for layer 1|attn_v.weight has shape"):
            convert(tmp_path / "broken.gguf", tmp_path / "out")


def test_converted_round_trip(tiny_gguf: Path, tmp_path: Path) -> None:
    made = convert(tiny_gguf, tmp_path)
    assert ConvertedModel.read(tmp_path) == made
    assert (
        made.eos_ids == (0, 2)
        and made.bos_id == 1
        and made.license == "apache-2.0"
        and made.precision == "repacked"
    )
    assert 0 < made.bytes_per_token <= made.weights_bytes
    (tmp_path / "model.json").write_text("{")
    with pytest.raises(ModelFileError):
        ConvertedModel.read(tmp_path)
