"""What families call their weights: role → name, a table a layout. Values only."""

from __future__ import annotations

from collections.abc import Mapping

_ATTENTION = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "o_proj"}
_MLP = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
LLAMA = {
    "embed": "embed_tokens",
    "head": "lm_head",
    "final_norm": "norm",
    "attn_norm": "layers.{i}.input_layernorm",
    "ffn_norm": "layers.{i}.post_attention_layernorm",
    **{role: f"layers.{{i}}.self_attn.{name}" for role, name in _ATTENTION.items()},
    **{role: f"layers.{{i}}.mlp.{name}" for role, name in _MLP.items()},
}
QK_NORMS = {"q_norm": "layers.{i}.self_attn.q_norm", "k_norm": "layers.{i}.self_attn.k_norm"}
# Text models inside models that also see keep theirs under another name.
PREFIXES = ("model.", "language_model.model.", "model.language_model.", "")
GGUF = {
    "embed": "token_embd",
    "head": "output",
    "final_norm": "output_norm",
    "positions": "position_embd",
    "rope_factors": "rope_freqs",
    "attn_norm": "blk.{i}.attn_norm",
    "q": "blk.{i}.attn_q",
    "k": "blk.{i}.attn_k",
    "v": "blk.{i}.attn_v",
    "o": "blk.{i}.attn_output",
    "q_norm": "blk.{i}.attn_q_norm",
    "k_norm": "blk.{i}.attn_k_norm",
    "attn_post_norm": "blk.{i}.post_attention_norm",
    "ffn_norm": "blk.{i}.ffn_norm",
    "ffn_post_norm": "blk.{i}.post_ffw_norm",
    "gate": "blk.{i}.ffn_gate",
    "up": "blk.{i}.ffn_up",
    "down": "blk.{i}.ffn_down",
    "router": "blk.{i}.ffn_gate_inp",
    "expert_gate": "blk.{i}.ffn_gate_exps",
    "expert_up": "blk.{i}.ffn_up_exps",
    "expert_down": "blk.{i}.ffn_down_exps",
}


def without(names: Mapping[str, str], *roles: str, **more: str) -> dict[str, str]:
    return {**{role: name for role, name in names.items() if role not in roles}, **more}


def fused(names: Mapping[str, str]) -> dict[str, str]:
    return without(names, "q", "k", "v", qkv="blk.{i}.attn_qkv")


NEOX_HUB = {
    "embed": "embed_in",
    "head": "embed_out",
    "final_norm": "final_layer_norm",
    "attn_norm": "layers.{i}.input_layernorm",
    "ffn_norm": "layers.{i}.post_attention_layernorm",
    "qkv": "layers.{i}.attention.query_key_value",
    "o": "layers.{i}.attention.dense",
    "up": "layers.{i}.mlp.dense_h_to_4h",
    "down": "layers.{i}.mlp.dense_4h_to_h",
}
FALCON_HUB = {
    "embed": "word_embeddings",
    "head": "lm_head",
    "final_norm": "ln_f",
    "attn_norm": "h.{i}.input_layernorm",
    "attn_norm_alone": "h.{i}.ln_attn",
    "ffn_norm": "h.{i}.post_attention_layernorm",
    "ffn_norm_alone": "h.{i}.ln_mlp",
    "qkv": "h.{i}.self_attention.query_key_value",
    "o": "h.{i}.self_attention.dense",
    "up": "h.{i}.mlp.dense_h_to_4h",
    "down": "h.{i}.mlp.dense_4h_to_h",
}
GPT2_HUB = {
    "embed": "wte",
    "positions": "wpe",
    "head": "lm_head",
    "final_norm": "ln_f",
    "attn_norm": "h.{i}.ln_1",
    "ffn_norm": "h.{i}.ln_2",
    "qkv": "h.{i}.attn.c_attn",
    "o": "h.{i}.attn.c_proj",
    "up": "h.{i}.mlp.c_fc",
    "down": "h.{i}.mlp.c_proj",
}
GEMMA2_HUB = {
    **LLAMA,
    "attn_post_norm": "layers.{i}.post_attention_layernorm",
    "ffn_norm": "layers.{i}.pre_feedforward_layernorm",
    "ffn_post_norm": "layers.{i}.post_feedforward_layernorm",
}
GEMMA4_HUB = {
    **GEMMA2_HUB,
    **QK_NORMS,
    "ple_table": "embed_tokens_per_layer",
    "ple_projection": "per_layer_model_projection",
    "ple_norm": "per_layer_projection_norm",
    "ple_gate": "layers.{i}.per_layer_input_gate",
    "ple_out": "layers.{i}.per_layer_projection",
    "ple_post_norm": "layers.{i}.post_per_layer_input_norm",
    "layer_scale": "layers.{i}.layer_scalar",
}
GEMMA4_GGUF = {
    **GGUF,
    "ple_table": "per_layer_token_embd",
    "ple_projection": "per_layer_model_proj",
    "ple_norm": "per_layer_proj_norm",
    "ple_gate": "blk.{i}.inp_gate",
    "ple_out": "blk.{i}.proj",
    "ple_post_norm": "blk.{i}.post_norm",
    "layer_scale": "blk.{i}.layer_output_scale.weight",
}

PHI3_HUB = without(
    LLAMA,
    "q",
    "k",
    "v",
    "gate",
    "up",
    qkv="layers.{i}.self_attn.qkv_proj",
    gate_up="layers.{i}.mlp.gate_up_proj",
)


