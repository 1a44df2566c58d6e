"""Families with layer norms: Falcon, GPT-NeoX, GPT-2, GPT-Neo and GPT-J."""

from __future__ import annotations

from ...formats.config import Config
from .common import Fields, biases, rope


def falcon(c: Config) -> Fields:
    parallel = c.flag("new_decoder_architecture") or c.flag("parallel_attn", default=True)
    c.integer("num_ln_in_parallel_attn", default=0)  # one norm or two: the tensors say it too
    return {
        "norm": "layer",
        "norm_eps": c.number("layer_norm_epsilon", default=1e-5),
        **rope(c),
        "gated": False,
        "positions": "alibi" if c.flag("alibi") else "rope",
        "block": "parallel" if parallel else "pre",
        "activation": c.activation("gelu"),
        **biases(c, "bias", "bias"),
    }


def neox(c: Config) -> Fields:
    return {
        "norm": "layer",
        "norm_eps": c.number("layer_norm_eps", default=1e-5),
        "gated": False,
        **rope(c, theta=("rotary_emb_base", "rope_theta"), partial=("rotary_pct", "partial_rotary_factor")),
        "block": "parallel" if c.flag("use_parallel_residual", default=True) else "pre",
        "activation": c.activation("gelu"),
        **biases(c),
    }


def gpt2(c: Config) -> Fields:
    return {**_gpt(c), "positions": "learned"}


def _gpt(c: Config) -> Fields:
    """Return what GPT-2, GPT-Neo and GPT-J share."""
    return {
        "norm": "layer",
        "norm_eps": c.number("layer_norm_epsilon", default=1e-5),
        "gated": False,
        "activation": c.activation("gelu_new"),
    }


def gpt_neo(c: Config) -> Fields:
    kinds = c.value("attention_layers")
    pattern = c.value("attention_types", default=None if kinds else [[["global", "local"], c.layers // 2]])
    if pattern is not None:  # [[["global", "local"], 12]]: the kinds in turn, so many times
        try:
            expanded = [kind for names, times in pattern for _ in range(min(times, 1_000)) for kind in names]
        except (TypeError, ValueError):
            raise c.bad("attention_types", pattern) from None
        if kinds is not None and kinds != expanded:
            raise c.bad("attention_layers", kinds)
        kinds = expanded
    if not isinstance(kinds, list) or len(kinds) != c.layers or not {*kinds} <= {"global", "local"}:
        raise c.bad("attention_types", kinds)
    local = tuple(i for i, kind in enumerate(kinds) if kind == "local")
    return {
        **_gpt(c),
        "positions": "learned",
        "scale": 1.0,  # scores are not divided by anything
        "window": c.integer("window_size", default=256) if local else 0,
        "sliding": local,
    }


def gptj(c: Config) -> Fields:
    return {**_gpt(c), **rope(c), "block": "parallel"}
