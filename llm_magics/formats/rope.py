"""The rotary embedding of a configuration, as transformers 4 and 5 write it, in one form.

transformers 4 has ``rope_theta`` next to ``rope_scaling``, transformers 5 has ``rope_parameters``: one
table, or one for each kind of layer. Rules: transformers/modeling_rope_utils.py, ``standardize_rope_params``.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from ..errors import CHOOSE_MODEL, UnsupportedModel
from ..sanitize import single_line
from .config import Config

FULL, SLIDING = "full_attention", "sliding_attention"
# What a table may hold, by its type. Types that are missing here are refused by decoder/mixers/rotary.py.
_COMMON = {"rope_theta", "rope_type", "type", "partial_rotary_factor", "original_max_position_embeddings"}
_COMMON |= {"mrope_section", "mrope_interleaved", "finetuned", "max_position_embeddings"}
_KEYS = {
    "default": {"factor"},  # has no effect there
    "linear": {"factor"},
    "dynamic": {"factor"},
    "llama3": {"factor", "low_freq_factor", "high_freq_factor"},
    "yarn": {"factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"},
    "proportional": {"factor"},
    "longrope": {"factor", "attention_factor", "short_factor", "long_factor", "short_mscale", "long_mscale"},
}
QUERY_SCALE = "llama_4_scaling_beta"
_FIRST = ("llama3", "yarn", "longrope")  # types that know the context of the first training


@dataclass(frozen=True, slots=True)
class RopeParameters:
    """The rotary embedding of one kind of layer.

    Attributes:
        theta: the base of the frequencies.
        partial: the part of a head's dimensions that is rotated, from 0 to 1.
        scaling: how frequencies are stretched: ``rope_type`` and its numbers, complete; None for not at all.
        context: the tokens after which transformers would take other frequencies; 0 for no limit.
    """

    theta: float
    partial: float = 1.0
    scaling: Mapping[str, Any] | None = None
    context: int = 0


def rope_of(
    c: Config,
    *,
    theta: tuple[str, ...] = ("rope_theta",),
    partial: tuple[str, ...] = ("partial_rotary_factor",),
    table: Mapping[str, Any] | None = None,
) -> RopeParameters:
    """Return the rotary embedding of a model with the same one in all layers.

    Args:
        c: the configuration.
        theta: the fields that hold the base where no table does.
        partial: the fields that hold the rotated part there.
        table: what the family's class takes where a config.json has no table. Its keys may be stated too.

    Raises:
        UnsupportedModel: the layers differ, or a table has a key that is not known.
    """
    tables, flat = _tables(c, table)
    own = frozenset(table or ())
    if not tables:
        return _read(c, flat, theta, partial, own)
    result = [_read(c, item, theta, partial, own) for item in tables.values()]
    if any(item != result[0] for item in result[1:]):
        raise UnsupportedModel(
            f"rope_parameters that differ between layers are not supported for {single_line(c.family)} yet",
            hint=CHOOSE_MODEL,
        )
    return result[0]


def rope_by_layer(
    c: Config, *, local: tuple[str, ...] = ("rope_local_base_freq",), default: float = 1_000_000.0
) -> tuple[RopeParameters, RopeParameters]:
    """Return the rotary embeddings of the full and of the sliding layers (Gemma 3, OLMo 3).

    Args:
        c: the configuration.
        local: the fields that hold the base of the sliding layers where no table does.
        default: the base of the full layers where nothing holds it.
    """
    tables, flat = _tables(c)
    partial = ("partial_rotary_factor",)
    if not tables and c.is_stated("rope_parameters"):
        # One table for all: transformers 5 looks the layer's kind up in it, and does not find it.
        raise UnsupportedModel(
            f"rope_parameters of a {single_line(c.family)} model must be stated for each layer type",
            hint="Save it with transformers again.",
        )
    full = _read(c, tables.get(FULL) or flat, ("rope_theta",), partial, default=default)
    return full, _read(c, tables.get(SLIDING) or {}, local, partial)


def _tables(
    c: Config, default: Mapping[str, Any] | None = None
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the tables by kind of layer, and the one for all; one of both is empty."""
    new, old = c.table("rope_parameters") or {}, c.table("rope_scaling") or {}
    if old and c.is_stated("rope_scaling") and not c.is_stated("rope_parameters"):
        new = {}  # the default of transformers 5's class
    elif new and c.is_stated("rope_parameters") and not c.is_stated("rope_scaling"):
        old = {}
    if not (new or old or c.is_gguf):
        new = dict(default or {})
    nested = {key: value for key, value in new.items() if isinstance(value, dict) or key in (FULL, SLIDING)}
    if nested:
        if unknown := {*new} - {FULL, SLIDING}:
            raise UnsupportedModel(
                f"rope_parameters has {single_line(repr(sorted(map(str, unknown))), most=80)}, which is not "
                f"supported yet",
                hint=CHOOSE_MODEL,
            )
        for key, value in nested.items():
            if value is not None and not isinstance(value, dict):
                raise c.bad(f"rope_parameters.{key}", value)
        if old and c.family.startswith(("gemma3", "olmo3")):  # goes on top of the full layers' table
            nested[FULL] = {**(nested.get(FULL) or {}), **old}
            old = {}
        new = {}
    clash = [key for key in old if key in new and old[key] != new[key]]
    if clash or (old and nested):
        raise UnsupportedModel(
            f"rope_scaling and rope_parameters of config.json contradict each other"
            f"{': ' + single_line(str(clash[0])) if clash else ''}",
            hint="Remove one of the two from config.json.",
        )
    return {key: value or {} for key, value in nested.items()}, {**new, **old}


