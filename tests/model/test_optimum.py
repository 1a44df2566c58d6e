"""Architectures with no row of their own: exported by optimum, run by the engine for exported graphs; and
ready ONNX files.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.decoder.families import FAMILIES
from llm_magics.models.loading.optimum import export
from tests.support.decoders import log_softmax, read

SHAPES: dict[str, dict[str, Any]] = {
    "opt": {
        "vocab_size": 293,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "ffn_dim": 96,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
        "word_embed_proj_dim": 64,
    },
    "bloom": {"vocab_size": 293, "hidden_size": 64, "n_layer": 2, "n_head": 4, "seq_length": 256},
    "codegen": {
        "vocab_size": 293,
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 4,
        "n_inner": 96,
        "n_positions": 256,
        "rotary_dim": 8,
    },
}


@pytest.fixture(params=SHAPES, scope="module")
def other(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    hub_folder: Path,
) -> tuple[str, Path, Any]:
    """A random model of a family with no row: its folder, and transformers' own."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind = request.param
    assert kind not in FAMILIES
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **SHAPES[kind])).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.copy_(torch.randn(parameter.shape) * 1.5 / parameter.shape[-1] ** 0.5)
    model.tie_weights()
    folder = tmp_path_factory.mktemp(kind) / f"tiny-{kind}"
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(hub_folder / name, folder / name)
    return kind, folder, model


def expected(oracle: Any, ids: list[int]) -> np.ndarray:
    import torch

    with torch.no_grad():
        return oracle(torch.tensor([ids])).logits[0].numpy()


def test_fp32_and_packed(other: Any, home: Path) -> None:
    import torch

    _, folder, oracle = other
    ids = np.random.default_rng(0).integers(3, 290, 80).tolist()
    reference = expected(oracle, ids)
    exact = lm.load(str(folder), precision="fp32")
    for step in (80, 7, 1):
        assert np.abs(read(exact, ids, step) - reference).max() < 1e-4
    cache = exact.engine.cache()
    cache.extend(ids)
    cache.truncate(30)
    assert np.abs(cache.extend(ids[30:], all_logits=True) - reference[30:]).max() < 1e-4
    greedy = list(ids[:20])
    cache = exact.engine.cache()
    for _ in range(64):
        greedy.append(int(cache.extend(greedy[len(cache.cached) :])[-1].argmax()))
    with torch.no_grad():
        theirs = oracle.generate(
            torch.tensor([ids[:20]]), max_new_tokens=64, do_sample=False, eos_token_id=None, pad_token_id=0
        )
    assert greedy == theirs[0].tolist()
    packed = lm.load(str(folder))
    theirs_log, ours_log = log_softmax(reference), log_softmax(read(packed, ids, 40))
    assert 0 < (np.exp(theirs_log) * (theirs_log - ours_log)).sum(-1).mean() < 0.01
    assert packed.weights_bytes < exact.weights_bytes * 0.8
    assert packed.generate("the river", raw=True, max_tokens=10).tokens


def test_ready_onnx_in_the_layout_of_the_hub(other: Any, home: Path, tmp_path: Path) -> None:
    """onnx/model.onnx with its weights beside it; then the same as huggingface_hub's cache keeps it, all
    links.
    """
    kind, folder, oracle = other
    if kind != "opt":
        return
    export(folder, tmp_path / "made")
    ready = tmp_path / "ready"
    (ready / "onnx").mkdir(parents=True)
    for file in (tmp_path / "made").iterdir():
        shutil.copy(file, ready / "onnx" / file.name if "onnx" in file.name else ready / file.name)
    model = lm.load(str(ready))
    ids = list(range(3, 60))
    logits = read(model, ids)
    assert np.abs(logits - expected(oracle, ids)).max() < 1 and model.info.precision == "as exported"
    cache = tmp_path / "models--a--b"
    shutil.move(ready, cache / "snapshots" / "0123")
    (cache / "blobs").mkdir()
    for number, file in enumerate(
        sorted(path for path in (cache / "snapshots").rglob("*") if path.is_file())
    ):
        shutil.move(file, cache / "blobs" / str(number))
        file.symlink_to(os.path.relpath(cache / "blobs" / str(number), file.parent))
    np.testing.assert_array_equal(read(lm.load(str(cache / "snapshots" / "0123")), ids), logits)


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/passwd", "link.bin", "missing.bin"])
def test_weights_outside_the_folder_are_not_read(
    place: str,
    hub_folder: Path,
    home: Path,
    tmp_path: Path,
) -> None:
    import onnx_ir as ir

    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 4096)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    tensor = ir.ExternalTensor(
        place, 0, 4096, ir.DataType.FLOAT, shape=ir.Shape([1024]), name="w", base_dir=folder
    )
    value = ir.Value(
        name="w", shape=ir.Shape([1024]), type=ir.TensorType(ir.DataType.FLOAT), const_value=tensor
    )
    node = ir.node("Identity", [value])
    node.outputs[0].name = "logits"
    graph = ir.Graph([], node.outputs, nodes=[node], initializers=[value], name="g", opset_imports={"": 21})
    (folder / "model.onnx").write_bytes(ir.to_proto(ir.Model(graph, ir_version=10)).SerializeToString())
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(hub_folder / name, folder / name)
    with pytest.raises(lm.ModelFileError, match=r"outside|another folder|missing weights"):
        lm.load(str(folder), file="model.onnx")


def test_what_cannot_be_exported_says_so(
    other: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, source, _ = other
    if kind != "opt":
        return
    config = json.loads((source / "config.json").read_text())
    for change, said in [
        ({"model_type": "whale"}, "optimum cannot export it"),
        ({"auto_map": {"AutoModel": "evil.Evil"}}, "trust_remote_code"),
    ]:
        folder = tmp_path / said.replace(" ", "-")
        shutil.copytree(source, folder)
        (folder / "config.json").write_text(json.dumps({**config, **change}))
        (folder / "evil.py").write_text("raise SystemExit('run')")
        with pytest.raises(lm.UnsupportedModel, match=said) as error:
            lm.load(str(folder))
        assert "GGUF" in error.value.hint
    with pytest.raises(lm.UsageError, match="does not support int4"):
        lm.load(str(source), precision="int4")
    monkeypatch.setitem(__import__("sys").modules, "optimum.exporters.onnx", None)
    with pytest.raises(lm.UsageError, match="not installed") as missing:
        lm.load(str(source), precision="int8")
    assert "open-llm-magics[optimum]" in missing.value.hint


def test_a_graph_of_another_kind_is_named(hub_folder: Path, home: Path, tmp_path: Path) -> None:
    import onnx_ir as ir

    x = ir.Value(name="pixels", shape=ir.Shape([1, 3]), type=ir.TensorType(ir.DataType.FLOAT))
    node = ir.node("Relu", [x])
    node.outputs[0].name, node.outputs[0].type = "logits", ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph([x], node.outputs, nodes=[node], name="g", opset_imports={"": 21})
    ir.save(ir.Model(graph, ir_version=10), tmp_path / "model.onnx")
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(hub_folder / name, tmp_path / name)
    with pytest.raises(lm.UnsupportedModel, match="pixels"):
        lm.load(str(tmp_path))
    (tmp_path / "model.onnx").write_bytes(b"\xff" * 100)
    with pytest.raises(lm.ModelFileError):
        lm.load(str(tmp_path), threads=1)
