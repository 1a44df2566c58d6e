"""GGUF metadata in the words of config.json.

Every key of the architecture is used, known to be harmless, or refused.

What the keys mean: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and llama.cpp's
``llama_model::load_hparams``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import CHOOSE_COPY, CHOOSE_MODEL, ModelFileError, UnsupportedModel
from .config import Config, unused
from .tensors import Tensor

# general.architecture → model_type. "llama" also holds Mistral and Mixtral, and "olmo2" OLMo 3, told apart by
# what they have.
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
    "gemma4": "gemma4_text",
    "phi3": "phi3",
    "olmo2": "olmo2",
    "mistral3": "ministral3",
    "granite": "granite",
    "lfm2": "lfm2",
    "lfm2moe": "lfm2_moe",
    "gpt-oss": "gpt_oss",
    "qwen35": "qwen3_5_text",
    "qwen35moe": "qwen3_5_moe_text",
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
    "conv_L_cache": "shortconv.l_cache",
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
_GEMMA4_BY_LAYER = ("attention.head_count_kv", "feed_forward_length")


class _Keys:
    """The keys of one architecture; notes which were asked for."""

    def __init__(self, metadata: Mapping[str, Any], arch: str) -> None:
        self._metadata, self._arch = metadata, arch
        self.arch = arch
        self._read: set[str] = set()

    def get(self, key: str) -> Any:
        """Return a value, or None. Of an array with a value a layer, that value where all have the same.

        Raises:
            UnsupportedModel: the layers differ.
        """
        self._read.add(key)
        value = self._metadata.get(f"{self._arch}.{key}")
        if key == "attention.head_count_kv" and self._arch in ("lfm2", "lfm2moe") and isinstance(value, list):
            value = [item for item in value if item]  # a layer with a convolution has none
        if self._arch == "gemma4" and key in _GEMMA4_BY_LAYER and isinstance(value, list):
            return value[0] if value else None  # _gemma4 reads the others
        if isinstance(value, list) and value:
            if any(item != value[0] for item in value):
                raise UnsupportedModel(
                    f"{self._arch}.{key} differs between layers, which is not supported yet",
                    hint=CHOOSE_MODEL,
                )
            return value[0]
        return value

    def raw(self, key: str) -> Any:
        """Return a value as the file has it."""
        self._read.add(key)
        return self._metadata.get(f"{self._arch}.{key}")

    def get_array(self, key: str) -> list[Any] | None:
        """Return an array with a value a layer, or None where the file has none.

        Raises:
            ModelFileError: the value is no array.
        """
        self._read.add(key)
        value = self._metadata.get(f"{self._arch}.{key}")
        if value is not None and not isinstance(value, list):
            raise ModelFileError(f"the GGUF file has {self._arch}.{key} = {value!r:.60}", hint=CHOOSE_COPY)
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
    """Return GGUF metadata in the words of config.json; what llama.cpp knows by heart is filled in.

    Args:
        metadata: the metadata of the file.
        vocab: the number of tokens.
        tensors: the tensors by name.
        ignore: keys that the user lets pass unused.

    Raises:
        UnsupportedModel: the architecture has no row in families.py, or a key is not known.
        ModelFileError: a value is missing or absurd.
    """
    kind, arch = metadata.get("general.type", "model"), metadata.get("general.architecture")
    if kind != "model":
        raise UnsupportedModel(
            f"the GGUF file has no model, but {kind!r:.40}", hint="Choose the model's own file."
        )
    if arch not in _ARCHITECTURES:
        raise UnsupportedModel(
            f"the architecture {arch!r:.60} is not supported in GGUF yet",
            hint="Choose one of " + ", ".join(_ARCHITECTURES) + ".",
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
    elif family == "olmo2" and raw.get("sliding_window"):
        family = "olmo3"
        raw |= _sliding_layers(keys, raw)
    elif family in ("lfm2", "lfm2_moe"):
        per_layer = keys.get_array("attention.head_count_kv") or []
        raw["layer_types"] = ["full_attention" if item else "conv" for item in per_layer] or None
        if family == "lfm2_moe":
            raw["num_dense_layers"] = keys.get("leading_dense_block_count")
            raw["expert_gating_func"] = keys.get("expert_gating_func")
    elif family == "granite":
        raw |= _granite(keys)
    elif family in ("qwen3_5_text", "qwen3_5_moe_text"):
        raw |= _qwen35(keys, raw)
    elif family == "gemma4_text":
        raw |= _gemma4(keys, raw, tensors)
    raw |= {"model_type": family, "vocab_size": vocab, "norm_topk_prob": True, "use_sliding_window": False}
    raw |= _rope(keys, tensors, raw)
    value_dim, key_dim = keys.get("attention.value_length"), keys.get("attention.key_length")
    if value_dim is not None and key_dim is not None and value_dim != key_dim:
        raise UnsupportedModel(
            f"values of {value_dim!r:.20} dimensions with keys of {key_dim!r:.20} are not supported yet",
            hint=CHOOSE_MODEL,
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


def _sliding_layers(keys: _Keys, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the kinds of the layers, where the file has a flag for each; true is a sliding layer."""
    flags = keys.get_array("attention.sliding_window_pattern")
    if flags is None:
        return {}
    names = {True: "sliding_attention", False: "full_attention"}
    return {"layer_types": [names.get(flag, flag) if isinstance(flag, bool) else flag for flag in flags]}


