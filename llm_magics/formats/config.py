"""config.json: values by name, each checked when it is read, and none passed over in silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import validation
from ..core.files import json_object
from ..errors import (
    CHOOSE_COPY,
    CHOOSE_MODEL,
    REDOWNLOAD,
    ModelFileError,
    UnsupportedModel,
)
from ..sanitize import single_line

if TYPE_CHECKING:
    from .quantized import Quantization

MAX_BYTES = 4 << 20
MOST = 1 << 31  # of anything that is counted
LARGEST = float(2**127)  # what fp32, in which the graphs count, still holds
_MISSING = object()

# Fields that change nothing of what a decoder computes when it answers: training, files, the Hub, and how
# other programs run the model. Fields of PretrainedConfig, which no decoder reads, come from
# config_defaults.json.
_HARMLESS = frozenset(
    {
        "_attn_implementation",
        "_attn_implementation_autoset",
        "_attn_implementation_internal",
        "_commit_hash",
        "_experts_implementation",
        "_experts_implementation_internal",
        "_flash_attn_2_enabled",
        "_name_or_path",
        "_num_labels",
        "attn_implementation",
        "auto_map",
        "axolotl_config",
        "cache_implementation",
        "custom_pipelines",
        "finetuning_task",
        "gradient_checkpointing",
        "init_method",
        "initializer_factor",
        "is_llama_config",
        "license",
        "loss_type",
        "max_length",
        "max_sequence_length",
        "model_max_length",
        "model_name",
        "model_type",
        "n_ctx",
        "name_or_path",
        "neftune_noise_alpha",
        "num_labels",
        "output_router_logits",
        "pad_token",
        "pretraining_tp",
        "reorder_and_upcast_attn",
        "router_aux_loss_coef",
        "router_jitter_noise",
        "tokenizer_class",
        "torch_dtype",
        "transformers.js_config",
        "unsloth_fixed",
        "unsloth_version",
        "use_cache",
        "use_flash_attention",
        "use_flash_attention_2",
        "use_flash_attn",
        "z_loss_coefficient",
    }
)
_QUANTIZATION = ("quantization_config", "compression_config")
_HARMLESS_ENDS = ("dropout", "_pdrop", "_token_id", "_token_index", "_token_ids", "initializer_range")
_HARMLESS_STARTS = ("summary_",)
# Of PretrainedConfig, what would make another computation of it.
_NEUTRAL: dict[str, Any] = {"full_attn_mod": 1, "interpolate_factor": 1}  # Phi-4 mini
_OFF = {
    "is_encoder_decoder": False,
    "add_cross_attention": False,
    "pruned_heads": {},
    "chunk_size_feed_forward": 0,
}


@cache
def class_defaults() -> Mapping[str, Any]:
    """Return what tools/config_defaults.py read from transformers' configuration classes."""
    text = resources.files(__package__).joinpath("config_defaults.json").read_text("utf-8")
    data: Mapping[str, Any] = json.loads(text)
    return data


