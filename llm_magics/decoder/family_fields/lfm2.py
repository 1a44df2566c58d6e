"""LFM2: gated short convolutions between layers with attention."""

from __future__ import annotations

from ...formats.config import Config
from .common import Fields, rope


def lfm2(c: Config) -> Fields:
    return {**_lfm2(c), "ffn": _ffn_width(c)}


def lfm2_moe(c: Config) -> Fields:
    if c.is_gguf and c.value("expert_gating_func", default=2) != 2:
        raise c.bad("expert_gating_func", c.value("expert_gating_func"))
    return {
        **_lfm2(c),
        "ffn": c.integer("intermediate_size", default=7168),
        "experts": c.integer("num_experts", "num_local_experts", default=32),
        "experts_used": c.integer("num_experts_per_tok", default=4),
        "expert_ffn": c.integer("moe_intermediate_size", default=1792),
        "normalize_experts": c.flag("norm_topk_prob", default=True),
        "dense_layers": c.integer("num_dense_layers", default=2),
        "router": "sigmoid",
        "router_bias": c.flag("use_expert_bias", default=True),
        "expert_scale": c.number("routed_scaling_factor", default=1.0),
    }


def _lfm2(c: Config) -> Fields:
    """Return the fields that both kinds share."""
    kinds = c.value("layer_types")
    full = c.value("full_attn_idxs", default=[*range(c.layers)])
    if kinds is None and isinstance(full, list):
        kinds = ["full_attention" if i in full else "conv" for i in range(c.layers)]
    known = {"full_attention", "conv"}
    if not isinstance(kinds, list) or len(kinds) < c.layers or not {*map(str, kinds)} <= known:
        raise c.bad("layer_types", kinds)
    fields = {
        "norm": "rms",
        "norm_eps": c.number("norm_eps", "rms_norm_eps", default=1e-5),
        **rope(c, theta=("theta", "rope_theta")),
        "qk_norm": "head",
        "activation": "silu",
        "conv_layers": tuple(i for i in range(c.layers) if kinds[i] == "conv"),
        "conv_kernel": c.integer("conv_L_cache", default=3),
    }
    if c.is_stated("tie_embedding"):
        fields["tied"] = c.flag("tie_embedding")
    if c.flag("conv_bias"):
        raise c.bad("conv_bias", True)
    return fields


def _ffn_width(c: Config) -> int:
    """Return the width of the MLP: two thirds of the field's, times a factor, in whole blocks."""
    size = c.integer("block_ff_dim", "intermediate_size", default=12_288)
    block = c.integer("block_multiple_of", default=256)
    factor = c.number("block_ffn_dim_multiplier", default=1.0)
    if c.is_gguf or not c.flag("block_auto_adjust_ff_dim", default=True):
        return size
    if not block:
        raise c.bad("block_multiple_of", block)
    size = int(factor * int(2 * size / 3))
    return -(-size // block) * block
