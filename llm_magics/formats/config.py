"""config.json, read with care; and GGUF metadata put into the words of config.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..core.bounded import json_object
from ..errors import ModelFileError, UnsupportedModel
from .tensors import Tensor

MAX_BYTES = 4 << 20
MOST = 1 << 31  # of anything that is counted
LARGEST = float(2**127)  # what fp32, in which the graphs count, still holds
_NEVER = object()


class Config:
    """The configuration of a model: values by name, each checked when read."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        inner = raw.get("text_config")  # a model that also sees: its text part
        self.raw: Mapping[str, Any] = {**raw, **inner} if isinstance(inner, dict) else raw
        family = self.raw.get("model_type")
        if not isinstance(family, str):
            raise ModelFileError(
                f"config.json names no model_type: {family!r:.60}", hint="fetch the model again"
            )
        self.family = family
        self.layers = self.whole("num_hidden_layers", "n_layer")
        self.hidden = self.whole("hidden_size", "n_embd")
        self.context = self.whole("max_position_embeddings", "n_positions", default=2048)
        if not 1 <= self.layers <= 1_000:
            raise self._bad("num_hidden_layers", self.layers)
        if not self.hidden or not self.context:
            raise self._bad("hidden_size or max_position_embeddings", 0)

    @classmethod
    def read(cls, path: Path) -> Config:
        """Read a config.json.

        Raises:
            ModelFileError: it is missing or damaged.
        """
        return cls(read_table(path))

    def _bad(self, key: str, value: object) -> ModelFileError:
        return ModelFileError(
            f"the configuration gives {key} = {value!r:.60}", hint="the file is damaged: fetch it again"
        )

    def whole(self, *keys: str, default: int | None = None) -> int:
        """A whole number from 0 to MOST; the first key that is there counts, null is as good as missing."""
        for key in keys:
            value = self.raw.get(key)
            if value is not None:
                if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST:
                    raise self._bad(key, value)
                return value
        if default is None:
            raise ModelFileError(f"the configuration lacks {keys[0]}", hint="fetch the model again")
        return default

    def number(self, *keys: str, default: float, absent: float | None = None, least: float = 0.0) -> float:
        """A number from ``least`` to LARGEST; ``default`` for null, ``absent`` (or default) where the key is
        missing.
        """
        for key in keys:
            value = self.raw.get(key, _NEVER)
            if value is None:
                return default
            if value is not _NEVER:
                if (
                    isinstance(value, bool)
                    or not isinstance(value, (int, float))
                    or not least <= value <= LARGEST
                ):
                    raise self._bad(key, value)
                return float(value)
        return default if absent is None else absent

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self.raw.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._bad(key, value)
        return default if value is None else value

    def table(self, key: str) -> dict[str, Any] | None:
        value = self.raw.get(key)
        if value is not None and not isinstance(value, dict):
            raise self._bad(key, value)
        return value

    def activation(self, default: str) -> str:
        """The MLP's activation in our names."""
        ours = {
            "silu": "silu",
            "swish": "silu",
            "gelu": "gelu",
            "gelu_new": "gelu_tanh",
            "gelu_fast": "gelu_tanh",
            "gelu_pytorch_tanh": "gelu_tanh",
            "relu": "relu",
        }
        keys = ("hidden_activation", "hidden_act", "activation", "activation_function")
        name = next((self.raw[key] for key in keys if self.raw.get(key)), default)
        if not isinstance(name, str) or name not in ours:
            raise UnsupportedModel(
                f"the activation {name!r:.40} is not supported yet", hint="choose another model"
            )
        return ours[name]

    def kinds(self, kind: str, otherwise: Callable[[int], bool]) -> tuple[int, ...]:
        """The layers of that kind, by ``layer_types`` where the file has it."""
        given = self.raw.get("layer_types")
        if given is None:
            return tuple(i for i in range(self.layers) if otherwise(i))
        if not isinstance(given, list) or len(given) < self.layers:
            raise self._bad("layer_types", given)
        return tuple(i for i in range(self.layers) if given[i] == kind)

    def rotary_dim(self, key: str, default: float) -> int:
        share = self.number(key, default=default)
        head_dim = self.whole(
            "head_dim", default=self.hidden // max(self.whole("num_attention_heads", default=1), 1)
        )
        return self.whole("rotary_dim", default=0) or int(head_dim * share)

    def kv_heads(self, heads: int) -> int:
        """Falcon tells it in its own way: one for all, or as many as it says in the new architecture only."""
        if self.family != "falcon":
            return self.whole("num_key_value_heads", default=heads)
        if self.flag("new_decoder_architecture"):
            return self.whole("num_kv_heads", default=heads)
        return 1 if self.flag("multi_query", default=True) else heads


