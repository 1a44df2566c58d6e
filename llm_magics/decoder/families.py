"""One row a model family: what its configuration means, and where its weights lie. Adding a family is adding a row.

A row reads config.json as the Hub has it; GGUF metadata is first put into the same words (see config.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ModelFileError, UnsupportedModel
from ..formats.config import Config
from .spec import DecoderSpec
from .weights import Layout

Fields = dict[str, Any]
# Tokens. Longer ones are promised by some models; the rotary tables of a million would take a gigabyte.
MAX_CONTEXT = 1 << 17


@dataclass(frozen=True, slots=True)
class Family:
    """One row.

    Attributes:
        fields: what the configuration says beyond the sizes, as fields of DecoderSpec.
        hub: names in checkpoints of the Hugging Face Hub.
        gguf: names in GGUF files.
    """

    fields: Callable[[Config], Fields]
    hub: Layout
    gguf: Layout


_ATTENTION = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "o_proj"}
_MLP = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
_LLAMA = {
    "embed": "embed_tokens", "head": "lm_head", "final_norm": "norm", "attn_norm": "layers.{i}.input_layernorm",
    "ffn_norm": "layers.{i}.post_attention_layernorm",
    **{role: f"layers.{{i}}.self_attn.{name}" for role, name in _ATTENTION.items()},
    **{role: f"layers.{{i}}.mlp.{name}" for role, name in _MLP.items()},
}  # fmt: skip
_QK_NORMS = {"q_norm": "layers.{i}.self_attn.q_norm", "k_norm": "layers.{i}.self_attn.k_norm"}
# Text models inside models that also see keep theirs under another name.
_PREFIXES = ("model.", "language_model.model.", "model.language_model.", "")
_GGUF = {
    "embed": "token_embd", "head": "output", "final_norm": "output_norm", "positions": "position_embd",
    "rope_factors": "rope_freqs", "attn_norm": "blk.{i}.attn_norm", "q": "blk.{i}.attn_q", "k": "blk.{i}.attn_k",
    "v": "blk.{i}.attn_v", "o": "blk.{i}.attn_output", "q_norm": "blk.{i}.attn_q_norm", "k_norm": "blk.{i}.attn_k_norm",
    "attn_post_norm": "blk.{i}.post_attention_norm", "ffn_norm": "blk.{i}.ffn_norm",
    "ffn_post_norm": "blk.{i}.post_ffw_norm", "gate": "blk.{i}.ffn_gate", "up": "blk.{i}.ffn_up",
    "down": "blk.{i}.ffn_down", "router": "blk.{i}.ffn_gate_inp", "expert_gate": "blk.{i}.ffn_gate_exps",
    "expert_up": "blk.{i}.ffn_up_exps", "expert_down": "blk.{i}.ffn_down_exps",
}  # fmt: skip
_PLAIN_HUB, _PLAIN_GGUF = Layout(_LLAMA, _PREFIXES), Layout(_GGUF)


def _without(names: Mapping[str, str], *roles: str, **more: str) -> dict[str, str]:
    return {**{role: name for role, name in names.items() if role not in roles}, **more}


def _fused(names: Mapping[str, str]) -> dict[str, str]:
    return _without(names, "q", "k", "v", qkv="blk.{i}.attn_qkv")


def _rope(c: Config) -> Fields:
    return {"rope_theta": c.number("rope_theta", default=10_000.0), "rope_scaling": c.table("rope_scaling")}


def _rms(c: Config, eps: float = 1e-6) -> Fields:
    return {"norm": "rms", "norm_eps": c.number("rms_norm_eps", default=eps), **_rope(c)}


def _llama(c: Config) -> Fields:
    return {**_rms(c), "activation": c.activation("silu")}


def _mistral(c: Config) -> Fields:
    # config.json of Mistral 7B v0.1 leaves nothing out; where the key is missing there is no window in later models.
    return {**_llama(c), "window": c.whole("sliding_window", default=0)}


def _mixtral(c: Config) -> Fields:
    return {**_mistral(c), **_rms(c, 1e-5), "experts": c.whole("num_local_experts", default=8),
            "experts_used": c.whole("num_experts_per_tok", default=2), "expert_ffn": c.whole("intermediate_size")}  # fmt: skip


def _qwen2(c: Config) -> Fields:
    fields = _llama(c)
    if c.flag("use_sliding_window"):
        first = c.whole("max_window_layers", default=28)
        layers = c.kinds("sliding_attention", lambda i: i >= first)
        fields |= {"window": c.whole("sliding_window", default=4096) if layers else 0, "sliding": layers}
    return fields


def _qwen3(c: Config) -> Fields:
    return {**_qwen2(c), "qk_norm": "head", "head_dim": c.whole("head_dim", default=128)}


def _qwen3_moe(c: Config) -> Fields:
    if c.whole("decoder_sparse_step", default=1) != 1 or c.raw.get("mlp_only_layers"):
        raise UnsupportedModel("a mixture with dense layers between is not supported yet", hint="choose another model")
    return {
        **_qwen3(c), "experts": c.whole("num_experts", default=128),
        "experts_used": c.whole("num_experts_per_tok", default=8),
        "expert_ffn": c.whole("moe_intermediate_size", default=768), "normalize_experts": c.flag("norm_topk_prob"),
    }  # fmt: skip


def _smollm3(c: Config) -> Fields:
    step = c.whole("no_rope_layer_interval", default=4)
    given = c.raw.get("no_rope_layers")  # one a layer: 1 where there is rope, whatever the name says
    bare = [i for i in range(c.layers) if (not given[i] if isinstance(given, list) and i < len(given) else (i + 1) % step == 0)]
    return {**_qwen2(c), "no_rope": tuple(bare), "rope_theta": c.number("rope_theta", default=2_000_000.0)}


def _olmo2(c: Config) -> Fields:
    return {**_rms(c, 1e-5), "activation": c.activation("silu"), "block": "post", "qk_norm": "full"}


def _gemma(c: Config) -> Fields:
    # "gelu" in old files of Gemma 1 was never true: transformers takes the tanh form for all of them.
    return {**_rms(c), "activation": "gelu_tanh", "embed_scale": c.hidden**0.5, "head_dim": c.whole("head_dim", default=256)}


def _gemma2(c: Config) -> Fields:
    return {
        **_gemma(c), "block": "sandwich", "softcap": c.number("attn_logit_softcapping", default=0.0, absent=50.0),
        "final_softcap": c.number("final_logit_softcapping", default=0.0, absent=30.0),
        "scale": c.number("query_pre_attn_scalar", default=256.0) ** -0.5,
        "window": c.whole("sliding_window", default=4096), "sliding": c.kinds("sliding_attention", lambda i: i % 2 == 0),
    }  # fmt: skip


def _gemma3(c: Config) -> Fields:
    step = c.whole("sliding_window_pattern", "_sliding_window_pattern", default=6)
    return {
        **_gemma2(c), "qk_norm": "head", "softcap": c.number("attn_logit_softcapping", default=0.0),
        "final_softcap": c.number("final_logit_softcapping", default=0.0),
        "rope_theta": c.number("rope_theta", default=1_000_000.0),
        "local_theta": c.number("rope_local_base_freq", default=10_000.0),
        "sliding": c.kinds("sliding_attention", lambda i: (i + 1) % step != 0),
    }  # fmt: skip


def _phi3(c: Config) -> Fields:
    fields = {**_rms(c, 1e-5), "activation": c.activation("silu"), "window": c.whole("sliding_window", default=0),
              "rotary_dim": c.rotary_dim("partial_rotary_factor", 1.0)}  # fmt: skip
    scaling = fields["rope_scaling"]
    if scaling and scaling.get("rope_type", scaling.get("type")) in ("longrope", "su"):
        # Beyond the first context these models take other factors for the whole text; the context ends there.
        first = c.whole("original_max_position_embeddings", default=c.context)
        scaling = {"factor": c.context / first, "original_max_position_embeddings": first, **scaling}
        fields |= {"rope_scaling": scaling, "context": min(first, c.context, MAX_CONTEXT)}
    return fields


def _falcon(c: Config) -> Fields:
    parallel = c.flag("new_decoder_architecture") or c.flag("parallel_attn", default=True)
    return {
        "norm": "layer", "norm_eps": c.number("layer_norm_epsilon", default=1e-5), **_rope(c), "gated": False,
        "positions": "alibi" if c.flag("alibi") else "rope", "block": "parallel" if parallel else "pre",
        "activation": c.activation("gelu"),
    }  # fmt: skip


def _neox(c: Config) -> Fields:
    return {
        "norm": "layer", "norm_eps": c.number("layer_norm_eps", default=1e-5), "gated": False,
        "rope_theta": c.number("rotary_emb_base", "rope_theta", default=10_000.0), "rope_scaling": c.table("rope_scaling"),
        "rotary_dim": c.rotary_dim("rotary_pct", 0.25),
        "block": "parallel" if c.flag("use_parallel_residual", default=True) else "pre", "activation": c.activation("gelu"),
    }  # fmt: skip


def _gpt2(c: Config) -> Fields:
    if c.flag("scale_attn_by_inverse_layer_idx") or not c.flag("scale_attn_weights", default=True):
        raise UnsupportedModel("GPT-2 with scores scaled by layer is not supported yet", hint="choose another model")
    return {"norm": "layer", "norm_eps": c.number("layer_norm_epsilon", default=1e-5), "positions": "learned", "gated": False,
            "activation": c.activation("gelu_new")}  # fmt: skip


_NEOX_HUB = {
    "embed": "embed_in", "head": "embed_out", "final_norm": "final_layer_norm", "attn_norm": "layers.{i}.input_layernorm",
    "ffn_norm": "layers.{i}.post_attention_layernorm", "qkv": "layers.{i}.attention.query_key_value",
    "o": "layers.{i}.attention.dense", "up": "layers.{i}.mlp.dense_h_to_4h", "down": "layers.{i}.mlp.dense_4h_to_h",
}  # fmt: skip
_FALCON_HUB = {
    "embed": "word_embeddings", "head": "lm_head", "final_norm": "ln_f", "attn_norm": "h.{i}.input_layernorm",
    "attn_norm_alone": "h.{i}.ln_attn", "ffn_norm": "h.{i}.post_attention_layernorm", "ffn_norm_alone": "h.{i}.ln_mlp",
    "qkv": "h.{i}.self_attention.query_key_value", "o": "h.{i}.self_attention.dense", "up": "h.{i}.mlp.dense_h_to_4h",
    "down": "h.{i}.mlp.dense_4h_to_h",
}  # fmt: skip
_GPT2_HUB = {
    "embed": "wte", "positions": "wpe", "head": "lm_head", "final_norm": "ln_f", "attn_norm": "h.{i}.ln_1",
    "ffn_norm": "h.{i}.ln_2", "qkv": "h.{i}.attn.c_attn", "o": "h.{i}.attn.c_proj", "up": "h.{i}.mlp.c_fc",
    "down": "h.{i}.mlp.c_proj",
}  # fmt: skip
_GEMMA2_HUB = {
    **_LLAMA, "attn_post_norm": "layers.{i}.post_attention_layernorm", "ffn_norm": "layers.{i}.pre_feedforward_layernorm",
    "ffn_post_norm": "layers.{i}.post_feedforward_layernorm",
}  # fmt: skip

_PHI3_HUB = _without(
    _LLAMA, "q", "k", "v", "gate", "up", qkv="layers.{i}.self_attn.qkv_proj", gate_up="layers.{i}.mlp.gate_up_proj"
)


def _experts(gate: str, up: str, down: str, router: str, inside: str) -> dict[str, str]:
    names = {"expert_gate": gate, "expert_up": up, "expert_down": down}
    return {**_without(_LLAMA, "gate", "up", "down", router=f"layers.{{i}}.{inside}.{router}"),
            **{role: f"layers.{{i}}.{inside}.experts.{{e}}.{name}" for role, name in names.items()}}  # fmt: skip


_GEMMA3 = Family(_gemma3, Layout({**_GEMMA2_HUB, **_QK_NORMS}, _PREFIXES, norm_plus=1.0), _PLAIN_GGUF)
_WOVEN = Layout(_GGUF, woven=True)
_FUSED_GGUF = Layout(_fused(_GGUF))
FAMILIES = {
    "llama": Family(_llama, _PLAIN_HUB, _WOVEN),
    "mistral": Family(_mistral, _PLAIN_HUB, _WOVEN),
    "mixtral": Family(_mixtral, Layout(_experts("w1", "w3", "w2", "gate", "block_sparse_moe"), _PREFIXES), _WOVEN),
    "qwen2": Family(_qwen2, _PLAIN_HUB, _PLAIN_GGUF),
    "qwen3": Family(_qwen3, Layout({**_LLAMA, **_QK_NORMS}, _PREFIXES), _PLAIN_GGUF),
    "qwen3_moe": Family(
        _qwen3_moe,
        Layout({**_experts("gate_proj", "up_proj", "down_proj", "gate", "mlp"), **_QK_NORMS}, _PREFIXES),
        _PLAIN_GGUF,
    ),
    "smollm3": Family(_smollm3, _PLAIN_HUB, _WOVEN),
    "olmo2": Family(
        _olmo2,
        Layout({**_without(_GEMMA2_HUB, "attn_norm", "ffn_norm"), **_QK_NORMS}, _PREFIXES),
        Layout(_without(_GGUF, "attn_norm", "ffn_norm")),
    ),
    "gemma": Family(_gemma, Layout(_LLAMA, _PREFIXES, norm_plus=1.0), _PLAIN_GGUF),
    "gemma2": Family(_gemma2, Layout(_GEMMA2_HUB, _PREFIXES, norm_plus=1.0), _PLAIN_GGUF),
    "gemma3_text": _GEMMA3,
    "gemma3": _GEMMA3,
    "phi3": Family(
        _phi3, Layout(_PHI3_HUB, _PREFIXES), Layout(_without(_fused(_GGUF), "gate", "up", gate_up="blk.{i}.ffn_up"))
    ),
    "falcon": Family(
        _falcon,
        Layout(_FALCON_HUB, ("transformer.", ""), qkv="grouped"),
        Layout({**_fused(_GGUF), "ffn_norm_alone": "blk.{i}.attn_norm", "attn_norm_alone": "blk.{i}.attn_norm_2"}),
    ),
    "gpt_neox": Family(_neox, Layout(_NEOX_HUB, ("gpt_neox.", ""), qkv="grouped"), _FUSED_GGUF),
    "gpt2": Family(_gpt2, Layout(_GPT2_HUB, ("transformer.", ""), transposed=True), _FUSED_GGUF),
}


def spec_of(config: Config) -> DecoderSpec:
    """The decoder that a configuration describes.

    Raises:
        UnsupportedModel: the family has no row here, or uses what its row cannot express.
        ModelFileError: a value is missing or absurd.
    """
    family = config.family
    if family not in FAMILIES:
        raise UnsupportedModel(
            f"the architecture {family!r:.60} has no row here", hint="supported: " + ", ".join(sorted(FAMILIES))
        )
    heads = config.whole("num_attention_heads", "n_head")
    sizes = {
        "layers": config.layers, "hidden": config.hidden, "heads": heads, "kv_heads": config.kv_heads(heads),
        "head_dim": config.whole("head_dim", default=config.hidden // max(heads, 1)), "vocab": config.whole("vocab_size"),
        "ffn": config.whole("intermediate_size", "n_inner", "ffn_hidden_size", default=4 * config.hidden),
        "context": min(config.context, MAX_CONTEXT),
    }  # fmt: skip
    if sizes["vocab"] > 1 << 21 or sizes["layers"] > 1_000:
        raise ModelFileError(f"the model file gives absurd sizes: {sizes}"[:200], hint="fetch it again")
    return DecoderSpec(family=family, **{**sizes, **FAMILIES[family].fields(config)})
