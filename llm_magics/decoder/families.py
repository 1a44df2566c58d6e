"""One row a model family: what its configuration means, and where its weights lie.

Adding a family is adding a row.

A row reads config.json as the Hub has it; GGUF metadata is first put into the same words (see config.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import ModelFileError, UnsupportedModel
from ..formats.config import Config
from .names import (
    FALCON_HUB,
    GEMMA2_HUB,
    GGUF,
    GPT2_HUB,
    LLAMA,
    NEOX_HUB,
    PHI3_HUB,
    PREFIXES,
    QK_NORMS,
    experts,
    fused,
    without,
)
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


_PLAIN_HUB, _PLAIN_GGUF = Layout(LLAMA, PREFIXES), Layout(GGUF)


def _rope(c: Config) -> Fields:
    return {"rope_theta": c.number("rope_theta", default=10_000.0), "rope_scaling": c.table("rope_scaling")}


def _rms(c: Config, eps: float = 1e-6) -> Fields:
    return {"norm": "rms", "norm_eps": c.number("rms_norm_eps", default=eps), **_rope(c)}


def _llama(c: Config) -> Fields:
    return {**_rms(c), "activation": c.activation("silu")}


def _mistral(c: Config) -> Fields:
    # config.json of Mistral 7B v0.1 leaves nothing out; where the key is missing there is no window in later
    # models.
    return {**_llama(c), "window": c.whole("sliding_window", default=0)}


def _mixtral(c: Config) -> Fields:
    return {
        **_mistral(c),
        **_rms(c, 1e-5),
        "experts": c.whole("num_local_experts", default=8),
        "experts_used": c.whole("num_experts_per_tok", default=2),
        "expert_ffn": c.whole("intermediate_size"),
    }


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
        raise UnsupportedModel(
            "a mixture with dense layers between is not supported yet", hint="choose another model"
        )
    return {
        **_qwen3(c),
        "experts": c.whole("num_experts", default=128),
        "experts_used": c.whole("num_experts_per_tok", default=8),
        "expert_ffn": c.whole("moe_intermediate_size", default=768),
        "normalize_experts": c.flag("norm_topk_prob"),
    }


def _smollm3(c: Config) -> Fields:
    step = c.whole("no_rope_layer_interval", default=4)
    given = c.raw.get("no_rope_layers")  # one a layer: 1 where there is rope, whatever the name says
    bare = [
        i
        for i in range(c.layers)
        if (not given[i] if isinstance(given, list) and i < len(given) else (i + 1) % step == 0)
    ]
    return {**_qwen2(c), "no_rope": tuple(bare), "rope_theta": c.number("rope_theta", default=2_000_000.0)}


def _olmo2(c: Config) -> Fields:
    return {**_rms(c, 1e-5), "activation": c.activation("silu"), "block": "post", "qk_norm": "full"}


def _gemma(c: Config) -> Fields:
    # "gelu" in old files of Gemma 1 was never true: transformers takes the tanh form for all of them.
    return {
        **_rms(c),
        "activation": "gelu_tanh",
        "embed_scale": c.hidden**0.5,
        "head_dim": c.whole("head_dim", default=256),
    }


def _gemma2(c: Config) -> Fields:
    return {
        **_gemma(c),
        "block": "sandwich",
        "softcap": c.number("attn_logit_softcapping", default=0.0, absent=50.0),
        "final_softcap": c.number("final_logit_softcapping", default=0.0, absent=30.0),
        "scale": c.number("query_pre_attn_scalar", default=256.0, least=1e-6) ** -0.5,
        "window": c.whole("sliding_window", default=4096),
        "sliding": c.kinds("sliding_attention", lambda i: i % 2 == 0),
    }


def _gemma3(c: Config) -> Fields:
    step = c.whole("sliding_window_pattern", "_sliding_window_pattern", default=6) or 6
    return {
        **_gemma2(c),
        "qk_norm": "head",
        "softcap": c.number("attn_logit_softcapping", default=0.0),
        "final_softcap": c.number("final_logit_softcapping", default=0.0),
        "rope_theta": c.number("rope_theta", default=1_000_000.0),
        "local_theta": c.number("rope_local_base_freq", default=10_000.0),
        "sliding": c.kinds("sliding_attention", lambda i: (i + 1) % step != 0),
    }


def _phi3(c: Config) -> Fields:
    fields = {
        **_rms(c, 1e-5),
        "activation": c.activation("silu"),
        "window": c.whole("sliding_window", default=0),
        "rotary_dim": c.rotary_dim("partial_rotary_factor", 1.0),
    }
    scaling = fields["rope_scaling"]
    if scaling and scaling.get("rope_type", scaling.get("type")) in ("longrope", "su"):
        # Beyond the first context these models take other factors for the whole text; the context ends there.
        first = c.whole("original_max_position_embeddings", default=c.context) or c.context
        scaling = {"factor": c.context / first, "original_max_position_embeddings": first, **scaling}
        fields |= {"rope_scaling": scaling, "context": min(first, c.context, MAX_CONTEXT)}
    return fields


def _falcon(c: Config) -> Fields:
    parallel = c.flag("new_decoder_architecture") or c.flag("parallel_attn", default=True)
    return {
        "norm": "layer",
        "norm_eps": c.number("layer_norm_epsilon", default=1e-5),
        **_rope(c),
        "gated": False,
        "positions": "alibi" if c.flag("alibi") else "rope",
        "block": "parallel" if parallel else "pre",
        "activation": c.activation("gelu"),
    }


def _neox(c: Config) -> Fields:
    return {
        "norm": "layer",
        "norm_eps": c.number("layer_norm_eps", default=1e-5),
        "gated": False,
        "rope_theta": c.number("rotary_emb_base", "rope_theta", default=10_000.0),
        "rope_scaling": c.table("rope_scaling"),
        "rotary_dim": c.rotary_dim("rotary_pct", 0.25),
        "block": "parallel" if c.flag("use_parallel_residual", default=True) else "pre",
        "activation": c.activation("gelu"),
    }


def _gpt2(c: Config) -> Fields:
    if c.flag("scale_attn_by_inverse_layer_idx") or not c.flag("scale_attn_weights", default=True):
        raise UnsupportedModel(
            "GPT-2 with scores scaled by layer is not supported yet", hint="choose another model"
        )
    return {
        "norm": "layer",
        "norm_eps": c.number("layer_norm_epsilon", default=1e-5),
        "positions": "learned",
        "gated": False,
        "activation": c.activation("gelu_new"),
    }


_GEMMA3 = Family(_gemma3, Layout({**GEMMA2_HUB, **QK_NORMS}, PREFIXES, norm_plus=1.0), _PLAIN_GGUF)
_WOVEN = Layout(GGUF, woven=True)
_FUSED_GGUF = Layout(fused(GGUF))
FAMILIES = {
    "llama": Family(_llama, _PLAIN_HUB, _WOVEN),
    "mistral": Family(_mistral, _PLAIN_HUB, _WOVEN),
    "mixtral": Family(
        _mixtral, Layout(experts("w1", "w3", "w2", "gate", "block_sparse_moe"), PREFIXES), _WOVEN
    ),
    "qwen2": Family(_qwen2, _PLAIN_HUB, _PLAIN_GGUF),
    "qwen3": Family(_qwen3, Layout({**LLAMA, **QK_NORMS}, PREFIXES), _PLAIN_GGUF),
    "qwen3_moe": Family(
        _qwen3_moe,
        Layout({**experts("gate_proj", "up_proj", "down_proj", "gate", "mlp"), **QK_NORMS}, PREFIXES),
        _PLAIN_GGUF,
    ),
    "smollm3": Family(_smollm3, _PLAIN_HUB, _WOVEN),
    "olmo2": Family(
        _olmo2,
        Layout({**without(GEMMA2_HUB, "attn_norm", "ffn_norm"), **QK_NORMS}, PREFIXES),
        Layout(without(GGUF, "attn_norm", "ffn_norm")),
    ),
    "gemma": Family(_gemma, Layout(LLAMA, PREFIXES, norm_plus=1.0), _PLAIN_GGUF),
    "gemma2": Family(_gemma2, Layout(GEMMA2_HUB, PREFIXES, norm_plus=1.0), _PLAIN_GGUF),
    "gemma3_text": _GEMMA3,
    "gemma3": _GEMMA3,
    "phi3": Family(
        _phi3,
        Layout(PHI3_HUB, PREFIXES),
        Layout(without(fused(GGUF), "gate", "up", gate_up="blk.{i}.ffn_up")),
    ),
    "falcon": Family(
        _falcon,
        Layout(FALCON_HUB, ("transformer.", ""), qkv="grouped"),
        Layout(
            {**fused(GGUF), "ffn_norm_alone": "blk.{i}.attn_norm", "attn_norm_alone": "blk.{i}.attn_norm_2"}
        ),
    ),
    "gpt_neox": Family(_neox, Layout(NEOX_HUB, ("gpt_neox.", ""), qkv="grouped"), _FUSED_GGUF),
    "gpt2": Family(_gpt2, Layout(GPT2_HUB, ("transformer.", ""), transposed=True), _FUSED_GGUF),
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
            f"the architecture {family!r:.60} has no row here",
            hint="supported: " + ", ".join(sorted(FAMILIES)),
        )
    heads = config.whole("num_attention_heads", "n_head")
    sizes = {
        "layers": config.layers,
        "hidden": config.hidden,
        "heads": heads,
        "kv_heads": config.kv_heads(heads),
        "head_dim": config.whole("head_dim", default=config.hidden // max(heads, 1)),
        "vocab": config.whole("vocab_size"),
        "ffn": config.whole("intermediate_size", "n_inner", "ffn_hidden_size", default=4 * config.hidden),
        "context": min(config.context, MAX_CONTEXT),
    }
    if sizes["vocab"] > 1 << 21 or sizes["layers"] > 1_000:
        raise ModelFileError(f"the model file gives absurd sizes: {sizes}"[:200], hint="fetch it again")
    return DecoderSpec(family=family, **{**sizes, **FAMILIES[family].fields(config)})
