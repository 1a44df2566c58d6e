"""Gemma 1, 2, 3 and 4."""

from __future__ import annotations

from ...errors import CHOOSE_MODEL, UnsupportedModel
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


def gemma4(c: Config) -> Fields:
    """Return what Gemma 4 has: E2B, E4B, 12B and 31B; not the mixture of experts."""
    if c.flag("enable_moe_block") or c.integer("num_local_experts", default=0):
        raise UnsupportedModel("Gemma 4 with experts is not supported yet", hint=CHOOSE_MODEL)
    if c.value("use_bidirectional_attention") not in (None, "vision"):  # a text is read in its order there
        raise UnsupportedModel("attention to later tokens is not supported", hint=CHOOSE_MODEL)
    for name in ("num_experts", "top_k_experts", "moe_intermediate_size"):
        c.value(name)  # of the mixture of experts
    sliding = c.kinds("sliding_attention", lambda i: (i + 1) % 6 != 0)
    full, local = rope_by_layer(c)
    same = c.flag("attention_k_eq_v")
    head_dim, heads = _full_layers(c, {*range(c.layers)} - {*sliding} | {c.layers - 1}, same=same)
    vocab, width = c.integer("vocab_size"), c.integer("hidden_size_per_layer_input", default=0)
    if width and c.integer("vocab_size_per_layer_input", default=vocab) < vocab:
        raise c.bad("vocab_size_per_layer_input", c.value("vocab_size_per_layer_input"))
    return {
        **_embedded(c),
        "activation": c.activation("gelu_pytorch_tanh", "hidden_activation"),
        "block": "sandwich",
        "scale": 1.0,
        "qk_norm": "head",
        "value_norm": True,
        "keys_as_values": same,
        "window": c.integer("sliding_window", default=512),
        # The last layer sees the whole text, whatever the file says.
        "sliding": tuple(layer for layer in sliding if layer != c.layers - 1),
        **layer_ropes(c, full, local),
        "full_head_dim": head_dim,
        "full_kv_heads": heads,
        "kv_shared_layers": c.integer("num_kv_shared_layers", default=0),
        "wide_mlp": c.flag("use_double_wide_mlp"),
        "per_layer_dim": width,
        "layer_scale": True,
        "final_softcap": c.number("final_logit_softcapping", default=0.0),
    }


def _full_layers(c: Config, full: set[int], *, same: bool) -> tuple[int, int]:
    """Return head_dim and KV heads of the full layers; 0 KV heads for those of the others.

    transformers 5.24 writes ``per_layer_config``, a table a layer; earlier ones and the Hub have two fields.
    """
    head_dim = c.integer("global_head_dim", default=512)
    heads = c.integer("num_global_key_value_heads", default=0)
    tables = c.table("per_layer_config")
    if tables is None:
        return head_dim, heads if same or c.is_gguf else 0
    rows = {repr(sorted(table.items())) if isinstance(table, dict) else "" for table in tables.values()}
    first = next(iter(tables.values()), None)
    known = isinstance(first, dict) and {*first} <= {"head_dim", "num_key_value_heads"}
    layers = {int(key) for key in tables if key.isdecimal()}  # "04": as wide as the last one
    if not known or len(rows) != 1 or layers != full or len(layers) != len(tables):
        raise c.bad("per_layer_config", tables)
    assert isinstance(first, dict)
    sizes = first.get("head_dim", c.head_dim(256)), first.get("num_key_value_heads", 0)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= 1024:
            raise c.bad("per_layer_config", tables)
    return sizes
