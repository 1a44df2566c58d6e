"""Tables of the rotary embedding: cosines and sines for every position a model knows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CHOOSE_COPY, CHOOSE_MODEL, ModelFileError, UnsupportedModel
from ...formats.config import LARGEST
from ...formats.tensors import Floats
from ..spec import DecoderSpec, padded_dim

# "dynamic" stretches beyond the trained context only, which is where this package ends a text.
_PLAIN = ("default", "dynamic", "none", "mrope")


def tables(spec: DecoderSpec, *, local: bool = False, factors: Floats | None = None) -> tuple[Floats, Floats]:
    """Return cosines and sines, each float32 ``(context, cache_dim // 2)`` of the layers they are for.

    Args:
        spec: the shape.
        local: for the sliding layers, where these have a base of their own (Gemma 3).
        factors: what the frequencies are divided by, ``(rotary_dim // 2,)``, where the file has such a table.
    """
    head_dim = spec.head_dim if local else spec.full_head_dim or spec.head_dim
    dim, wide = spec.rotary_dim or head_dim, padded_dim(head_dim)
    theta = spec.local_theta if local else spec.rope_theta
    if theta <= 1:
        raise ModelFileError(f"the RoPE base is {theta!r}, which is invalid", hint=CHOOSE_COPY)
    frequency, scale = theta ** -(np.arange(0, dim, 2) / dim), 1.0
    if factors is not None:
        frequency = frequency / _check_factors(factors, frequency)
    elif scaling := spec.local_scaling if local else spec.rope_scaling:
        try:
            with np.errstate(all="ignore"):
                frequency, scale = _scaled_frequencies(spec, frequency, scaling, theta, dim)
        except (ArithmeticError, ValueError):  # each number may be, and not with the others
            scale = math.nan
        if not (np.isfinite(frequency).all() and math.isfinite(scale)):
            raise ModelFileError(f"the RoPE scaling {scaling!r:.200} is invalid", hint=CHOOSE_COPY)
    angle = np.outer(np.arange(spec.context), frequency)
    rest = (
        (0, 0),
        (0, (wide - dim) // 2),
    )  # dimensions that are not turned, behind those that are in each half
    cos, sin = np.pad(np.cos(angle) * scale, rest, constant_values=1), np.pad(np.sin(angle) * scale, rest)
    return cos.astype(np.float32), sin.astype(np.float32)


def _scaled_frequencies(
    spec: DecoderSpec, frequency: NDArray[np.float64], how: Any, theta: float, dim: int
) -> tuple[NDArray[np.float64], float]:
    """Return frequencies and a factor on cosine and sine. Formulas: transformers/modeling_rope_utils.py."""
    kind = how.get("rope_type", how.get("type", "default"))

    def number(key: str, default: float | None = None) -> float:
        value = how.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= LARGEST:
            raise ModelFileError(f"rope scaling {kind!r} has {key} = {value!r:.60}", hint=CHOOSE_COPY)
        return float(value)

    if kind in _PLAIN:
        return frequency, 1.0
    if kind == "proportional":  # Gemma 4: pairs beyond the rotated part stay as they are
        turned = int(number("partial_rotary_factor", 1) * dim // 2)
        return np.where(np.arange(dim // 2) < turned, frequency, 0) / number("factor", 1), 1.0
    if kind == "linear":
        return frequency / number("factor"), 1.0
    if kind == "llama3":
        factor, low, high = number("factor"), number("low_freq_factor"), number("high_freq_factor")
        turns = (
            number("original_max_position_embeddings") * frequency / (2 * np.pi)
        )  # turns within the first context
        smooth = np.clip((turns - low) / (high - low), 0, 1)
        return (1 - smooth) * frequency / factor + smooth * frequency, 1.0
    if kind == "yarn":  # Peng et al. 2023, arXiv:2309.00071
        factor, first = number("factor"), number("original_max_position_embeddings", spec.context)

        def place(turns: float) -> float:
            return dim * math.log(first / (turns * 2 * math.pi)) / (2 * math.log(theta))

        low, high = place(number("beta_fast", 32)), place(number("beta_slow", 1))
        truncate = how.get("truncate", True)
        if truncate not in (True, False):
            raise ModelFileError(
                f"rope scaling {kind!r} has truncate = {truncate!r:.60}",
                hint=CHOOSE_COPY,
            )
        if truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, dim - 1)
        keep = 1 - np.clip((np.arange(dim // 2) - low) / max(high - low, 0.001), 0, 1)

        def mscale(share: float) -> float:
            return 0.1 * share * math.log(factor) + 1 if factor > 1 else 1.0

        ratio = mscale(1)
        if how.get("mscale") and how.get("mscale_all_dim"):
            ratio = mscale(number("mscale")) / mscale(number("mscale_all_dim"))
        scale = number("attention_factor", ratio)
        return frequency / factor * (1 - keep) + frequency * keep, scale
    if kind in ("longrope", "su"):
        # The short factors: families.py ends the context where the long ones would begin.
        first = number("original_max_position_embeddings", spec.context)
        factor = number("factor", 1)
        default = math.sqrt(1 + math.log(factor) / math.log(first)) if factor > 1 else 1.0
        return frequency / _check_factors(how.get("short_factor"), frequency), number(
            "attention_factor", default
        )
    raise UnsupportedModel(f"rope scaling {kind!r:.40} is not supported yet", hint=CHOOSE_MODEL)


def _check_factors(factors: Any, frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    try:
        table = np.asarray(factors, np.float64)
    except (TypeError, ValueError):
        table = np.zeros(0)
    if table.shape != frequency.shape or not (table > 0).all():
        raise ModelFileError(
            f"the rope factors of shape {table.shape} do not fit {frequency.shape}",
            hint=CHOOSE_COPY,
        )
    return table
