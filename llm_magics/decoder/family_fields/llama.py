"""Families of the Llama block: Mistral, Mixtral, Qwen, SmolLM3, OLMo, Phi-3 and gpt-oss."""

from __future__ import annotations

from ...errors import CHOOSE_MODEL, UnsupportedModel
from ...formats.config import Config
from ...formats.rope import QUERY_SCALE, rope_by_layer
from .common import Fields, biases, layer_ropes, llama, rms_norm, rope, window_in_use

_MINISTRAL_ROPE = {  # of Ministral3Config in transformers 5
    "rope_type": "yarn",
    "rope_theta": 1_000_000.0,
    "factor": 16.0,
    "original_max_position_embeddings": 16_384,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "mscale_all_dim": 1.0,
    "mscale": 1.0,
    QUERY_SCALE: 0.1,
}


def mistral(c: Config) -> Fields:
    return {**llama(c), "window": c.integer("sliding_window", default=0)}


def mixtral(c: Config) -> Fields:
    return {
        **llama(c, 1e-5),
        "window": c.integer("sliding_window", default=0),
        "experts": c.integer("num_local_experts", "num_experts", default=8),
        "experts_used": c.integer("num_experts_per_tok", default=2),
        "expert_ffn": c.integer("intermediate_size"),
    }


def qwen2(c: Config) -> Fields:
    fields = llama(c)
    window, first = window_in_use(c), c.integer("max_window_layers", default=28)
    layers = c.kinds("sliding_attention", lambda i: bool(window) and i >= first)
    if layers and not window:
        raise UnsupportedModel(
            "layer_types has sliding layers, but sliding_window is missing",
            hint=CHOOSE_MODEL,
        )
    return {**fields, "window": window if layers else 0, "sliding": layers}


def qwen3(c: Config) -> Fields:
    return {**qwen2(c), "qk_norm": "head", "head_dim": c.head_dim(128)}


def gpt_oss(c: Config) -> Fields:
    return {
        **rms_norm(c, 1e-5),
        **rope(c),
        "head_dim": c.head_dim(64),
        "activation": c.activation("silu"),
        "attention_bias": True if c.flag("attention_bias", default=True) else None,
        "window": c.integer("sliding_window", default=128),
        "sliding": c.kinds("sliding_attention", lambda i: i % 2 == 0),
        "sinks": True,
        "experts": c.integer("num_local_experts", "num_experts", default=128),
        "experts_used": c.integer("num_experts_per_tok", "experts_per_token", default=4),
        "expert_ffn": c.integer("moe_intermediate_size", "intermediate_size", default=2880),
        "swiglu_alpha": 1.702,
        "swiglu_offset": 1.0,
        "swiglu_limit": c.number("swiglu_limit", default=7.0),
    }


def qwen3_moe(c: Config) -> Fields:
    c.value("max_window_layers")  # transformers has no such field for this family
    return {
        **llama(c),
        "window": window_in_use(c),
        "qk_norm": "head",
        "head_dim": c.head_dim(),
        "experts": c.integer("num_experts", "num_local_experts", default=128),
        "experts_used": c.integer("num_experts_per_tok", default=8),
        "expert_ffn": c.integer("moe_intermediate_size", default=768),
        "normalize_experts": c.flag("norm_topk_prob"),
    }


def smollm3(c: Config) -> Fields:
    step = c.integer("no_rope_layer_interval", default=4)
    flags = c.value("no_rope_layers")  # one a layer: 1 where there is rope, whatever the name says
    if flags is not None and (not isinstance(flags, list) or len(flags) < c.layers):
        raise c.bad("no_rope_layers", flags)
    bare = [i for i in range(c.layers) if (not flags[i] if flags else step and (i + 1) % step == 0)]
    window = window_in_use(c)
    layers = c.kinds("sliding_attention", lambda i: bool(window) and i in bare)
    c.value("max_window_layers")  # transformers has no such field for this family
    return {**llama(c), "no_rope": tuple(bare), "window": window if layers else 0, "sliding": layers}


def olmo2(c: Config) -> Fields:
    return {**llama(c, 1e-5), "block": "post", "qk_norm": "full"}


def olmo3(c: Config) -> Fields:
    full, local = rope_by_layer(c, local=("rope_local_base_freq", "rope_theta"), default=10_000.0)
    return {
        **rms_norm(c, 1e-5),
        **biases(c),
        **layer_ropes(c, full, local),
        "activation": c.activation("silu"),
        "block": "post",
        "qk_norm": "full",
        "window": c.integer("sliding_window", default=4096),
        "sliding": c.kinds("sliding_attention", lambda i: (i + 1) % 4 != 0),
    }


def ministral3(c: Config) -> Fields:
    return {
        **llama(c, 1e-5, table=_MINISTRAL_ROPE),
        "head_dim": c.head_dim(128),
        "window": c.integer("sliding_window", default=0),
    }


def phi3(c: Config) -> Fields:
    return {
        **rms_norm(c, 1e-5),
        **rope(c),
        "activation": c.activation("silu"),
        "window": c.integer("sliding_window", default=0),
    }
