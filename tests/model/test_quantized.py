"""Quantized checkpoints: weights are those that the formats' own libraries decode, and keep their bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from llm_magics import ModelFileError, UnsupportedModel
from llm_magics.decoder.families import FAMILIES, spec_of
from llm_magics.decoder.weights import Weights
from llm_magics.formats.config import Config
from llm_magics.formats.quantized import E4M3, QuantizedTensors, with_quantization
from llm_magics.formats.safetensors import Safetensors
from tests.support import families
from tests.support.decoders import engine, log_softmax

State = dict[str, torch.Tensor]
# Packs one matrix (out, in): gives the tensors of the file, and the matrix that they stand for.
Packer = Callable[[torch.Tensor], tuple[State, torch.Tensor]]
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)


def pack_columns(q: torch.Tensor, bits: int, order: tuple[int, ...] | None = None) -> torch.Tensor:
    """Values (rows, n) as int32 (rows, n · bits / 32), one word after the other, as AutoGPTQ's loops do."""
    per = 32 // bits
    words = np.zeros((q.shape[0], q.shape[1] // per), np.uint32)
    values = q.numpy().astype(np.uint32)
    for word in range(words.shape[1]):
        for n in range(per):
            words[:, word] |= values[:, word * per + (order[n] if order else n)] << np.uint32(n * bits)
    return torch.from_numpy(words.view(np.int32))


def rounded(weight: torch.Tensor, bits: int, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Asymmetric rounding by groups of inputs: q (out, in), scales and zeros (out, groups)."""
    groups = weight.reshape(len(weight), -1, size)
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    scales = ((high - low) / (2**bits - 1)).half().float()
    zeros = (-low / scales).round().clamp(1, 2**bits - 1)
    q = ((groups / scales[..., None]).round() + zeros[..., None]).clamp(0, 2**bits - 1)
    return q.reshape(weight.shape).int(), scales, zeros.int()


def gptq(bits: int, size: int, *, act_order: bool = False, v2: bool = False) -> Packer:
    def pack(weight: torch.Tensor) -> tuple[State, torch.Tensor]:
        order = torch.arange(weight.shape[1])
        if act_order:
            order = torch.randperm(weight.shape[1], generator=torch.Generator().manual_seed(1))
        q, scales, zeros = rounded(weight[:, order], bits, size)
        if bits == 8:
            zeros = torch.full_like(zeros, 128)
            scales = (weight[:, order].reshape(len(weight), -1, size).abs().amax(-1) / 127).half().float()
            q = (weight[:, order] / scales.repeat_interleave(size, 1)).round().int() + 128
        wide = [part.repeat_interleave(size, 1) for part in (scales, zeros)]
        value = torch.empty_like(weight)
        value[:, order] = wide[0] * (q - wide[1])
        index = torch.empty(weight.shape[1], dtype=torch.int32)
        index[order] = (torch.arange(weight.shape[1]) // size).int()
        stored = torch.empty_like(q)
        stored[:, order] = q
        state = {
            "qweight": pack_columns(stored, bits).T.contiguous(),
            "qzeros": pack_columns((zeros if v2 else zeros - 1).T, bits),
            "scales": scales.T.contiguous().half(),
            "g_idx": index,
        }
        return state, value

    return pack


def awq(size: int) -> Packer:
    def pack(weight: torch.Tensor) -> tuple[State, torch.Tensor]:
        q, scales, zeros = rounded(weight, 4, size)
        wide = [part.repeat_interleave(size, 1) for part in (scales, zeros)]
        state = {
            "qweight": pack_columns(q.T, 4, AWQ_ORDER),
            "qzeros": pack_columns(zeros.T, 4, AWQ_ORDER),
            "scales": scales.T.contiguous().half(),
        }
        return state, wide[0] * (q - wide[1])

    return pack


def compressed(form: str, **weights: Any) -> Packer:
    """By compressed-tensors' own compressor, and its own decompression."""
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
    from compressed_tensors.quantization.utils import calculate_qparams

    scheme = QuantizationScheme(targets=["Linear"], weights=QuantizationArgs(**weights), format=form)
    assert scheme.weights is not None
    size = weights.get("group_size")

    def pack(weight: torch.Tensor) -> tuple[State, torch.Tensor]:
        groups = weight.reshape(len(weight), -1, size) if size else weight[:, None]
        if weights["strategy"] == "tensor":
            groups = weight.reshape(1, 1, -1)
        scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), scheme.weights)
        if weights["strategy"] == "tensor":
            scale, zero = scale.reshape(1), zero.reshape(1)
        state = {"weight": weight, "weight_scale": scale, "weight_zero_point": zero}
        kind = BaseCompressor.load_from_registry(form)
        packed = type(kind).compress(dict(state), scheme) if not isinstance(kind, type) else None
        packed = packed or kind.compress(dict(state), scheme)
        plain = kind.decompress(dict(packed), scheme)["weight"].float()
        return {name: part.contiguous() for name, part in packed.items()}, plain

    return pack


def fp8(block: tuple[int, int] | None) -> Packer:
    def pack(weight: torch.Tensor) -> tuple[State, torch.Tensor]:
        rows, columns = block or tuple(weight.shape)
        scales = torch.stack(
            [
                torch.stack([part.abs().amax() / 448 for part in strip.split(columns, 1)])
                for strip in weight.split(rows, 0)
            ]
        )
        wide = scales.repeat_interleave(rows, 0)[: len(weight)].repeat_interleave(columns, 1)
        wide = wide[:, : weight.shape[1]]
        codes = (weight / wide).to(torch.float8_e4m3fn)
        scale = scales if block else scales.reshape(())
        return {"weight": codes, "weight_scale_inv": scale}, codes.float() * wide

    return pack


def compressed_config(form: str, **weights: Any) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": weights, "format": form}
    table = {"quant_method": "compressed-tensors", "format": form, "config_groups": {"group_0": group}}
    return {**table, "ignore": ["lm_head"], "quantization_status": "compressed"}


INT4 = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 32}
INT4_ZEROS = {**INT4, "symmetric": False}
INT8 = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
FLOAT8 = {"num_bits": 8, "type": "float", "symmetric": True, "strategy": "channel"}
FLOAT8_TENSOR = {**FLOAT8, "strategy": "tensor"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False, "sym": False}
SPARSE = {**compressed_config("pack-quantized", **INT4), "sparsity_config": {"format": "sparse-24"}}
# name → the quantization_config, how matrices are packed, and the kind that our tensors then have.
CASES: dict[str, tuple[dict[str, Any], Callable[[], Packer], str]] = {
    "gptq": (GPTQ, lambda: gptq(4, 32), "INT4"),
    "gptq-act-order": ({**GPTQ, "desc_act": True}, lambda: gptq(4, 32, act_order=True), "F32"),
    "gptq-v2": ({**GPTQ, "checkpoint_format": "gptq_v2"}, lambda: gptq(4, 32, v2=True), "INT4"),
    "gptq-8": ({**GPTQ, "bits": 8}, lambda: gptq(8, 32), "INT8"),
    "gptq-16": ({**GPTQ, "group_size": 16}, lambda: gptq(4, 16), "F32"),
    "awq": (
        {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True},
        lambda: awq(32),
        "INT4",
    ),
    "compressed-int4": (
        compressed_config("pack-quantized", **INT4),
        lambda: compressed("pack-quantized", **INT4),
        "INT4",
    ),
    "compressed-int4-zeros": (
        compressed_config("pack-quantized", **INT4_ZEROS),
        lambda: compressed("pack-quantized", **INT4_ZEROS),
        "INT4",
    ),
    "compressed-int8": (
        compressed_config("int-quantized", **INT8),
        lambda: compressed("int-quantized", **INT8),
        "INT8",
    ),
    "compressed-fp8": (
        compressed_config("float-quantized", **FLOAT8),
        lambda: compressed("float-quantized", **FLOAT8),
        "F32",
    ),
    "compressed-fp8-tensor": (
        compressed_config("float-quantized", **FLOAT8_TENSOR),
        lambda: compressed("float-quantized", **FLOAT8_TENSOR),
        "F32",
    ),
    "fp8-blocks": (
        {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [48, 40]},
        lambda: fp8((48, 40)),
        "F32",
    ),
    "fp8-tensor": (
        {"quant_method": "fp8", "activation_scheme": "static", "weight_block_size": None},
        lambda: fp8(None),
        "F32",
    ),
}


