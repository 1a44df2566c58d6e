"""One row a model family: what its configuration means, and where its weights lie.

Adding a family is adding a row.

A row reads config.json as the Hub has it; GGUF metadata is first put into the same words (see config.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..clean import line
from ..errors import ModelFileError, UnsupportedModel
from ..formats.config import Config
from ..formats.rope import Rope, rope_by_layer, rope_of
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


def _rope(c: Config, **names: tuple[str, ...]) -> Fields:
    """Fields of the rotary embedding; ``names`` as :func:`rope_of` takes them."""
    rope = rope_of(c, **names)
    return {"rope_theta": rope.theta, "rope_scaling": rope.scaling, **_turned(c, rope), **_ends(c, rope)}


def _turned(c: Config, rope: Rope) -> Fields:
    """Read how many dimensions of a head are rotated. GGUF files give the number, config.json the part."""
    head_dim = c.head_dim()
    if not head_dim:
        raise c.bad("head_dim", head_dim)
    dim = c.whole("rotary_dim", default=0) or int(head_dim * rope.partial)
    if dim == head_dim:
        return {}
    if not c.rotates_part:
        raise UnsupportedModel(
            f"partial_rotary_factor = {dim / head_dim:g} is not supported for {line(c.family)}",
            hint="choose another model",
        )
    return {"rotary_dim": dim}


def _ends(c: Config, *ropes: Rope) -> Fields:
    """The context, cut where other frequencies would be taken for the whole text beyond it."""
    limits = [rope.context for rope in ropes if rope.context]
    return {"context": min(c.context, MAX_CONTEXT, *limits)} if limits else {}


def _rms(c: Config, eps: float = 1e-6) -> Fields:
    return {"norm": "rms", "norm_eps": c.number("rms_norm_eps", default=eps)}


def _llama(c: Config, eps: float = 1e-6) -> Fields:
    return {**_rms(c, eps), **_rope(c), "activation": c.activation("silu"), **_biases(c)}


def _biases(c: Config, attention: str = "attention_bias", mlp: str = "mlp_bias") -> Fields:
    """Read which products have biases, in the families that have a field for it."""
    return {
        name: c.policy(key)
        for name, key in (("attention_bias", attention), ("mlp_bias", mlp))
        if c.knows(key)
    }


def _mistral(c: Config) -> Fields:
    return {**_llama(c), "window": c.whole("sliding_window", default=0)}


def _mixtral(c: Config) -> Fields:
    return {
        **_llama(c, 1e-5),
        "window": c.whole("sliding_window", default=0),
        "experts": c.whole("num_local_experts", "num_experts", default=8),
        "experts_used": c.whole("num_experts_per_tok", default=2),
        "expert_ffn": c.whole("intermediate_size"),
    }


def _window_in_use(c: Config) -> int:
    """Read the sliding window of the families that can switch it off."""
    window = c.whole("sliding_window", default=0)
    return window if c.flag("use_sliding_window") else 0


def _qwen2(c: Config) -> Fields:
    fields = _llama(c)
    window, first = _window_in_use(c), c.whole("max_window_layers", default=28)
    layers = c.kinds("sliding_attention", lambda i: bool(window) and i >= first)
    if layers and not window:
        raise UnsupportedModel(
            "layer_types has sliding layers, and there is no sliding_window for them",
            hint="choose another model",
        )
    return {**fields, "window": window if layers else 0, "sliding": layers}


def _qwen3(c: Config) -> Fields:
    return {**_qwen2(c), "qk_norm": "head", "head_dim": c.head_dim(128)}


def _qwen3_moe(c: Config) -> Fields:
    c.value("max_window_layers")  # transformers has no such field for this family
    return {
        **_llama(c),
        "window": _window_in_use(c),
        "qk_norm": "head",
        "head_dim": c.head_dim(),
        "experts": c.whole("num_experts", "num_local_experts", default=128),
        "experts_used": c.whole("num_experts_per_tok", default=8),
        "expert_ffn": c.whole("moe_intermediate_size", default=768),
        "normalize_experts": c.flag("norm_topk_prob"),
    }


def _smollm3(c: Config) -> Fields:
    step = c.whole("no_rope_layer_interval", default=4)
    given = c.value("no_rope_layers")  # one a layer: 1 where there is rope, whatever the name says
    if given is not None and (not isinstance(given, list) or len(given) < c.layers):
        raise c.bad("no_rope_layers", given)
    bare = [i for i in range(c.layers) if (not given[i] if given else step and (i + 1) % step == 0)]
    window = _window_in_use(c)
    layers = c.kinds("sliding_attention", lambda i: bool(window) and i in bare)
    c.value("max_window_layers")  # transformers has no such field for this family
    return {**_llama(c), "no_rope": tuple(bare), "window": window if layers else 0, "sliding": layers}


def _olmo2(c: Config) -> Fields:
    return {**_llama(c, 1e-5), "block": "post", "qk_norm": "full"}


def _gemma(c: Config) -> Fields:
    name = c.activation("gelu_pytorch_tanh", "hidden_activation", "hidden_act")
    return {
        **_embedded(c),
        **_rope(c),
        # "gelu" in old files of Gemma 1 was never true: transformers takes the tanh form for all of them.
        "activation": "gelu_tanh" if name == "gelu" else name,
    }


def _embedded(c: Config) -> Fields:
    """What all Gemmas have."""
    return {**_rms(c), "embed_scale": c.hidden**0.5, "head_dim": c.head_dim(256), **_biases(c)}


def _gemma2(c: Config) -> Fields:
    return {
        **_sandwich(c),
        **_rope(c),
        "softcap": c.number("attn_logit_softcapping", default=0.0, absent=50.0),
        "final_softcap": c.number("final_logit_softcapping", default=0.0, absent=30.0),
        "sliding": c.kinds("sliding_attention", lambda i: i % 2 == 0),
    }


def _sandwich(c: Config) -> Fields:
    """What Gemma 2 and 3 share."""
    c.value("hidden_act")  # stands in files of both, and transformers reads hidden_activation
    window = c.whole("sliding_window", default=4096)
    if c.value("sliding_window_size", default=window) != window:  # Gemma 2's files have it twice
        raise c.bad("sliding_window_size", c.value("sliding_window_size"))
    return {
        **_embedded(c),
        "activation": c.activation("gelu_pytorch_tanh", "hidden_activation"),
        "block": "sandwich",
        "scale": c.number("query_pre_attn_scalar", default=256.0, least=1e-6) ** -0.5,
        "window": window,
    }


def _gemma3(c: Config) -> Fields:
    step = c.whole("sliding_window_pattern", "_sliding_window_pattern", default=6) or 6
    full, local = rope_by_layer(c)
    return {
        **_sandwich(c),
        "qk_norm": "head",
        "softcap": c.number("attn_logit_softcapping", default=0.0),
        "final_softcap": c.number("final_logit_softcapping", default=0.0),
        "rope_theta": full.theta,
        "rope_scaling": full.scaling,
        "local_theta": local.theta,
        "local_scaling": local.scaling,
        **_turned(c, full),
        **_turned(c, local),
        **_ends(c, full, local),
        "sliding": c.kinds("sliding_attention", lambda i: (i + 1) % step != 0),
    }


def _phi3(c: Config) -> Fields:
    return {
        **_rms(c, 1e-5),
        **_rope(c),
        "activation": c.activation("silu"),
        "window": c.whole("sliding_window", default=0),
    }


def _falcon(c: Config) -> Fields:
    parallel = c.flag("new_decoder_architecture") or c.flag("parallel_attn", default=True)
    c.whole("num_ln_in_parallel_attn", default=0)  # one norm or two: the tensors say it too
    return {
        "norm": "layer",
        "norm_eps": c.number("layer_norm_epsilon", default=1e-5),
        **_rope(c),
        "gated": False,
        "positions": "alibi" if c.flag("alibi") else "rope",
        "block": "parallel" if parallel else "pre",
        "activation": c.activation("gelu"),
        **_biases(c, "bias", "bias"),
    }


def _neox(c: Config) -> Fields:
    return {
        "norm": "layer",
        "norm_eps": c.number("layer_norm_eps", default=1e-5),
        "gated": False,
        **_rope(c, theta=("rotary_emb_base", "rope_theta"), partial=("rotary_pct", "partial_rotary_factor")),
        "block": "parallel" if c.flag("use_parallel_residual", default=True) else "pre",
        "activation": c.activation("gelu"),
        **_biases(c),
    }


def _gpt2(c: Config) -> Fields:
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
        "head_dim": config.head_dim(),
        "vocab": config.whole("vocab_size"),
        "ffn": config.whole("intermediate_size", "n_inner", "ffn_hidden_size", default=4 * config.hidden),
        "context": min(config.context, MAX_CONTEXT),
    }
    if sizes["vocab"] > 1 << 21 or sizes["layers"] > 1_000:
        raise ModelFileError(
            f"the model file gives absurd sizes: {sizes}"[:200], hint="choose another copy of the model"
        )
    fields = {**sizes, "tied": config.policy("tie_word_embeddings"), **FAMILIES[family].fields(config)}
    config.check_unread()
    return DecoderSpec(family=family, **fields)