def read_table(path: Path) -> dict[str, Any]:
    """A JSON object from a file of bounded size.

    Raises:
        ModelFileError: it is missing or damaged.
    """
    try:
        return json_object(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}", hint="fetch the model again") from error


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
    "head_dim": "attention.key_length",
    "max_position_embeddings": "context_length",
    "rope_theta": "rope.freq_base",
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
_SCALING = {
    "factor": "factor",
    "original_max_position_embeddings": "original_context_length",
    "attention_factor": "attn_factor",
}


def config_from_gguf(metadata: Mapping[str, Any], vocab: int, tensors: Mapping[str, Tensor]) -> Config:
    """GGUF metadata in the words of config.json; what llama.cpp knows by heart is filled in.

    Raises:
        UnsupportedModel: the architecture has no row in families.py. ModelFileError: a value is missing or
            absurd.
    """
    arch = metadata.get("general.architecture")
    if arch not in _ARCHITECTURES:
        raise UnsupportedModel(
            f"the architecture {arch!r:.60} is not supported in GGUF yet",
            hint="supported: " + ", ".join(_ARCHITECTURES),
        )

    def has(key: str) -> Any:
        return metadata.get(f"{arch}.{key}")

    raw = {ours: has(theirs) for ours, theirs in _KEYS.items() if has(theirs) is not None}
    family = _ARCHITECTURES[arch]
    if family == "llama" and raw.get("num_local_experts"):
        family = "mixtral"
    elif family == "llama" and raw.get("sliding_window"):
        family = "mistral"
    raw |= {"model_type": family, "vocab_size": vocab, "norm_topk_prob": True, "use_sliding_window": False}
    kind = has("rope.scaling.type")
    if kind not in (None, "none"):
        scaling = {ours: has(f"rope.scaling.{theirs}") for ours, theirs in _SCALING.items()}
        raw["rope_scaling"] = {
            "rope_type": kind,
            **{key: value for key, value in scaling.items() if value is not None},
        }
    if "rope_factors_short.weight" in tensors and raw.get("original_max_position_embeddings"):
        short = tensors["rope_factors_short.weight"].dequantize().tolist()
        attention = {"attention_factor": has("rope.scaling.attn_factor") or 1.0}
        raw["rope_scaling"] = {"rope_type": "longrope", "short_factor": short, **attention}
    heads, hidden, layers = (
        raw.get(key) for key in ("num_attention_heads", "hidden_size", "num_hidden_layers")
    )
    if family in ("gemma2", "gemma3_text") and isinstance(heads, int) and isinstance(hidden, int) and heads:
        large = layers == (46 if family == "gemma2" else 62)  # the 27B models scale by hidden / heads
        raw["query_pre_attn_scalar"] = hidden // heads if large else raw.get("head_dim", 256)
    if family == "falcon":
        wide = "blk.0.attn_norm_2.weight" in tensors
        raw |= {
            "new_decoder_architecture": wide,
            "num_kv_heads": raw.get("num_key_value_heads"),
            "alibi": False,
            "multi_query": raw.get("num_key_value_heads") == 1,
            "parallel_attn": True,
        }
    if family in ("gpt2", "gemma", "gemma2", "gemma3_text"):
        raw["hidden_activation"] = "gelu_new"
    return Config(raw)