def write(case: str, folder: Path) -> Any:
    """Write a quantized Llama into ``folder``; gives transformers' model with the weights that are meant."""
    config, packer, _ = CASES[case]
    oracle, pack = families.make("llama", folder), packer()
    state, plain = load_file(folder / "model.safetensors"), oracle.state_dict()
    with torch.no_grad():
        for name in [name for name in state if "proj" in name]:
            parts, value = pack(state.pop(name))
            plain[name].copy_(value)
            stem = name.removesuffix(".weight")
            state |= {f"{stem}.{part}": tensor for part, tensor in parts.items()}
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    stated = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**stated, "quantization_config": config}))
    return oracle


def opened(folder: Path) -> Weights:
    config = Config.read(folder / "config.json")
    spec = spec_of(config)
    tensors = with_quantization(Safetensors(folder), config.quantization)
    return Weights(spec, FAMILIES[spec.family].hub, tensors)


@pytest.mark.parametrize("case", CASES)
def test_weights_and_logits(case: str, tmp_path: Path) -> None:
    oracle = write(case, tmp_path / "hub")
    weights, kind = opened(tmp_path / "hub"), CASES[case][2]
    for role in ("q", "o", "gate", "down"):
        ours = weights.matrix(role, 1)
        name = {"q": "self_attn.q_proj", "o": "self_attn.o_proj", "gate": "mlp.gate_proj"}.get(role)
        expected = oracle.state_dict()[f"model.layers.1.{name or 'mlp.down_proj'}.weight"].numpy()
        np.testing.assert_allclose(ours.dequantize(), expected, rtol=1e-6, atol=1e-7)
        assert ours.kind == kind
    ids = np.random.default_rng(0).integers(3, 290, 60).tolist()
    with torch.no_grad():
        theirs = oracle(torch.tensor([ids])).logits[0].numpy()
    for precision, limit in (("fp32", 1e-4), ("exact", 1e-4)):
        logits = engine(weights, tmp_path / precision, precision).cache().extend(ids, all_logits=True)
        assert np.abs(logits - theirs).max() < limit * np.abs(theirs).max(), precision
    packed = engine(weights, tmp_path / "auto", "auto").cache().extend(ids, all_logits=True)
    expected, ours = log_softmax(theirs), log_softmax(packed)
    assert 0 <= (np.exp(expected) * (expected - ours)).sum(-1).mean() < 0.01


