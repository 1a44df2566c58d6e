"""Gemma 1, 2 and 3."""

from __future__ import annotations

from ...formats.config import Config
from ...formats.rope import rope_by_layer
from .common import Fields, biases, layer_ropes, rms_norm, rope


def gemma(c: Config) -> Fields:
    name = c.activation("gelu_pytorch_tanh", "hidden_activation", "hidden_act")
    return {
        **_embedded(c),
        **rope(c),
        # "gelu" in old files of Gemma 1 was never true: transformers takes the tanh form for all of them.
        "activation": "gelu_tanh" if name == "gelu" else name,
    }


def _embedded(c: Config) -> Fields:
    """Return what all Gemmas have."""
    return {**rms_norm(c), "embed_scale": c.hidden**0.5, "head_dim": c.head_dim(256), **biases(c)}


def gemma2(c: Config) -> Fields:
    return {
        **_sandwich(c),
        **rope(c),
        "softcap": c.number("attn_logit_softcapping", default=0.0, absent=50.0),
        "final_softcap": c.number("final_logit_softcapping", default=0.0, absent=30.0),
        "sliding": c.kinds("sliding_attention", lambda i: i % 2 == 0),
    }


def _sandwich(c: Config) -> Fields:
    """Return what Gemma 2 and 3 share."""
    c.value("hidden_act")  # stands in files of both, and transformers reads hidden_activation
    window = c.integer("sliding_window", default=4096)
    if c.value("sliding_window_size", default=window) != window:  # Gemma 2's files have it twice
        raise c.bad("sliding_window_size", c.value("sliding_window_size"))
    return {
        **_embedded(c),
        "activation": c.activation("gelu_pytorch_tanh", "hidden_activation"),
        "block": "sandwich",
        "scale": c.number("query_pre_attn_scalar", default=256.0, least=1e-6) ** -0.5,
        "window": window,
    }


def gemma3(c: Config) -> Fields:
    step = c.integer("sliding_window_pattern", "_sliding_window_pattern", default=6) or 6
    full, local = rope_by_layer(c)
    return {
        **_sandwich(c),
        "qk_norm": "head",
        "softcap": c.number("attn_logit_softcapping", default=0.0),
        "final_softcap": c.number("final_logit_softcapping", default=0.0),
        **layer_ropes(c, full, local),
        "sliding": c.kinds("sliding_attention", lambda i: (i + 1) % step != 0),
    }
