"""GGUF metadata in the words of config.json. Every key of the architecture is used, known to be harmless,
or refused.

What the keys mean: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and llama.cpp's
``llama_model::load_hparams``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import UnsupportedModel
from .config import Config, unused
from .tensors import Tensor

# general.architecture → model_type. "llama" also holds Mistral and Mixtral, told apart by what they have.
_ARCHITECTURES = {
    "llama": "llama",
    "falcon": "falcon",
    "gptneox": "gpt_neox",
    "gpt2": "gpt2",
    "smollm3": "smollm3",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen3moe": "qwen3_moe",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "phi3": "phi3",
    "olmo2": "olmo2",
}
_KEYS = {
    "num_hidden_layers": "block_count",
    "hidden_size": "embedding_length",
    "intermediate_size": "feed_forward_length",
    "num_attention_heads": "attention.head_count",
    "num_key_value_heads": "attention.head_count_kv",
    "num_kv_heads": "attention.head_count_kv",
    "head_dim": "attention.key_length",
    "max_position_embeddings": "context_length",
    "rope_theta": "rope.freq_base",
    "rope_local_base_freq": "rope.freq_base_swa",
    "rotary_dim": "rope.dimension_count",
    "rms_norm_eps": "attention.layer_norm_rms_epsilon",
    "layer_norm_eps": "attention.layer_norm_epsilon",
    "layer_norm_epsilon": "attention.layer_norm_epsilon",
    "sliding_window": "attention.sliding_window",
    "num_local_experts": "expert_count",
    "num_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
    "moe_intermediate_size": "expert_feed_forward_length",
    "attn_logit_softcapping": "attn_logit_softcapping",
    "final_logit_softcapping": "final_logit_softcapping",
    "use_parallel_residual": "use_parallel_residual",
    "rotary_emb_base": "rope.freq_base",
    "original_max_position_embeddings": "rope.scaling.original_context_length",
}
# Keys that change nothing of what a decoder computes.
_HARMLESS = {"vocab_size", "tensor_data_layout", "rope.scaling.finetuned", "pooling_type"}
# Keys that change nothing when they have one of these values.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "attention.causal": (True,),
    "attention.clamp_kqv": (0,),
    "attention.max_alibi_bias": (0,),
    "attention.scale": (0,),
    "embedding_scale": (0, 1),
    "expert_gating_func": (0, 1),
    "expert_group_count": (0, 1),
    "expert_group_used_count": (0, 1),
    "expert_shared_count": (0,),
    "expert_weights_norm": (True,),
    "expert_weights_scale": (0, 1),
    "leading_dense_block_count": (0,),
    "logit_scale": (0, 1),
    "nextn_predict_layers": (0,),
    "residual_scale": (0, 1),
    "rope.scaling.attn_factor": (1,),
    "rope.scaling.yarn_ext_factor": (-1, 1),
    "rope.scaling.yarn_attn_factor": (1,),
    "rope.scaling.yarn_log_multiplier": (0,),
}


class _Keys:
    """The keys of one architecture; notes which were asked for."""

    def __init__(self, metadata: Mapping[str, Any], arch: str) -> None:
        self._metadata, self._arch = metadata, arch
        self._read: set[str] = set()

    def get(self, key: str) -> Any:
        """A value, or None. Of an array with a value a layer, that value where all have the same.

        Raises:
            UnsupportedModel: the layers differ.
        """
        self._read.add(key)
        value = self._metadata.get(f"{self._arch}.{key}")
        if isinstance(value, list) and value:
            if any(each != value[0] for each in value):
                raise UnsupportedModel(
                    f"{self._arch}.{key} differs by layer, which is not supported yet",
                    hint="choose another model",
                )
            return value[0]
        return value

    def check_unread(self, ignore: frozenset[str]) -> None:
        """Refuse a key that was never asked for, unless it is known to change nothing."""
        start = f"{self._arch}."
        for name, value in self._metadata.items():
            key = name.removeprefix(start)
            if not name.startswith(start) or key in self._read or key in _HARMLESS or name in ignore:
                continue
            if not isinstance(value, list) and value in _NEUTRAL.get(key, ()):
                continue
            raise unused("the GGUF file", name, value)


def config_from_gguf(
    metadata: Mapping[str, Any], vocab: int, tensors: Mapping[str, Tensor], *, ignore: Iterable[str] = ()
) -> Config:
    """GGUF metadata in the words of config.json; what llama.cpp knows by heart is filled in.

    Args:
        ignore: keys that the user lets pass unused.

    Raises:
        UnsupportedModel: the architecture has no row in families.py, or a key is not known.
        ModelFileError: a value is missing or absurd.
    """
    kind, arch = metadata.get("general.type", "model"), metadata.get("general.architecture")
    if kind != "model":
        raise UnsupportedModel(
            f"the GGUF file holds no model but {kind!r:.40}", hint="choose the model's own file"
        )
    if arch not in _ARCHITECTURES:
        raise UnsupportedModel(
            f"the architecture {arch!r:.60} is not supported in GGUF yet",
            hint="supported: " + ", ".join(_ARCHITECTURES),
        )
    keys, ignored = _Keys(metadata, arch), frozenset(ignore)
    raw = {ours: keys.get(theirs) for ours, theirs in _KEYS.items()}
    raw = {ours: value for ours, value in raw.items() if value is not None}
    written = {ours: f"{arch}.{_KEYS[ours]}" for ours in raw}
    family = _ARCHITECTURES[arch]
    if family == "llama" and raw.get("num_local_experts"):
        family = "mixtral"
    elif family == "llama" and raw.get("sliding_window"):
        family = "mistral"
    raw |= {"model_type": family, "vocab_size": vocab, "norm_topk_prob": True, "use_sliding_window": False}
    raw |= _rope(keys, tensors, raw)
    value_dim, key_dim = keys.get("attention.value_length"), raw.get("head_dim")
    if value_dim is not None and key_dim is not None and value_dim != key_dim:
        raise UnsupportedModel(
            f"values of {value_dim!r:.20} dimensions beside keys of {key_dim!r:.20} are not supported yet",
            hint="choose another model",
        )
    heads, hidden, layers = (
        raw.get(key) for key in ("num_attention_heads", "hidden_size", "num_hidden_layers")
    )
    if family in ("gemma2", "gemma3_text") and isinstance(heads, int) and isinstance(hidden, int) and heads:
        large = layers == (46 if family == "gemma2" else 62)  # the 27B models scale by hidden / heads
        raw["query_pre_attn_scalar"] = hidden // heads if large else raw.get("head_dim", 256)
    if family == "falcon":
        raw |= {
            "new_decoder_architecture": "blk.0.attn_norm_2.weight" in tensors,
            "alibi": False,
            "multi_query": raw.get("num_key_value_heads") == 1,
            "parallel_attn": True,
        }
    if family in ("gpt2", "gemma", "gemma2", "gemma3_text"):
        raw["hidden_activation"] = "gelu_new"
    keys.check_unread(ignored)
    return Config(raw, gguf=written, ignore=ignored)


def _rope(keys: _Keys, tensors: Mapping[str, Tensor], raw: Mapping[str, Any]) -> dict[str, Any]:
    """How frequencies are stretched. A factor with no type is linear, in either of its two spellings."""
    kind, factor = keys.get("rope.scaling.type"), keys.get("rope.scaling.factor")
    old = keys.get("rope.scale_linear")
    factor = factor if factor else old
    if "rope_factors_short.weight" in tensors and raw.get("original_max_position_embeddings"):
        return {
            "rope_scaling": {
                "rope_type": "longrope",
                "short_factor": tensors["rope_factors_short.weight"].dequantize().tolist(),
                "attention_factor": keys.get("rope.scaling.attn_factor") or 1.0,
            }
        }
    if kind is None and factor and factor != 1:
        kind = "linear"
    if kind in (None, "none") or (kind == "linear" and not factor):
        return {}
    scaling = {"rope_type": kind, "factor": factor}
    if kind == "yarn":  # llama.cpp's ggml_rope_yarn multiplies what it computes by attn_factor
        attention = keys.get("rope.scaling.attn_factor")
        if isinstance(attention, float) and isinstance(factor, (int, float)) and factor > 0:
            scaling["attention_factor"] = attention * (0.1 * math.log(max(factor, 1)) + 1)
        for ours, theirs in {"beta_fast": "yarn_beta_fast", "beta_slow": "yarn_beta_slow"}.items():
            scaling[ours] = keys.get(f"rope.scaling.{theirs}")
    return {"rope_scaling": scaling}