def test_the_bits_of_integers_are_kept(tmp_path: Path) -> None:
    """What MatMulNBits reads is what the file has: as many bytes, and the same integers."""
    from llm_magics.decoder.quantize import pack_exact

    write("gptq", tmp_path)
    tensor = opened(tmp_path).matrix("q", 0)
    packed = pack_exact([tensor])
    assert packed is not None and packed.bits == 4 and packed.zeros is not None
    stored = load_file(tmp_path / "model.safetensors")["model.layers.0.self_attn.q_proj.qweight"].T.numpy()
    np.testing.assert_array_equal(
        packed.q.reshape(64, -1), np.ascontiguousarray(stored).view(np.uint8).reshape(64, -1)
    )


def test_e4m3_is_that_of_torch() -> None:
    codes = torch.arange(256, dtype=torch.uint8)
    np.testing.assert_array_equal(E4M3, codes.view(torch.float8_e4m3fn).float().numpy())


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({"quant_method": "gptq", "bits": 3}, "bits = 3"),
        ({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}, "marlin"),
        ({"quant_method": "awq", "bits": 4, "version": "gemv"}, "gemv"),
        ({"quant_method": "fp8", "weight_block_size": [0, 128]}, r"\[0, 128\]"),
        ({"quant_method": "fp8", "fmt": "e5m2"}, "e5m2"),
        ({"quant_method": "compressed-tensors"}, "config_groups"),
        (compressed_config("nvfp4-pack-quantized", num_bits=4, type="float"), "nvfp4"),
        (compressed_config("pack-quantized", **{**INT4, "num_bits": 3}), "3 bits"),
        (SPARSE, "sparse"),
        ("fp4", "fp4"),
    ],
)
def test_what_is_not_supported_is_named(table: Any, what: str) -> None:
    raw = {"model_type": "llama", **families.COMMON, "quantization_config": table}
    with pytest.raises(UnsupportedModel, match=what):
        Config(raw)
    assert Config(raw, ignore=["quantization_config"]).quantization is None


