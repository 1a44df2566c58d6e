"""Adapters go to PEFT and come back from it; whatever is no plain LoRA is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.numpy import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from llm_magics import LLMMagicsError
from llm_magics.models.adapters.lora import CONFIG, WEIGHTS, Adapter, LoraPair, load_adapter

IDS = torch.arange(3, 15)[None]


def tiny() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=64,
    )
    return LlamaForCausalLM(config).eval()


def made(modules: list[str], *, rs: bool = False) -> Adapter:
    weights = dict(tiny().named_modules())
    rng = np.random.default_rng(1)
    pairs = {}
    for module in modules:
        out, width = weights[module].weight.shape
        a = rng.normal(0, 0.3, (4, width)).astype(np.float32)
        pairs[module] = LoraPair(a, rng.normal(0, 0.3, (out, 4)).astype(np.float32))
    return Adapter(pairs, 6.0, "some/model", rs)


@pytest.mark.parametrize("rs", [False, True])
def test_what_we_save_is_the_same_in_peft(tmp_path: Path, rs: bool) -> None:
    modules = [f"model.layers.{n}.{part}" for n in (1, 2) for part in ("self_attn.q_proj", "mlp.down_proj")]
    adapter = made(modules, rs=rs)
    adapter.save(tmp_path / "adapter")
    theirs = PeftModel.from_pretrained(tiny(), tmp_path / "adapter")
    ours = tiny()
    with torch.no_grad():
        weights = dict(ours.named_modules())
        for module in modules:
            weights[module].weight += torch.from_numpy(adapter.delta(module))
        difference = (theirs(IDS).logits - ours(IDS).logits).abs().max()
        assert difference <= 1e-4 * ours(IDS).logits.abs().max()
        assert (ours(IDS).logits - tiny()(IDS).logits).abs().max() > 0.01
    again = load_adapter(tmp_path / "adapter")
    assert again.base == "some/model" and again.scale == adapter.scale and again.rank == 4
    for module in modules:
        np.testing.assert_array_equal(again.pairs[module].a, adapter.pairs[module].a)
        np.testing.assert_array_equal(again.pairs[module].b, adapter.pairs[module].b)


def test_what_peft_saves_is_read(tmp_path: Path) -> None:
    config = LoraConfig(r=3, lora_alpha=5, target_modules="all-linear", init_lora_weights=False)
    theirs = get_peft_model(tiny(), config)
    theirs.save_pretrained(tmp_path)
    adapter = load_adapter(tmp_path)
    assert len(adapter.pairs) == 3 * 7 and adapter.scale == pytest.approx(5 / 3)
    merged = dict(theirs.merge_and_unload().named_modules())
    before = dict(tiny().named_modules())
    for module in adapter.pairs:
        difference = (merged[module].weight - before[module].weight).detach().numpy()
        np.testing.assert_allclose(adapter.delta(module), difference, atol=1e-5)


def folder(tmp_path: Path, config: dict[str, Any] | None = None, **tensors: np.ndarray) -> Path:
    whole = {"peft_type": "LORA", "lora_alpha": 8, **(config or {})}
    (tmp_path / CONFIG).write_text(json.dumps(whole))
    given = tensors or {"A": np.ones((2, 4), np.float32), "B": np.ones((4, 2), np.float32)}
    save_file(
        {f"base_model.model.m.lora_{side}.weight": array for side, array in given.items()}, tmp_path / WEIGHTS
    )
    return tmp_path


@pytest.mark.parametrize(
    ("config", "tensors", "said"),
    [
        ({"peft_type": "IA3"}, {}, "not LORA"),
        ({"use_dora": True}, {}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, {}, "modules_to_save"),
        ({"rank_pattern": {"m": 4}}, {}, "rank_pattern"),
        ({"lora_alpha": "8"}, {}, "lora_alpha"),
        ({}, {"A": np.ones((2, 4), np.float32)}, "one of its two matrices"),
        ({}, {"A": np.ones((2, 4), np.float32), "B": np.ones((4, 3), np.float32)}, "the shapes"),
        ({}, {"A": np.full((2, 4), np.nan, np.float32), "B": np.ones((4, 2), np.float32)}, "no number"),
        ({}, {"C": np.ones((2, 4), np.float32)}, "plain LoRA"),
        # A25: they ended in raw errors, when the model answered with them.
        ({"lora_alpha": 10**400}, {}, "lora_alpha"),
        ({"lora_alpha": 1e300}, {}, "lora_alpha"),
        ({"lora_alpha": float("nan")}, {}, "lora_alpha"),
        ({}, {"A": np.full((2, 4), 3e38, np.float32), "B": np.ones((4, 2), np.float32)}, "far too large"),
    ],
)
def test_what_is_no_plain_lora_is_refused(
    tmp_path: Path, config: dict[str, Any], tensors: dict[str, np.ndarray], said: str
) -> None:
    assert load_adapter(folder(tmp_path)).rank == 2
    with pytest.raises(LLMMagicsError, match=said) as error:
        load_adapter(folder(tmp_path, config, **tensors))
    assert error.value.hint


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(LLMMagicsError, match="has no adapter"):
        load_adapter(tmp_path)
    (tmp_path / CONFIG).write_text("{")
    (tmp_path / WEIGHTS).write_bytes(b"1234")
    with pytest.raises(LLMMagicsError, match="damaged"):
        load_adapter(tmp_path)
    with pytest.raises(LLMMagicsError, match="exists already"):
        made(["model.layers.0.self_attn.q_proj"]).save(tmp_path)


@pytest.mark.parametrize(
    ("config", "said", "hint"),
    [
        ({"init_lora_weights": "pissa"}, "init_lora_weights", "path_initial_model_for_weight_conversion"),
        ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights", "path_initial_model"),
        ({"init_lora_weights": "olora"}, "init_lora_weights", "path_initial_model"),
        ({"init_lora_weights": "corda"}, "init_lora_weights", "path_initial_model"),
        ({"init_lora_weights": "lora_ga"}, "init_lora_weights", "path_initial_model"),
        ({"init_lora_weights": "loftq"}, "init_lora_weights", "path_initial_model"),
        ({"alora_invocation_tokens": [1, 2]}, "alora_invocation_tokens", "merge_and_unload"),
        ({"use_bdlora": True}, "use_bdlora", "merge_and_unload"),
        ({"use_qalora": True}, "use_qalora", "merge_and_unload"),
        ({"layer_replication": [[0, 2]]}, "layer_replication", "merge_and_unload"),
        ({"target_parameters": ["mlp.experts"]}, "target_parameters", "merge_and_unload"),
        ({"arrow_config": {"top_k": 2}}, "arrow_config", "merge_and_unload"),
        ({"something_new": 3}, "something_new", "ignore_config"),
        ({"use_rslora": "yes"}, "use_rslora", "Save it again"),
        ({"r": 7}, "says r = 7", "Save it again"),
    ],
)
def test_every_field_of_an_adapter_is_used_or_refused(
    tmp_path: Path, config: dict[str, Any], said: str, hint: str
) -> None:
    """M6 and M10: a field that makes more of it than plain LoRA was passed over in silence."""
    with pytest.raises(LLMMagicsError, match=said) as error:
        load_adapter(folder(tmp_path, config))
    assert hint in error.value.hint
    if "ignore_config" in error.value.hint:
        assert load_adapter(tmp_path, ignore_config=config).rank == 2


def test_what_peft_writes_by_default_passes(tmp_path: Path) -> None:
    fields = LoraConfig(r=2, target_modules=["q_proj"], lora_alpha=8).to_dict()
    fields = {name: list(value) if isinstance(value, set) else value for name, value in fields.items()}
    for init in (True, False, "gaussian", "eva", "orthogonal"):
        plain = {**fields, "init_lora_weights": init, "fan_in_fan_out": True, "peft_type": "LORA"}
        assert load_adapter(folder(tmp_path, json.loads(json.dumps(plain, default=str)))).rank == 2


def test_a_vision_tower_is_left_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """M13: q_proj of Gemma 3's tower was taken for the text's where it was as wide."""
    text = "base_model.model.model.language_model.layers.0.self_attn.q_proj"
    tower = "base_model.model.model.vision_tower.vision_model.encoder.layers.0.self_attn.q_proj"
    one = {"A": np.ones((2, 4), np.float32), "B": np.ones((4, 2), np.float32)}
    (tmp_path / CONFIG).write_text(json.dumps({"peft_type": "LORA", "lora_alpha": 8}))
    both = {f"{name}.lora_{side}.weight": array for name in (text, tower) for side, array in one.items()}
    save_file(both, tmp_path / WEIGHTS)
    adapter = load_adapter(tmp_path)
    assert list(adapter.pairs) == ["model.language_model.layers.0.self_attn.q_proj"]
    assert "of a vision or audio tower are left out (1)" in capfd.readouterr().err
    save_file({name: array for name, array in both.items() if tower in name}, tmp_path / WEIGHTS)
    with pytest.raises(LLMMagicsError, match="nothing but a vision or audio tower"):
        load_adapter(tmp_path)


@pytest.mark.parametrize(
    "module", ["lm_head", "model.embed_tokens", "model.layers.0.self_attn.other", "other.layers.9.x"]
)
def test_the_words_for_what_cannot_be_changed(module: str) -> None:
    """M23: the hint names the way that there is."""
    from llm_magics.decoder.spec import DecoderSpec
    from llm_magics.models.adapters.targets import to_layer_roles

    spec = DecoderSpec("llama", 2, 32, 4, 2, 8, 48, 64, 64, 1e-5)
    pair = LoraPair(np.ones((2, 32), np.float32), np.ones((64, 2), np.float32))
    with pytest.raises(LLMMagicsError, match=module.replace(".", "[.]")) as error:
        to_layer_roles(spec, Adapter({module: pair}, 8.0))
    assert "merge_and_unload" in error.value.hint and "damaged" not in str(error.value)


def test_what_a_sparse_file_claims_is_not_read(tmp_path: Path) -> None:
    """A19: 7.5 GB were asked for before any shape was compared."""
    import struct

    (tmp_path / CONFIG).write_text(json.dumps({"peft_type": "LORA", "lora_alpha": 8}))
    rows = 1 << 30
    name = "base_model.model.m.lora_{}.weight"
    header = json.dumps(
        {
            name.format("A"): {"dtype": "F32", "shape": [2, rows // 2], "data_offsets": [0, 4 * rows]},
            name.format("B"): {"dtype": "F32", "shape": [4, 2], "data_offsets": [4 * rows, 4 * rows + 32]},
        }
    ).encode()
    with open(tmp_path / WEIGHTS, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 4 * rows + 32)
    assert (tmp_path / WEIGHTS).stat().st_blocks < 100
    with pytest.raises(LLMMagicsError, match="have 1,073,741,832 numbers"):
        load_adapter(tmp_path)