class Config:
    """The configuration of a decoder.

    A field that the file lacks has the default of transformers' class. Every field that is asked for is
    noted, so that :meth:`check_unread` finds those that nobody asked for.

    Args:
        raw: the JSON object.
        gguf: of what comes from a GGUF file, field → key there. The defaults of transformers' class do not
            stand in for what is missing then, but llama.cpp's.
        ignore: fields that the user lets pass, read or not.

    Raises:
        ModelFileError: a size is missing or absurd.
    """

    def __init__(
        self, raw: Mapping[str, Any], *, gguf: Mapping[str, str] | None = None, ignore: Iterable[str] = ()
    ) -> None:
        self._gguf = gguf
        self.ignore = frozenset(ignore)
        self._fields, self._outer = _text_part(raw)
        family = self._fields.get("model_type")
        if not isinstance(family, str):
            raise ModelFileError(
                f"config.json names no model_type: {family!r:.60}",
                hint="Add the model_type, or choose another copy of the model.",
            )
        self.family = family
        self.quantization = self._read_quantization()
        known = class_defaults()["families"].get(family, {"defaults": {}, "aliases": {}})
        self._defaults: Mapping[str, Any] = known["defaults"] if gguf is None else {}
        self._aliases: Mapping[str, str] = known["aliases"]
        self._read: set[str] = {"model_type"}
        self.layers = self.integer("num_hidden_layers", "n_layer")
        self.hidden = self.integer("hidden_size", "n_embd", "n_embed")
        self.context = self.integer("max_position_embeddings", "n_positions", default=2048)
        if not 1 <= self.layers <= 1_000:
            raise self.bad("num_hidden_layers", self.layers)
        if not self.hidden or not self.context:
            raise self.bad("hidden_size or max_position_embeddings", 0)

    def _read_quantization(self) -> Quantization | None:
        stated = {**self._outer, **self._fields}
        named = (stated.get(key) for key in _QUANTIZATION if key not in self.ignore)
        table = next(filter(None, named), None)
        if table is None:
            return None
        from .quantized import read_quantization  # at no cost for what is not quantized

        return read_quantization(table)

    @classmethod
    def read(cls, path: Path, *, ignore: Iterable[str] = ()) -> Config:
        """Read a config.json.

        Raises:
            ModelFileError: it is missing or damaged.
        """
        return cls(read_table(path), ignore=ignore)

    def bad(self, key: str, value: object) -> ModelFileError:
        """Return the error for a value that cannot be."""
        return ModelFileError(
            f"config.json has {key} = {value!r:.60}",
            hint="Correct it, or choose another copy of the model.",
        )

    def value(self, *keys: str, default: Any = None) -> Any:
        """Return the first of these fields that the file has, else the class's default, else ``default``.

        A field that is null is as good as absent, but then the class's default does not stand in for it.
        """
        value = self._lookup(keys)
        return default if value is None or value is _MISSING else value

    def _lookup(self, keys: Iterable[str]) -> Any:
        names = [*keys]
        names += [alias for alias, real in self._aliases.items() if real in names or alias in names]
        names += [self._aliases[name] for name in names if name in self._aliases]
        self._read.update(names)
        written = [self._fields[name] for name in dict.fromkeys(names) if name in self._fields]
        if written:
            return next((value for value in written if value is not None), None)
        return next(
            (self._defaults[name] for name in names if self._defaults.get(name) is not None), _MISSING
        )

    def names(self, *starts: str) -> list[str]:
        """Return the fields of the file with names that begin so."""
        return [name for name in self._fields if name.startswith(starts)]

    def is_stated(self, key: str) -> bool:
        """Return whether the file itself has the field, with a value."""
        self._read.add(key)
        return self._fields.get(key) is not None

    def integer(self, *keys: str, default: int | None = None) -> int:
        """Return a whole number from 0 to MOST."""
        value = self.value(*keys)
        if value is None:
            if default is None:
                raise ModelFileError(f"config.json has no {keys[0]}", hint=CHOOSE_COPY)
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MOST:
            raise self.bad(keys[0], value)
        return value

    def number(self, *keys: str, default: float, absent: float | None = None, least: float = 0.0) -> float:
        """Return a number from ``least`` to LARGEST.

        ``default`` for null, ``absent`` (or default) where neither the file nor the class has one.
        """
        value = self._lookup(keys)
        if value is _MISSING:
            return default if absent is None else absent
        if value is None:
            return default
        return self.check_range(keys[0], value, least)

    def check_range(self, key: str, value: object, least: float = 0.0) -> float:
        """Return the value as a number from ``least`` to LARGEST."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= LARGEST:
            raise self.bad(key, value)
        return float(value)

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self.value(key, default=default)
        if not isinstance(value, bool):
            raise self.bad(key, value)
        return value

    def falcon_flag(self, key: str) -> bool | None:
        """Return a flag that says what the file's tensors must be.

        None where they decide themselves: in GGUF files, and where the user ignores the field.
        """
        return self.flag(key) if key in self._defaults and key not in self.ignore else None

    def table(self, key: str) -> dict[str, Any] | None:
        value = self.value(key)
        if value is not None and not isinstance(value, dict):
            raise self.bad(key, value)
        return value

    def activation(self, default: str, *keys: str) -> str:
        """Return the MLP's activation in our names."""
        keys = keys or ("hidden_act", "activation", "activation_function", "hidden_activation")
        ours = {
            "silu": "silu",
            "swish": "silu",
            "gelu": "gelu",
            "gelu_new": "gelu_tanh",
            "gelu_fast": "gelu_tanh",
            "gelu_pytorch_tanh": "gelu_tanh",
            "relu": "relu",
        }
        name = self.value(*keys, default=default) or default
        if not isinstance(name, str) or name not in ours:
            raise UnsupportedModel(f"the activation {name!r:.40} is not supported yet", hint=CHOOSE_MODEL)
        return ours[name]

    def kinds(self, kind: str, otherwise: Callable[[int], bool]) -> tuple[int, ...]:
        """Return the layers of that kind, by ``layer_types`` where the file has it.

        Raises:
            UnsupportedModel: a layer is of a kind that no decoder here has.
        """
        types = self.value("layer_types")
        if types is None:
            return tuple(i for i in range(self.layers) if otherwise(i))
        if not isinstance(types, list) or len(types) < self.layers:
            raise self.bad("layer_types", types)
        for item in types[: self.layers]:
            if item not in ("full_attention", "sliding_attention"):
                raise UnsupportedModel(
                    f"layers of type {item!r:.40} are not supported yet", hint=CHOOSE_MODEL
                )
        return tuple(i for i in range(self.layers) if types[i] == kind)

    def head_dim(self, default: int | None = None) -> int:
        heads = self.integer("num_attention_heads", "n_head", default=1)
        return self.integer("head_dim", default=default or self.hidden // max(heads, 1))

    def kv_heads(self, heads: int) -> int:
        """Return the number of KV heads.

        Falcon has fields of its own. The new architecture states the number; the old one has a single KV head
        with ``multi_query``, else one for each head.
        """
        if self.family != "falcon":
            return self.integer("num_key_value_heads", default=heads)
        own = self.integer("num_kv_heads", default=heads)
        if self.flag("new_decoder_architecture"):
            return own
        return 1 if self.flag("multi_query", default=True) else heads

    @property
    def is_gguf(self) -> bool:
        """Return whether the fields come from a GGUF file."""
        return self._gguf is not None

    @property
    def has_partial_rotary(self) -> bool:
        """Return whether the family can rotate a part of a head's dimensions only."""
        return self.family in (
            "phi3",
            "gpt_neox",
            "gptj",
            "qwen3_5",
            "qwen3_5_text",
            "qwen3_5_moe",
            "qwen3_5_moe_text",
        )

    def knows(self, key: str) -> bool:
        """Return whether transformers' class has this field."""
        return key in self._defaults

    def check_unread(self) -> None:
        """Refuse a field that was never asked for, unless it is known to change nothing or has its default.

        Raises:
            UnsupportedModel: it names the field.
        """
        if self._gguf is not None:
            read = {self._gguf[name] for name in self._read if name in self._gguf}
            unread = {key: self._fields[name] for name, key in self._gguf.items() if key not in read}
            for key, value in unread.items():
                if value and key not in self.ignore:
                    raise unused("the GGUF file", key, value)
            return
        known, written = class_defaults(), {**self._outer, **self._fields}
        self._read.update(_QUANTIZATION)
        for key, value in written.items():
            if key in self._read or key in self.ignore or self._aliases.get(key) in self._read:
                continue
            if (value is None or value is False) and not self._defaults.get(key):
                continue
            if key in _OFF:
                if value == _OFF[key]:
                    continue
            elif (
                key in _HARMLESS
                or key in known["base"]
                or key.endswith(_HARMLESS_ENDS)
                or key.startswith(_HARMLESS_STARTS)
                or value in ([], {}, "")
                or (key in _NEUTRAL and value == _NEUTRAL[key])
                or (key in self._defaults and value == self._defaults[key])
            ):
                continue
            raise unused(f"config.json of this {single_line(self.family)} model", key, value)


def ignored_fields(names: str | Iterable[str]) -> tuple[str, ...]:
    """Return the names of an ``ignore_config``, sorted.

    Raises:
        UsageError: they are no strings.
    """
    names = (names,) if isinstance(names, str) else names
    return tuple(sorted({*validation.require_str_list(names, "ignore_config", hint="Pass names of fields.")}))


def unused(where: str, key: str, value: object) -> UnsupportedModel:
    """Return the error for a field that might change what the model computes, and is not used."""
    name = single_line(key)
    return UnsupportedModel(
        f"{where} has {name} = {single_line(repr(value), most=80)}, which this version does not use and "
        "which may change what the model computes",
        hint=f'Pass ignore_config="{name}" (in a cell: --ignore-config {name}) to load the model without it.',
    )


def _text_part(raw: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of the decoder, and those next to them.

    A multimodal model has its decoder's fields in ``text_config``. The fields next to that are about other
    towers, but for a few, such as whether embeddings are tied.
    """
    inner = raw.get("text_config")
    if not isinstance(inner, dict):
        return dict(raw), {}
    towers = (
        {*class_defaults()["wrappers"].get(raw.get("model_type"), ())}
        if isinstance(raw.get("model_type"), str)
        else set()
    )
    towers |= {"model_type", "text_config", "vision_config", "audio_config", "tie_word_embeddings"}
    fields = {key: raw[key] for key in ("model_type", "tie_word_embeddings") if key in raw} | inner
    return fields, {key: value for key, value in raw.items() if key not in towers and key not in inner}


def read_table(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file of bounded size.

    Raises:
        ModelFileError: it is missing or damaged.
    """
    try:
        return json_object(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read: {error}", hint=REDOWNLOAD) from error
