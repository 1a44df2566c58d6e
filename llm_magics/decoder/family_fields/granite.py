"""Granite 3 and 4."""

from __future__ import annotations

from ...errors import CHOOSE_MODEL, UnsupportedModel
from ...formats.config import Config
from .common import Fields, all_layers, biases, llama, rms_norm, rope


def granite(c: Config) -> Fields:
    return {
        **llama(c),
        **_multipliers(c),
        "no_rope": () if c.value("position_embedding_type", default="rope") == "rope" else all_layers(c),
    }


def _multipliers(c: Config) -> Fields:
    """Read the four multipliers of Granite (maximal update parametrization, Yang et al. 2022)."""
    return {
        "embed_scale": c.number("embedding_multiplier", default=1.0, least=1e-6),
        "residual_scale": c.number("residual_multiplier", default=1.0, least=1e-6),
        "scale": c.number("attention_multiplier", default=1.0, least=1e-6),
        "logit_scale": 1.0 / c.number("logits_scaling", default=1.0, least=1e-6),
    }


def granite_hybrid(c: Config) -> Fields:
    """Read the members of the family that have attention in every layer, and no experts."""
    kinds = c.value("layer_types", default=["mamba"] * c.layers)
    if not isinstance(kinds, list) or len(kinds) < c.layers:
        raise c.bad("layer_types", kinds)
    for i, kind in enumerate(kinds):
        if kind not in ("attention", "full_attention"):
            raise UnsupportedModel(
                f"layer {i + 1} is of type {kind!r:.40}, which is not supported yet", hint=CHOOSE_MODEL
            )
    if c.integer("num_local_experts", default=0):
        raise UnsupportedModel("the experts of Granite 4 are not supported yet", hint=CHOOSE_MODEL)
    for name in c.names("mamba_", "num_experts_per_tok", "time_step_limit"):
        c.value(name)  # of layers that this model has none of
    kind = c.value("normalization_function", default="rmsnorm")
    if kind != "rmsnorm":
        raise c.bad("normalization_function", kind)
    position = c.value("position_embedding_type", default="nope")
    if position not in ("rope", "nope"):
        raise c.bad("position_embedding_type", position)
    return {
        **rms_norm(c),
        **rope(c),
        **_multipliers(c),
        **biases(c),
        "activation": c.activation("silu"),
        "ffn": c.integer("shared_intermediate_size", default=1024),
        "no_rope": () if position == "rope" else all_layers(c),
    }
