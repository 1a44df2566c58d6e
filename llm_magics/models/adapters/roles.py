"""The matrices of a decoder by role: which read the same input, their shapes, and the number of weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...decoder.spec import DecoderSpec

PER_LAYER = ("ple_gate", "ple_out")  # around the embeddings that every layer adds
LINEAR = ("linear_qkv", "linear_z", "linear_out")  # the large matrices of linear attention


def roles_by_matmul(spec: DecoderSpec) -> Mapping[str, tuple[str, ...]]:
    """Return product → the roles of the matrices that read the same; experts are not among them."""
    result: dict[str, tuple[str, ...]] = {"qkv": ("q", "k", "v"), "o": ("o",)}
    if spec.attention_gate:
        result["q_gate"] = ("q_gate",)
    if not spec.experts or spec.dense_layers:
        result |= {"gate_up": ("gate", "up")} if spec.gated else {"up": ("up",)}
        result["down"] = ("down",)
    if spec.conv_layers:
        result |= {"conv_in": ("conv_in",), "conv_out": ("conv_out",)}
    if spec.linear_layers:
        result |= {role: (role,) for role in LINEAR}
    if spec.per_layer_dim:
        result |= {role: (role,) for role in PER_LAYER}
    return result


def roles_in_layer(spec: DecoderSpec, layer: int) -> Mapping[str, tuple[str, ...]]:
    """Return the same of one layer, which has attention, a convolution or linear attention."""
    absent: set[str] = set()
    if layer not in spec.attention_layers:
        absent |= {"qkv", "q_gate", "o"}
    if spec.has_experts(layer):
        absent |= {"gate_up", "up", "down"}
    if layer not in spec.conv_layers:
        absent |= {"conv_in", "conv_out"}
    if layer not in spec.linear_layers:
        absent |= {*LINEAR}
    if layer >= spec.own_layers:
        absent.add("k")
    if not spec.has_values(layer):
        absent.add("v")
    return {
        product: tuple(role for role in roles if role not in absent)
        for product, roles in roles_by_matmul(spec).items()
        if product not in absent
    }


def shape_of(spec: DecoderSpec, layer: int, role: str) -> tuple[int, int]:
    """Return (out, in) of the matrix of a role in a layer."""
    head_dim, ffn = spec.head_dim_in(layer), spec.ffn_in(layer)
    own, shared = spec.heads * head_dim, spec.kv_heads_in(layer) * head_dim
    return {
        "q": (own, spec.hidden),
        "q_gate": (own, spec.hidden),
        "k": (shared, spec.hidden),
        "v": (shared, spec.hidden),
        "o": (spec.hidden, own),
        "gate": (ffn, spec.hidden),
        "up": (ffn, spec.hidden),
        "down": (spec.hidden, ffn),
        "ple_gate": (spec.per_layer_dim, spec.hidden),
        "ple_out": (spec.hidden, spec.per_layer_dim),
        "linear_qkv": (spec.linear_width, spec.hidden),
        "linear_z": (spec.linear_value_heads * spec.linear_value_dim, spec.hidden),
        "linear_out": (spec.hidden, spec.linear_value_heads * spec.linear_value_dim),
        "conv_in": (3 * spec.hidden, spec.hidden),
        "conv_out": (spec.hidden, spec.hidden),
    }[role]


def weights_in(spec: DecoderSpec) -> int:
    """Return about how many weights a decoder has: its matrices, with a head of its own."""
    matrices = sum(
        math.prod(shape_of(spec, layer, role))
        for layer in range(spec.layers)
        for roles in roles_in_layer(spec, layer).values()
        for role in roles
    )
    experts = 3 * spec.experts * spec.expert_ffn * spec.hidden
    experts += 3 * spec.shared_ffn * spec.hidden
    matrices += spec.layers * spec.per_layer_dim * spec.hidden  # the projection into all layers
    return matrices + (spec.layers - spec.dense_layers) * experts + 2 * spec.vocab * spec.hidden
