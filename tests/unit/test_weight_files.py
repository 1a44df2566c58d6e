"""Which files hold a model's weights: shards of any name, a stale index, GGUF in parts, old GGUF files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader, GGUFWriter

import llm_magics as lm
from llm_magics import ModelFileError, UnsupportedModel
from llm_magics.formats.gguf import GgufFile
from llm_magics.formats.safetensors import Safetensors
from llm_magics.formats.tokenizers.gguf import tokenizer_spec
from llm_magics.sources.resolve import resolve
from llm_magics.sources.select_files import select_files

INDEX = "model.safetensors.index.json"


def save(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    from safetensors.numpy import save_file

    save_file(dict(tensors), path)


def matrix(seed: int, rows: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, 8)).astype(np.float32)


def sharded(folder: Path, *names: str) -> dict[str, str]:
    """A tensor ``t.N`` a file, with an index."""
    places = {f"t.{n}": name for n, name in enumerate(names)}
    for n, name in enumerate(names):
        save(folder / name, {f"t.{n}": matrix(n)})
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    (folder / "config.json").write_text("{}")
    return places


@pytest.mark.parametrize(
    "names",
    [
        ("pytorch_model-00001-of-00002.safetensors", "pytorch_model-00002-of-00002.safetensors"),
        ("model.safetensors-00001-of-00002.safetensors", "model.safetensors-00002-of-00002.safetensors"),
        ("consolidated-00001.safetensors", "consolidated-00002.safetensors"),
        ("one.safetensors", "other.safetensors"),
    ],
)
def test_the_index_names_the_shards(names: tuple[str, ...], tmp_path: Path) -> None:
    """M5: on the Hub none of these was fetched, and a folder that was trained on kept its old conversion."""
    places = sharded(tmp_path, *names)
    (tmp_path / "unused.safetensors").write_bytes(b"not named by the index")
    assert set(Safetensors(tmp_path)) == set(places)
    listing = dict.fromkeys(["config.json", INDEX, *names, "unused.safetensors"], 1)
    assert set(select_files("a/b", listing, shards=lambda index: places.values()).files) == {
        "config.json",
        INDEX,
        *names,
    }
    before = resolve(str(tmp_path)).fingerprint
    assert resolve(str(tmp_path)).fingerprint == before
    save(tmp_path / names[1], {"t.1": matrix(7)})
    assert resolve(str(tmp_path)).fingerprint != before
    with pytest.raises(ModelFileError, match="has no"):
        select_files("a/b", dict.fromkeys([INDEX, names[0]], 1), shards=lambda index: places.values())
    (tmp_path / names[0]).unlink()
    with pytest.raises(ModelFileError, match=f"has no {names[0]}"):
        Safetensors(tmp_path)


def test_a_whole_file_goes_before_a_stale_index(tmp_path: Path) -> None:
    """M16: as in transformers."""
    sharded(tmp_path, "model-00010-of-00010.safetensors")
    (tmp_path / "model-00010-of-00010.safetensors").unlink()
    save(tmp_path / "model.safetensors", {"whole": matrix(1)})
    assert set(Safetensors(tmp_path)) == {"whole"}
    assert resolve(str(tmp_path)).kind == "safetensors"
    files = dict.fromkeys(["config.json", INDEX, "model.safetensors", "model-00001-of-00001.safetensors"], 1)
    assert select_files("a/b", files, shards=lambda index: [][0]).files == (
        "config.json",
        "model.safetensors",
    )


def test_the_index_decides_where_a_tensor_is_twice(tmp_path: Path) -> None:
    """M21"""
    places = sharded(tmp_path, "a.safetensors", "b.safetensors")
    save(tmp_path / "b.safetensors", {"t.0": matrix(9), "t.1": matrix(1)})
    assert np.array_equal(Safetensors(tmp_path)["t.0"].dequantize(), matrix(0))
    places["t.0"] = "b.safetensors"
    save(tmp_path / "a.safetensors", {"t.0": matrix(0), "t.2": matrix(2)})
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {**places, "t.2": "a.safetensors"}}))
    assert np.array_equal(Safetensors(tmp_path)["t.0"].dequantize(), matrix(9))


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/x.safetensors", "a\\b.safetensors", "x.bin", ""])
def test_an_index_names_files_of_its_folder_only(name: str, tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"t": name}}))
    with pytest.raises(ModelFileError, match="not a .safetensors file of its folder".replace(".", "[.]")):
        Safetensors(tmp_path)


def test_two_checkpoints_that_look_alike(tmp_path: Path) -> None:
    """A12: one folder name, size, time and first megabyte; the last row differs."""
    for place in ("a", "b"):
        (tmp_path / place / "model").mkdir(parents=True)
        table = np.zeros((70_000, 8), np.float32)
        table[-1, -1] = place == "b"
        save(tmp_path / place / "model" / "model.safetensors", {"t": table})
        (tmp_path / place / "model" / "config.json").write_text("{}")
        os.utime(tmp_path / place / "model" / "model.safetensors", (1, 1))
    one, other = (resolve(str(tmp_path / place / "model")) for place in "ab")
    assert one.key == other.key and one.fingerprint != other.fingerprint


def split(path: Path, folder: Path, count: int) -> list[Path]:
    """Cut a GGUF file as llama-gguf-split does it: all metadata in the first part, tensors in order."""
    reader = GGUFReader(path)
    tensors = reader.tensors
    out = []
    for number in range(count):
        part = folder / f"m-{number + 1:05d}-of-{count:05d}.gguf"
        writer = GGUFWriter(part, "llama")
        if number == 0:
            for field in reader.fields.values():
                if not field.name.startswith("GGUF.") and field.name != "general.architecture":
                    kind = field.types[0]
                    writer.add_key_value(
                        field.name, field.contents(), kind, field.types[-1] if len(field.types) > 1 else None
                    )
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", len(tensors))
        for tensor in tensors[number::count]:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        out.append(part)
    return out


def test_gguf_in_parts(tiny_gguf: Path, tmp_path: Path, home: Path) -> None:
    """M14: the whole is read from its first part, from any part's name, and from its folder."""
    parts = split(tiny_gguf, tmp_path, 3)
    whole = GgufFile(tiny_gguf)
    made = GgufFile(parts[0])
    assert made.tensors.keys() == whole.tensors.keys()
    assert all(
        np.array_equal(made.tensors[name].blocks, whole.tensors[name].blocks) for name in whole.tensors
    )
    want = lm.load(tiny_gguf).generate("Hello", max_tokens=8, temperature=0, raw=True).text
    for name in (parts[0], parts[2], tmp_path):
        assert lm.load(name).generate("Hello", max_tokens=8, temperature=0, raw=True).text == want
    names = dict.fromkeys([part.name for part in parts] + ["README.md"], 1)
    assert select_files("a/b", names, shards=lambda index: []).files == tuple(part.name for part in parts)
    assert select_files("a/b", names, parts[1].name, shards=lambda index: []).path == parts[0].name
    with pytest.raises(UnsupportedModel, match="not the first"):
        GgufFile(shutil.copy(parts[0], tmp_path / "renamed.gguf"))
    parts[1].unlink()
    with pytest.raises(UnsupportedModel, match=r"m-00002-of-00003.gguf is missing.*\n.*one folder"):
        GgufFile(parts[0])
    with pytest.raises(lm.ModelNotFound, match=r"m-00002-of-00003\.gguf"):
        lm.load(parts[0])


