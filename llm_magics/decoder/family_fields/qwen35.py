"""Qwen 3.5: three layers with linear attention to one with attention and an output gate."""

from __future__ import annotations

from ...formats.config import Config
from .common import Fields, llama

_ROPE = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.25}  # of its class


def qwen35(c: Config) -> Fields:
    step = c.integer("full_attention_interval", default=4)
    kinds = c.value("layer_types")
    if kinds is None:
        kinds = [
            "full_attention" if step and (i + 1) % step == 0 else "linear_attention" for i in range(c.layers)
        ]
    known = {"full_attention", "linear_attention"}
    if not isinstance(kinds, list) or len(kinds) < c.layers or not {*map(str, kinds)} <= known:
        raise c.bad("layer_types", kinds)
    # Checkpoints state besides what is so here anyway: states in float32, an MLP in every layer.
    for name, ours in (("attn_output_gate", True), ("mamba_ssm_dtype", "float32"), ("mlp_only_layers", [])):
        if c.value(name, default=ours) != ours:
            raise c.bad(name, c.value(name))
    for name in ("mtp_num_hidden_layers", "mtp_use_dedicated_embeddings"):
        c.value(name)  # of the layers that guess further tokens, which are left out
    if c.activation("silu") != "silu":  # it would be that of the convolutions too
        raise c.bad("hidden_act", c.value("hidden_act"))
    return {
        **llama(c, table=_ROPE),
        "head_dim": c.head_dim(256),
        "qk_norm": "head",
        "attention_gate": True,
        "linear_layers": tuple(i for i in range(c.layers) if kinds[i] == "linear_attention"),
        "linear_kernel": c.integer("linear_conv_kernel_dim", default=4),
        "linear_key_heads": c.integer("linear_num_key_heads", default=16),
        "linear_value_heads": c.integer("linear_num_value_heads", default=32),
        "linear_key_dim": c.integer("linear_key_head_dim", default=128),
        "linear_value_dim": c.integer("linear_value_head_dim", default=128),
    }


def qwen35_moe(c: Config) -> Fields:
    return {
        **qwen35(c),
        "experts": c.integer("num_experts", "num_local_experts", default=256),
        "experts_used": c.integer("num_experts_per_tok", default=8),
        "expert_ffn": c.integer("moe_intermediate_size", default=512),
        "shared_ffn": c.integer("shared_expert_intermediate_size", default=512),
    }
