"""A LoRA adapter (Hu et al. 2021, arXiv:2106.09685): two small matrices for each weight.

It is read from and written to PEFT's folder format with NumPy; neither torch nor PEFT is needed.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core import progress, validation
from ...core.files import json_object, write_atomic
from ...core.validation import check_strength
from ...errors import ModelFileError, StoreError, UnsupportedModel, UsageError
from ...formats.safetensors import TOWERS, Safetensors
from ...sanitize import single_line
from ...sources import store

Array = NDArray[np.float32]
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
MAX_CONFIG, MAX_RANK, MOST_ALPHA = 1 << 20, 1024, 1e6
MOST_NUMBER = 1e4
MAX_VALUES = 1 << 29  # numbers of all matrices together: a sparse file claims any
_PREFIX = "base_model.model."
_NAME = re.compile(re.escape(_PREFIX) + r"(?P<module>[\w.]{1,300})\.lora_(?P<side>[AB])\.weight")
_LAYER = re.compile(r"\.(\d+)\.")
MERGE = "Merge it into its model with PEFT's merge_and_unload(), and load the merged model."
# Fields of PEFT's LoraConfig that change nothing here: the tensors say which modules and which rank.
_HARMLESS = {
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_alpha",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
}
# Of the others, values that are as good as none. Any other value makes more of it than y = xW + s·(xA)B.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "bias": ("none",),
    "init_lora_weights": (True, "gaussian", "eva", "orthogonal"),
}
_INITIAL = "init_lora_weights"


@dataclass(frozen=True, slots=True)
class LoraPair:
    """What is added to one weight: ``scale · B @ A``.

    Attributes:
        a: (rank, in).
        b: (out, rank).
    """

    a: Array
    b: Array

    @property
    def rank(self) -> int:
        return int(self.a.shape[0])


@dataclass(frozen=True)
class Adapter:
    """Pairs by the name of the module in the Hub's layout, such as ``model.layers.0.self_attn.q_proj``.

    Attributes:
        alpha: the numerator of the scale.
        rs: whether the scale is alpha / √rank (Kalajdzievski 2023, arXiv:2312.03732), not alpha / rank.
        base: what the model is called that it was trained on.
    """

    pairs: Mapping[str, LoraPair]
    alpha: float
    base: str = ""
    rs: bool = False

    @property
    def rank(self) -> int:
        return next(iter(self.pairs.values())).rank

    @property
    def scale(self) -> float:
        return self.alpha / (math.sqrt(self.rank) if self.rs else self.rank)

    @property
    def nbytes(self) -> int:
        return sum(pair.a.nbytes + pair.b.nbytes for pair in self.pairs.values())

    @cached_property
    def digest(self) -> str:
        """Return sha256 of what it adds."""
        output = hashlib.sha256(repr(self.scale).encode())
        for module, pair in sorted(self.pairs.items()):
            output.update(f"{module}{pair.a.shape}{pair.b.shape}".encode())
            output.update(pair.a.tobytes())
            output.update(pair.b.tobytes())
        return output.hexdigest()

    def delta(self, module: str) -> Array:
        """Return (out, in): what is added to the weight at strength 1."""
        pair = self.pairs[module]
        return np.asarray(self.scale * (pair.b @ pair.a), np.float32)

    def save(self, folder: str | Path) -> Path:
        """Write a folder that PEFT loads.

        Raises:
            UsageError: it exists and is not empty. StoreError: it cannot be written.
        """
        try:
            from safetensors.numpy import save
        except ImportError:
            raise UsageError(
                "saving an adapter needs safetensors", hint="Run pip install safetensors."
            ) from None
        path = validation.require_path(folder, "the folder")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} exists already", hint="Choose a new folder.")
        tensors = {
            f"{_PREFIX}{module}.lora_{side}.weight": np.ascontiguousarray(array)
            for module, pair in self.pairs.items()
            for side, array in (("A", pair.a), ("B", pair.b))
        }
        data = save(tensors, {"format": "pt"})
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{path} cannot be created: {error.strerror}", hint="Choose another folder."
            ) from error
        store.require_room(path, len(data))
        temporary = path / f"{WEIGHTS}.partial"
        with store.writing(temporary):
            temporary.write_bytes(data)
            temporary.replace(path / WEIGHTS)
        with store.writing(path / CONFIG):  # last: a folder without it is no adapter
            write_atomic(path / CONFIG, json.dumps(self._config(), indent=2) + "\n")
        return path

    def _config(self) -> dict[str, Any]:
        """Return what PEFT calls LoraConfig."""
        layers = sorted({int(result[1]) for module in self.pairs if (result := _LAYER.search(module))})
        return {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.base or None,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "use_rslora": self.rs,
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
            "target_modules": sorted({module.rpartition(".")[2] for module in self.pairs}),
            "layers_to_transform": layers or None,
        }


def with_strength(name: str) -> tuple[str, float]:
    """Split ``NAME[:strength]`` into both; the default strength is 1.

    Raises:
        UsageError: the strength is out of its range.
    """
    result, colon, suffix = name.rpartition(":")
    try:
        strength = float(suffix)
    except ValueError:
        return name, 1.0
    return (result, check_strength(strength)) if colon and result else (name, 1.0)


def load_adapter(folder: str | Path, *, ignore_config: Iterable[str] = ()) -> Adapter:
    """Read a folder that PEFT or :meth:`Adapter.save` wrote. Nothing in it is run; pickles are not read.

    Args:
        folder: with adapter_config.json and adapter_model.safetensors.
        ignore_config: fields of adapter_config.json that may pass unused.

    Raises:
        UsageError: there is none. ModelFileError: it is damaged. UnsupportedModel: it is no plain LoRA.
    """
    path, ignored = validation.require_path(folder, "an adapter's folder"), frozenset(ignore_config)
    if not (path / CONFIG).is_file() or not (path / WEIGHTS).is_file():
        raise UsageError(
            f"{path} has no adapter: {CONFIG} and {WEIGHTS} are needed",
            hint="Save it with safe_serialization=True.",
        )
    try:
        config = json_object(path / CONFIG, MAX_CONFIG)
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if config.get("peft_type") != "LORA":
        raise UnsupportedModel(f"{path} is {config.get('peft_type')!r:.40}, not LORA", hint=MERGE)
    for name, value in config.items():
        if name in _HARMLESS or name in ignored or value in (None, False, [], {}, *_NEUTRAL.get(name, ())):
            continue
        hint = f'{MERGE}; or pass ignore_config="{single_line(name)}" to load it without'
        if name == _INITIAL:  # PiSSA, OLoRA, CorDA, LoRA-GA and LoftQ changed the model's weights too
            hint = "Save it with path_initial_model_for_weight_conversion, as PEFT's documentation says."
        raise UnsupportedModel(
            f"{path} has {single_line(name)} = {single_line(repr(value), most=60)}, "
            "which is more than plain LoRA",
            hint=hint,
        )
    if not isinstance(config.get("use_rslora") or False, bool):
        raise _damaged(path, f"use_rslora is {config['use_rslora']!r:.40}")
    alpha: Any = config.get("lora_alpha")
    base = config.get("base_model_name_or_path")
    # Compared before it is made a float: an integer may be too large for one.
    good = isinstance(alpha, (int, float)) and not isinstance(alpha, bool) and abs(alpha) <= MOST_ALPHA
    if not good:
        raise _damaged(path, f"lora_alpha is {alpha!r:.40}")
    pairs = _pairs(path, config.get("r"))
    return Adapter(
        pairs,
        float(alpha),
        single_line(base) if isinstance(base, str) else "",
        config.get("use_rslora") is True,
    )


def _pairs(path: Path, rank: object) -> dict[str, LoraPair]:
    sides: dict[str, dict[str, Array]] = {}
    towers: set[str] = set()
    tensors = Safetensors(path / WEIGHTS)
    if (size := sum(math.prod(tensors.shape(name)) for name in tensors)) > MAX_VALUES:
        raise _damaged(path, f"its matrices have {size:,} numbers")
    for name in tensors:
        result = _NAME.fullmatch(name)
        if result is None:
            raise UnsupportedModel(
                f"{path} holds {single_line(name)}, which is not a plain LoRA matrix", hint=MERGE
            )
        if TOWERS.keys() & result["module"].split("."):
            towers.add(result["module"])
            continue
        sides.setdefault(result["module"], {})[result["side"]] = tensors[name].dequantize()
    if towers:
        if not sides:
            raise UnsupportedModel(
                f"{path} changes nothing but a vision or audio tower",
                hint="Use it with the whole model, in transformers.",
            )
        progress.warn(f"{path.name}: matrices of a vision or audio tower are left out ({len(towers)})")
    pairs: dict[str, LoraPair] = {}
    for module, both in sides.items():
        if both.keys() != {"A", "B"}:
            raise _damaged(path, f"{module} has one of its two matrices")
        a, b = both["A"], both["B"]
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or not 1 <= a.shape[0] <= MAX_RANK:
            raise _damaged(path, f"{module} has the shapes {a.shape} and {b.shape}")
        if not (np.abs(a).max() <= MOST_NUMBER and np.abs(b).max() <= MOST_NUMBER):
            raise _damaged(path, f"{module} holds what is no number, or far too large a one")
        pairs[module] = LoraPair(a, b)
    ranks = {pair.rank for pair in pairs.values()}
    if len(ranks) == 1 and isinstance(rank, int) and rank not in ranks:
        raise _damaged(path, f"{CONFIG} says r = {rank}, and its matrices have {min(ranks)}")
    if len(ranks) != 1:
        raise _damaged(path, "its matrices are of several ranks, or there are none")
    return pairs


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"the adapter in {path} is damaged: {single_line(why)}", hint="Save it again.")