def metadata(**changes: Any) -> dict[str, Any]:
    tokens = ["<|endoftext|>", *map(chr, range(97, 123)), "ab", "abc", "Ġ"]
    base = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] + [1] * (len(tokens) - 1),
        "tokenizer.ggml.merges": ["a b", "ab c"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 0,
    }
    return {**base, **{f"tokenizer.ggml.{key}": value for key, value in changes.items()}}


def test_old_gguf_tokenizers() -> None:
    """M19: no token types, -1 for a token that there is not, and merges that name none."""
    want = tokenizer_spec(metadata())
    assert tokenizer_spec(metadata(token_type=None)).json == want.json
    odd = ["#version: 0.2", "a b", "q zz", "ab c", "nothing"]
    assert tokenizer_spec(metadata(merges=odd)).json == want.json
    found = tokenizer_spec(metadata(bos_token_id=4_294_967_295))
    assert found.bos_id is None and found.json == want.json
    with pytest.raises(ModelFileError, match="none of its merges"):
        tokenizer_spec(metadata(merges=["q zz"]))
    with pytest.raises(ModelFileError, match="bos_token_id is 300"):
        tokenizer_spec(metadata(bos_token_id=300))


def test_old_sentencepiece_gguf() -> None:
    tokens = ["<unk>", "<s>", "</s>", *[f"<0x{n:02X}>" for n in range(256)], "▁", "a", "b", "ab", "▁a"]
    types = [2, 3, 3, *[6] * 256, *[1] * 5]
    base = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * 259 + [-1.0, -2.0, -3.0, -0.5, -0.7],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
    assert tokenizer_spec(base).json == tokenizer_spec({**base, "tokenizer.ggml.token_type": types}).json


def test_what_is_not_the_model_is_named() -> None:
    """M23: a Trainer's output folder has its models in the folders below."""
    names = [
        "checkpoint-10/model.safetensors",
        "checkpoint-10/optimizer.pt",
        "checkpoint-20/model.safetensors",
    ]
    with pytest.raises(
        lm.ModelNotFound, match=r"in its folders checkpoint-10, checkpoint-20\n.*run/checkpoint-20"
    ):
        select_files("run", dict.fromkeys([*names, "training_args.bin"], 1), shards=lambda index: [])
    with pytest.raises(lm.ModelNotFound, match="has no model"):
        select_files("run", dict.fromkeys(["checkpoint-10/optimizer.pt"], 1), shards=lambda index: [])


def test_what_is_left_out_of_a_multimodal_checkpoint_is_said(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    from llm_magics.formats.safetensors import Safetensors

    names = ("model.visual.patch_embed.weight", "model.language_model.norm.weight", "mtp.fc.weight")
    save_file({name: np.ones((2, 2), np.float32) for name in names}, tmp_path / "model.safetensors")
    assert Safetensors(tmp_path).left_out() == ["multi-token prediction", "vision tower"]
    save_file({"model.norm.weight": np.ones(2, np.float32)}, tmp_path / "model.safetensors")
    assert Safetensors(tmp_path).left_out() == []
