"""What the configurations of several families have in common, as fields of DecoderSpec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import CHOOSE_MODEL, UnsupportedModel
from ...formats.config import Config
from ...formats.rope import RopeParameters, rope_of
from ...sanitize import single_line

Fields = dict[str, Any]
# Tokens. Longer ones are promised by some models; the rotary tables of a million would take a gigabyte.
MAX_CONTEXT = 1 << 17


def rope(c: Config, *, table: Mapping[str, Any] | None = None, **names: tuple[str, ...]) -> Fields:
    """Return fields of the rotary embedding; ``table`` and ``names`` as :func:`rope_of` takes them."""
    rope = rope_of(c, table=table, **names)
    return {
        "rope_theta": rope.theta,
        "rope_scaling": rope.scaling,
        **_rotary_dim(c, rope),
        **_shared_rope(c, rope),
    }


def layer_ropes(c: Config, full: RopeParameters, local: RopeParameters) -> Fields:
    """Return fields of a rotary embedding that differs between full and sliding layers."""
    return {
        "rope_theta": full.theta,
        "rope_scaling": full.scaling,
        "local_theta": local.theta,
        "local_scaling": local.scaling,
        **_rotary_dim(c, full),
        **_rotary_dim(c, local),
        **_shared_rope(c, full, local),
    }


def _rotary_dim(c: Config, rope: RopeParameters) -> Fields:
    """Read how many dimensions of a head are rotated. GGUF files give the number, config.json the part."""
    head_dim = c.head_dim()
    if not head_dim:
        raise c.bad("head_dim", head_dim)
    dim = c.integer("rotary_dim", default=0) or int(head_dim * rope.partial)
    if dim == head_dim:
        return {}
    if not c.has_partial_rotary:
        raise UnsupportedModel(
            f"partial_rotary_factor = {dim / head_dim:g} is not supported for {single_line(c.family)}",
            hint=CHOOSE_MODEL,
        )
    return {"rotary_dim": dim}


def _shared_rope(c: Config, *ropes: RopeParameters) -> Fields:
    """Return the context, cut where other frequencies would be taken for the whole text beyond it."""
    limits = [rope.context for rope in ropes if rope.context]
    return {"context": min(c.context, MAX_CONTEXT, *limits)} if limits else {}


def rms_norm(c: Config, eps: float = 1e-6) -> Fields:
    return {"norm": "rms", "norm_eps": c.number("rms_norm_eps", default=eps)}


def llama(c: Config, eps: float = 1e-6, *, table: Mapping[str, Any] | None = None) -> Fields:
    """Return fields of the Llama block; ``table`` as :func:`rope_of` takes it."""
    return {**rms_norm(c, eps), **rope(c, table=table), "activation": c.activation("silu"), **biases(c)}


def biases(c: Config, attention: str = "attention_bias", mlp: str = "mlp_bias") -> Fields:
    """Read which products have biases, in the families that have a field for it."""
    return {
        name: c.falcon_flag(key)
        for name, key in (("attention_bias", attention), ("mlp_bias", mlp))
        if c.knows(key)
    }


def window_in_use(c: Config) -> int:
    """Read the sliding window of the families that can switch it off."""
    window = c.integer("sliding_window", default=0)
    return window if c.flag("use_sliding_window") else 0


def all_layers(c: Config) -> tuple[int, ...]:
    return tuple(range(c.layers))