def _read(
    c: Config,
    table: Mapping[str, Any],
    theta: tuple[str, ...],
    partial: tuple[str, ...],
    more: Set[str] = frozenset(),
    *,
    default: float = 10_000.0,
) -> RopeParameters:
    outer = c.number(*theta, default=default)
    part = c.number(*partial, default=1.0)
    own = {key: value for key, value in table.items() if value is not None}
    base = c.check_range("rope_theta", own.get("rope_theta", outer))
    part = c.check_range("partial_rotary_factor", own.get("partial_rotary_factor", part))
    kind = table.get("rope_type", table.get("type")) or "default"
    if not isinstance(kind, str):
        raise c.bad("rope_type", kind)
    if kind == "su" or (kind == "yarn" and c.family == "phi3"):  # older names of it
        kind = "longrope"
    if kind in ("default", "none", "mrope"):
        kind = "default"
    known = _COMMON | _KEYS.get(kind, {*own}) | more
    for key, value in own.items():
        if key not in known and key not in c.ignore:
            name = single_line(str(key))
            raise UnsupportedModel(
                f"rope scaling {kind!r:.40} has {name} = {single_line(repr(value), most=60)}, "
                "which this version does not use",
                hint=f'Pass ignore_config="{name}" to load the model without it.',
            )
    rope, first = RopeParameters(base, part), _first(c, table)
    if kind == "default":
        return rope
    unused = {"long_factor", "short_mscale", "long_mscale"} | _COMMON
    numbers = {key: value for key, value in own.items() if key not in unused}
    if kind == "proportional":  # all pairs are rotated, some of them by nothing
        rope, numbers["partial_rotary_factor"] = replace(rope, partial=1.0), part
    if kind == "dynamic":  # stretches beyond the trained context only, where this package ends a text
        return rope
    scaling = {**numbers, "rope_type": kind}
    if kind in _FIRST:
        scaling["original_max_position_embeddings"] = first or c.context
        if kind != "llama3" and "factor" not in scaling:
            scaling["factor"] = c.context / (first or c.context)
    # Ministral 3 scales its queries by 1 + β·ln(1 + ⌊place / first⌋), which is 1 within the first context.
    beta = c.check_range(QUERY_SCALE, scaling.pop(QUERY_SCALE, 0.0))
    ends = kind == "longrope" or beta > 0
    return replace(rope, scaling=scaling, context=(first or c.context) if ends else 0)


def _first(c: Config, table: Mapping[str, Any]) -> int:
    """Return the context of the first training; 0 where nothing says it. Phi-3 has it next to its table."""
    outer = c.integer("original_max_position_embeddings", default=0)
    inner = table.get("original_max_position_embeddings")
    if inner is not None and (
        isinstance(inner, bool) or not isinstance(inner, int) or not 0 < inner < 1 << 31
    ):
        raise c.bad("original_max_position_embeddings", inner)
    return outer or inner or 0