def test_damaged_parts_are_named(tmp_path: Path) -> None:
    write("gptq", tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    stem = "model.layers.0.self_attn.q_proj"
    for part, value, what in (
        ("scales", torch.ones(3, 5).half(), "do not fit"),
        ("g_idx", torch.full((64,), 7, dtype=torch.int32), "do not fit"),
        ("qzeros", None, "has no model.layers.0.self_attn.q_proj.qzeros"),
    ):
        changed = {**state, f"{stem}.{part}": value}
        save_file(
            {name: item for name, item in changed.items() if item is not None}, tmp_path / "x.safetensors"
        )
        (tmp_path / "x.safetensors").replace(tmp_path / "model.safetensors")
        with pytest.raises(ModelFileError, match=what):
            opened(tmp_path).matrix("q", 0)


def test_names_are_the_usual_ones(tmp_path: Path) -> None:
    oracle = write("gptq", tmp_path)
    config = Config.read(tmp_path / "config.json")
    assert config.quantization is not None
    tensors = QuantizedTensors(Safetensors(tmp_path), config.quantization)
    assert {*tensors} >= {*oracle.state_dict()}


def test_mxfp4_experts_are_those_of_transformers(tmp_path: Path) -> None:
    """gpt-oss: blocks of 32 with a scale of 8 bits, decoded as transformers does it."""
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors

    oracle = families.make("gpt-oss", tmp_path)
    state, generator = load_file(tmp_path / "model.safetensors"), torch.Generator().manual_seed(0)
    plain = oracle.state_dict()
    with torch.no_grad():
        for name in [name for name in state if name.endswith(("gate_up_proj", "down_proj"))]:
            experts, into, out = state.pop(name).shape
            shape = (experts, out, into // 32)
            blocks = torch.randint(0, 256, (*shape, 16), generator=generator, dtype=torch.uint8)
            scales = torch.randint(122, 125, shape, generator=generator, dtype=torch.uint8)
            plain[name].copy_(convert_moe_packed_tensors(blocks, scales, dtype=torch.float32))
            state |= {f"{name}_blocks": blocks, f"{name}_scales": scales}
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    stated = json.loads((tmp_path / "config.json").read_text())
    table = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]}
    (tmp_path / "config.json").write_text(json.dumps({**stated, "quantization_config": table}))
    weights = opened(tmp_path)
    assert weights.matrix("expert_gate", 0, (96, 64), expert=5).kind == "MXFP4"
    ids = np.random.default_rng(0).integers(3, 290, 60).tolist()
    with torch.no_grad():
        theirs = oracle(torch.tensor([ids])).logits[0].numpy()
    logits = engine(weights, tmp_path / "built", "fp32").cache().extend(ids, all_logits=True)
    assert np.abs(logits - theirs).max() < 1e-4 * np.abs(theirs).max()

    state.pop("model.layers.0.mlp.experts.down_proj_scales")
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(ModelFileError, match="no expert_down weight for layer 0"):
        opened(tmp_path).matrix("expert_down", 0, (64, 96), expert=0)
