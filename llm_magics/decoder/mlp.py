"""The MLP part of a layer, dense or a mixture of experts."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from ..errors import ModelFileError
from .graph_builder import MS, GraphBuilder
from .precision import Precision
from .quantize import BLOCK
from .weights import OTHER, Weights


def mlp(b: GraphBuilder, w: Weights, recipe: Precision, i: int, x: ir.Value) -> ir.Value:
    """Add an MLP, and return down(act(gate(x)) · up(x)), or down(act(up(x))) without a gate."""
    spec, ffn = w.spec, w.spec.ffn_in(i)

    def linear(role: str, out: int, inner: int, x: ir.Value) -> ir.Value:
        packed = recipe.pack(role, [w.matrix(role, i, (out, inner))], i)
        return b.linear(f"{role}.{i}", x, packed, w.vector(role, i, size=out, kind="bias"))

    if not spec.gated:
        return linear(
            "down",
            spec.hidden,
            ffn,
            activate(b, spec.activation, linear("up", ffn, spec.hidden, x)),
        )
    pair = [w.matrix(role, i, (ffn, spec.hidden)) for role in ("gate", "up")]
    biases = [w.vector(role, i, size=ffn, kind="bias") for role in ("gate", "up")]
    if len({tensor.kind for tensor in pair}) == 1 and (biases[0] is None) == (biases[1] is None):
        bias = None if biases[0] is None or biases[1] is None else np.concatenate([biases[0], biases[1]])
        both = b.linear(f"gate_up.{i}", x, recipe.pack("gate_up", pair, i), bias)
        gate, up = b.node("Split", [both], 2, axis=-1, num_outputs=2)
    else:
        gate, up = linear("gate", ffn, spec.hidden, x), linear("up", ffn, spec.hidden, x)
    return linear("down", spec.hidden, ffn, b.node("Mul", [activate(b, spec.activation, gate), up]))


def activate(b: GraphBuilder, kind: str, x: ir.Value) -> ir.Value:
    """Add the activation function of an MLP, by its name in :class:`~.spec.DecoderSpec`."""
    if kind == "silu":
        return b.node("QuickGelu", [x], domain=MS, alpha=1.0)  # type: ignore[no-any-return]  # x · sigmoid(1 · x)
    if kind == "relu":
        return b.node("Relu", [x])  # type: ignore[no-any-return]
    return b.node("Gelu", [x], approximate="tanh" if kind == "gelu_tanh" else "none")  # type: ignore[no-any-return]


def _router(b: GraphBuilder, w: Weights, recipe: Precision, i: int, x: ir.Value) -> ir.Value:
    """Return the logits of all experts (tokens, experts): their softmax is what experts weigh."""
    spec = w.spec
    router = b.linear(
        f"router.{i}",
        x,
        recipe.dense([w.matrix("router", i, (spec.experts, spec.hidden))]),
        w.vector("router", i, size=spec.experts, kind="bias"),
    )
    logits: ir.Value = b.node("Reshape", [router, b.shape(-1, spec.experts)])
    if spec.router == "softmax":
        return logits
    # The logarithms of the chosen weights, and far less for the others: the softmax normalizes them.
    added = np.zeros(spec.experts, np.float32)
    if spec.router_bias:
        added = w.bare_vector("expert_bias", i, spec.experts)
    pair = [logits, b.constant(f"expert_bias.{i}", added)]
    one = {"n_group": 1, "topk_group": 1, "group_topk": 1}
    return b.node("MoEGroupRouter", pair, 1, MS, top_k=spec.experts_used, **one)  # type: ignore[no-any-return]


def experts(b: GraphBuilder, w: Weights, recipe: Precision, i: int, x: ir.Value) -> ir.Value:
    """Add a mixture of experts as one node, and return its output.

    The router's top-k experts compute each token (Shazeer et al. 2017, arXiv:1701.06538).
    """
    spec = w.spec
    logits = _router(b, w, recipe, i, x)
    # Gate and up alternate, row by row: the kernel's "interleaved" form of SwiGLU.
    share = spec.experts_used / spec.experts
    inputs: list[ir.Value | None] = [x, logits]
    more: dict[str, Any] = {}
    for name, roles, shape in (
        ("up", ("expert_gate", "expert_up"), (spec.expert_ffn, spec.hidden)),
        ("down", ("expert_down",), (spec.hidden, spec.expert_ffn)),
    ):
        parts = (
            recipe.expert([w.matrix(role, i, shape, expert=expert) for role in roles])
            for expert in range(spec.experts)
        )
        biases = [w.expert_bias(role, i, shape[0]) for role in roles]
        bias = None
        if all(item is not None for item in biases):
            values = np.stack([item for item in biases if item is not None], axis=-1)
            bias = b.constant(f"expert_{name}.{i}.bias", values.reshape(spec.experts, -1))
        weights, nbytes = b.experts(f"expert_{name}.{i}", parts, spec.experts)
        inputs += [*weights, bias]
        b.bytes_per_token += int(nbytes * share)
        if recipe.packs_experts:
            more |= {"expert_weight_bits": 8, "block_size": BLOCK}
    if spec.swiglu_limit:
        more["swiglu_limit"] = spec.swiglu_limit
    out = b.node(
        "QMoE" if recipe.packs_experts else "MoE",
        inputs,
        domain=MS,
        k=spec.experts_used,
        activation_type="swiglu",
        swiglu_fusion=1,
        normalize_routing_weights=int(spec.normalize_experts),
        activation_alpha=spec.swiglu_alpha,
        activation_beta=spec.swiglu_offset,
        **more,
    )
    if spec.expert_scale != 1:
        out = b.node("Mul", [out, b.constant(f"expert_scale.{i}", np.array(spec.expert_scale, np.float32))])
    return b.node("Add", [out, _shared(b, w, recipe, i, x)]) if spec.shared_ffn else out  # type: ignore[no-any-return]


def _shared(b: GraphBuilder, w: Weights, recipe: Precision, i: int, x: ir.Value) -> ir.Value:
    """Return what the MLP next to the experts adds: σ(gate(x)) · down(silu(gate(x)) · up(x))."""
    spec = w.spec

    def linear(role: str, out: int, inner: int, x: ir.Value) -> ir.Value:
        return b.linear(f"{role}.{i}", x, recipe.pack(role, [w.matrix(role, i, (out, inner))]))

    gate, up = (linear(f"shared_{role}", spec.shared_ffn, spec.hidden, x) for role in ("gate", "up"))
    inner = b.node("Mul", [activate(b, spec.activation, gate), up])
    share = w.vector("shared_share", i, size=spec.hidden)
    if share is None:
        raise ModelFileError(f"the model file has no gate of the shared expert of layer {i}", hint=OTHER)
    weight = np.ascontiguousarray(share[:, None])
    opened = b.node("Sigmoid", [b.linear(f"shared_share.{i}", x, weight)])
    return b.node("Mul", [linear("shared_down", spec.hidden, spec.shared_ffn, inner), opened])  # type: ignore[no-any-return]