GPT_NEO_HUB = {
    **without(GPT2_HUB, "qkv"),
    **{
        role: f"h.{{i}}.attn.attention.{name}"
        for role, name in {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}.items()
    },
}
GPTJ_HUB = {
    **without(GPT2_HUB, "positions", "ffn_norm", "qkv", up="h.{i}.mlp.fc_in", down="h.{i}.mlp.fc_out"),
    **{
        role: f"h.{{i}}.attn.{name}"
        for role, name in {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}.items()
    },
}
GRANITE_HYBRID_HUB = without(
    LLAMA,
    "gate",
    "up",
    gate_up="layers.{i}.shared_mlp.input_linear",
    down="layers.{i}.shared_mlp.output_linear",
)


QWEN35_HUB = {
    **LLAMA,
    **QK_NORMS,
    "A_log": "layers.{i}.linear_attn.A_log",
    "dt_bias": "layers.{i}.linear_attn.dt_bias",
    "linear_qkv": "layers.{i}.linear_attn.in_proj_qkv",
    "linear_z": "layers.{i}.linear_attn.in_proj_z",
    "linear_a": "layers.{i}.linear_attn.in_proj_a",
    "linear_b": "layers.{i}.linear_attn.in_proj_b",
    "linear_conv": "layers.{i}.linear_attn.conv1d",
    "linear_norm": "layers.{i}.linear_attn.norm",
    "linear_out": "layers.{i}.linear_attn.out_proj",
}


_SHARED_EXPERT = "layers.{i}.mlp.shared_expert"
QWEN35_MOE_HUB = {
    **without(QWEN35_HUB, "gate", "up", "down", router="layers.{i}.mlp.gate"),
    **{f"expert_{role}": f"layers.{{i}}.mlp.experts.{{e}}.{name}" for role, name in _MLP.items()},
    **{f"shared_{role}": f"{_SHARED_EXPERT}.{name}" for role, name in _MLP.items()},
    "shared_share": f"{_SHARED_EXPERT}_gate",
}
QWEN35_GGUF = without(
    GGUF,
    "attn_post_norm",
    ffn_norm="blk.{i}.post_attention_norm",
    A_log="blk.{i}.ssm_a",
    dt_bias="blk.{i}.ssm_dt.bias",
    linear_qkv="blk.{i}.attn_qkv",
    linear_z="blk.{i}.attn_gate",
    linear_a="blk.{i}.ssm_alpha",
    linear_b="blk.{i}.ssm_beta",
    linear_conv="blk.{i}.ssm_conv1d",
    linear_norm="blk.{i}.ssm_norm",
    linear_out="blk.{i}.ssm_out",
)


QWEN35_MOE_GGUF = {
    **QWEN35_GGUF,
    **{f"shared_{role}": f"blk.{{i}}.ffn_{role}_shexp" for role in _MLP},
    "shared_share": "blk.{i}.ffn_gate_inp_shexp",
}


LFM2_HUB = {
    **LLAMA,
    "final_norm": "embedding_norm",
    "attn_norm": "layers.{i}.operator_norm",
    "ffn_norm": "layers.{i}.ffn_norm",
    "o": "layers.{i}.self_attn.out_proj",
    "q_norm": "layers.{i}.self_attn.q_layernorm",
    "k_norm": "layers.{i}.self_attn.k_layernorm",
    "gate": "layers.{i}.feed_forward.w1",
    "up": "layers.{i}.feed_forward.w3",
    "down": "layers.{i}.feed_forward.w2",
    "conv": "layers.{i}.conv.conv",
    "conv_in": "layers.{i}.conv.in_proj",
    "conv_out": "layers.{i}.conv.out_proj",
}
LFM2_GGUF = {
    **GGUF,
    "final_norm": "token_embd_norm",
    "conv": "blk.{i}.shortconv.conv",
    "conv_in": "blk.{i}.shortconv.in_proj",
    "conv_out": "blk.{i}.shortconv.out_proj",
}


LFM2_MOE_HUB = {
    **LFM2_HUB,
    "router": "layers.{i}.feed_forward.gate",
    "expert_bias": "layers.{i}.feed_forward.expert_bias",
    "expert_gate": "layers.{i}.feed_forward.experts.{e}.w1",
    "expert_up": "layers.{i}.feed_forward.experts.{e}.w3",
    "expert_down": "layers.{i}.feed_forward.experts.{e}.w2",
}
LFM2_MOE_GGUF = {**LFM2_GGUF, "expert_bias": "blk.{i}.exp_probs_b.bias"}


GPT_OSS_HUB = {
    **without(LLAMA, "gate", "up", "down", router="layers.{i}.mlp.router"),
    "sinks": "layers.{i}.self_attn.sinks",
    "expert_gate_up": "layers.{i}.mlp.experts.gate_up_proj",
    "expert_down": "layers.{i}.mlp.experts.down_proj",
}
GPT_OSS_GGUF = {
    **GGUF,
    "ffn_norm": "blk.{i}.post_attention_norm",
    "sinks": "blk.{i}.attn_sinks",
}


def experts(gate: str, up: str, down: str, router: str, inside: str) -> dict[str, str]:
    names = {"expert_gate": gate, "expert_up": up, "expert_down": down}
    return {
        **without(LLAMA, "gate", "up", "down", router=f"layers.{{i}}.{inside}.{router}"),
        **{role: f"layers.{{i}}.{inside}.experts.{{e}}.{name}" for role, name in names.items()},
    }
