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


def experts(gate: str, up: str, down: str, router: str, inside: str) -> dict[str, str]:
    names = {"expert_gate": gate, "expert_up": up, "expert_down": down}
    return {
        **without(LLAMA, "gate", "up", "down", router=f"layers.{{i}}.{inside}.{router}"),
        **{role: f"layers.{{i}}.{inside}.experts.{{e}}.{name}" for role, name in names.items()},
    }