def _qwen35(keys: _Keys, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sizes of linear attention; the last layers of the file guess tokens, and are left out."""
    names = {
        "full_attention_interval": "full_attention_interval",
        "linear_conv_kernel_dim": "ssm.conv_kernel",
        "linear_key_head_dim": "ssm.state_size",
        "linear_num_key_heads": "ssm.group_count",
        "linear_num_value_heads": "ssm.time_step_rank",
    }
    fields = {ours: keys.get(theirs) for ours, theirs in names.items()}
    heads, inner = fields["linear_num_value_heads"], keys.get("ssm.inner_size")
    if not (isinstance(heads, int) and isinstance(inner, int) and heads > 0 and inner % heads == 0):
        raise ModelFileError(
            f"the GGUF file has {inner!r:.40} values for {heads!r:.40} heads", hint=CHOOSE_COPY
        )
    fields["linear_value_head_dim"] = inner // heads
    if width := keys.get("expert_shared_feed_forward_length"):
        fields["shared_expert_intermediate_size"] = width
    keys.get_array("rope.dimension_sections")  # of pictures: all sections of a text have one place
    guessing, layers = keys.get("nextn_predict_layers") or 0, raw.get("num_hidden_layers")
    if guessing and isinstance(layers, int) and isinstance(guessing, int):
        fields["num_hidden_layers"] = layers - guessing
    return {name: value for name, value in fields.items() if value is not None}


def _gemma4(keys: _Keys, raw: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the sizes of full and of sliding layers, which differ, and what the last layers share."""
    fields = _sliding_layers(keys, raw)
    kinds, layers = fields.get("layer_types") or [], raw.get("num_hidden_layers")
    full = [i for i, kind in enumerate(kinds) if kind == "full_attention"]
    if not full or len(kinds) != layers:
        raise ModelFileError("the GGUF file does not say which layers slide", hint=CHOOSE_COPY)
    shared = keys.get("attention.shared_kv_layers") or 0
    for name, ours in (("key", "head_dim"), ("value", "")):
        size = keys.get(f"attention.{name}_length_swa")
        if ours and size is not None:
            fields[ours] = size
        elif size is not None and size != fields.get("head_dim"):
            raise ModelFileError(f"the GGUF file has values of {size!r:.20} dimensions", hint=CHOOSE_COPY)
    fields |= {
        "global_head_dim": raw.get("head_dim"),
        "num_kv_shared_layers": shared,
        "hidden_size_per_layer_input": keys.get("embedding_length_per_layer_input") or 0,
        "attention_k_eq_v": f"blk.{full[0]}.attn_v.weight" not in tensors,
    }
    sizes = {}
    for key in _GEMMA4_BY_LAYER:
        value = keys.raw(key)
        sizes[key] = value if isinstance(value, list) else [value] * len(kinds)
        if len(sizes[key]) != len(kinds):
            raise ModelFileError(f"the GGUF file has {len(sizes[key])} values of {key}", hint=CHOOSE_COPY)
    heads, widths = sizes.values()
    slides = [i for i in range(len(kinds)) if i not in full]
    fields["num_key_value_heads"] = heads[slides[0] if slides else 0]
    fields["num_global_key_value_heads"] = heads[full[0]]
    fields["intermediate_size"] = widths[0]
    fields["use_double_wide_mlp"] = widths[-1] == 2 * widths[0] and shared > 0
    own = len(kinds) - shared
    for i, kind in enumerate(kinds):
        name = "num_global_key_value_heads" if kind == "full_attention" else "num_key_value_heads"
        wide = 2 if fields["use_double_wide_mlp"] and i >= own else 1
        if heads[i] != fields[name] or widths[i] != wide * widths[0]:
            raise UnsupportedModel(
                f"the sizes of layer {i} differ in a way that is not supported yet", hint=CHOOSE_MODEL
            )
    for key, size in (("rope.dimension_count", raw.get("head_dim")), ("rope.dimension_count_swa", None)):
        rotated = keys.get(key)
        if rotated not in (None, size or fields.get("head_dim")):
            raise UnsupportedModel(f"{key} = {rotated!r:.20} is not supported yet", hint=CHOOSE_MODEL)
    fields["rotary_dim"] = None
    return fields


def _granite(keys: _Keys) -> dict[str, Any]:
    """Return the multipliers, and whether there is a rotary embedding: llama.cpp has that in another key."""
    fields = {
        "embedding_multiplier": keys.get("embedding_scale"),
        "residual_multiplier": keys.get("residual_scale"),
        "attention_multiplier": keys.get("attention.scale"),
        "logits_scaling": keys.get("logit_scale"),
        "position_embedding_type": "nope" if keys.get("rope.scaling.finetuned") is False else "rope",
    }
    return {name: value for name, value in fields.items() if value}


def _rope(keys: _Keys, tensors: Mapping[str, Tensor], raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return how frequencies are stretched.

    A factor with no type is linear, in either of its two spellings.
    """
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
    if keys.arch == "gpt-oss":  # the configuration of its maker says so, and the file has no key for it
        scaling["truncate"] = False
    if kind == "yarn":  # llama.cpp's ggml_rope_yarn multiplies what it computes by attn_factor
        attention = keys.get("rope.scaling.attn_factor")
        if isinstance(attention, float) and isinstance(factor, (int, float)) and factor > 0:
            scaling["attention_factor"] = attention * (0.1 * math.log(max(factor, 1)) + 1)
        shared = keys.get("rope.scaling.yarn_log_multiplier")
        if shared:  # llama.cpp takes 1 for the other of the two
            scaling |= {"mscale": 1.0, "mscale_all_dim": shared}
        beta = keys.get("attention.temperature_scale")
        if beta:
            scaling["llama_4_scaling_beta"] = beta
        for ours, theirs in {"beta_fast": "yarn_beta_fast", "beta_slow": "yarn_beta_slow"}.items():
            scaling[ours] = keys.get(f"rope.scaling.{theirs}")
    return {"rope_scaling": scaling}
