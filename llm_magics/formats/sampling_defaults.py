"""The sampling settings that the maker of a model recommends, in the names of SamplingOptions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.files import json_object
from ..core.options import SamplingOptions
from ..errors import ModelFileError, UsageError

_MAX_BYTES = 1 << 20
_HUB = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "no_repeat_ngram_size")
# What llama.cpp writes into GGUF files: general.sampling.*
_GGUF = {
    "temp": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "penalty_repeat": "repetition_penalty",
}
NAMES = (*_HUB, "presence_penalty", "frequency_penalty")


def from_folder(folder: Path) -> dict[str, Any]:
    """Read generation_config.json of a checkpoint; empty where there is none.

    Raises:
        ModelFileError: a value cannot be used.
    """
    path = folder / "generation_config.json"
    if not path.is_file():
        return {}
    try:
        table = json_object(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        raise _bad(str(error)) from error
    return checked({name: table[name] for name in _HUB if table.get(name) is not None})


def from_gguf(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Read the keys ``general.sampling.*`` of a GGUF file; empty where there are none.

    Raises:
        ModelFileError: a value cannot be used.
    """
    keys = {ours: metadata.get(f"general.sampling.{theirs}") for theirs, ours in _GGUF.items()}
    return checked({ours: value for ours, value in keys.items() if value is not None})


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, rounded as GGUF's float32 was written.

    Raises:
        ModelFileError: one is out of its range.
    """
    rounded: dict[str, Any] = {
        name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in values.items()
    }
    try:
        SamplingOptions(**rounded)
    except (UsageError, TypeError) as error:
        raise _bad(str(error).splitlines()[0]) from error
    return rounded


def _bad(why: str) -> ModelFileError:
    return ModelFileError(
        f"the sampling settings of the model cannot be used: {why}",
        hint="Correct generation_config.json, or remove the setting from it.",
    )
