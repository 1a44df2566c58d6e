"""The MLP part of a layer, dense or a mixture of experts."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from .nodes import MS, Nodes
from .quantize import BLOCK, Packed
from .recipe import Recipe
from .weights import Weights


def mlp(b: Nodes, w: Weights, recipe: Recipe, i: int, x: ir.Value) -> ir.Value:
    """down(act(gate(x)) · up(x)), or down(act(up(x)))."""
    spec = w.spec

    def linear(role: str, out: int, inner: int, x: ir.Value) -> ir.Value:
        packed = recipe.pack(role, [w.matrix(role, i, (out, inner))])
        return b.linear(f"{role}.{i}", x, packed, w.vector(role, i, size=out, kind="bias"))

    if not spec.gated:
        return linear(
            "down",
            spec.hidden,
            spec.ffn,
            _activate(b, spec.activation, linear("up", spec.ffn, spec.hidden, x)),
        )
    pair = [w.matrix(role, i, (spec.ffn, spec.hidden)) for role in ("gate", "up")]
    biases = [w.vector(role, i, size=spec.ffn, kind="bias") for role in ("gate", "up")]
    if len({tensor.kind for tensor in pair}) == 1 and (biases[0] is None) == (biases[1] is None):
        bias = None if biases[0] is None or biases[1] is None else np.concatenate([biases[0], biases[1]])
        both = b.linear(f"gate_up.{i}", x, recipe.pack("gate_up", pair), bias)
        gate, up = b.node("Split", [both], 2, axis=-1, num_outputs=2)
    else:
        gate, up = linear("gate", spec.ffn, spec.hidden, x), linear("up", spec.ffn, spec.hidden, x)
    return linear("down", spec.hidden, spec.ffn, b.node("Mul", [_activate(b, spec.activation, gate), up]))


def _activate(b: Nodes, kind: str, x: ir.Value) -> ir.Value:
    if kind == "silu":
        return b.node("QuickGelu", [x], domain=MS, alpha=1.0)  # type: ignore[no-any-return]  # x · sigmoid(1 · x)
    if kind == "relu":
        return b.node("Relu", [x])  # type: ignore[no-any-return]
    return b.node("Gelu", [x], approximate="tanh" if kind == "gelu_tanh" else "none")  # type: ignore[no-any-return]


def experts(b: Nodes, w: Weights, recipe: Recipe, i: int, x: ir.Value) -> ir.Value:
    """A mixture of experts (Shazeer et al. 2017, arXiv:1701.06538) in one node: the router's best few answer
    for a token.
    """
    spec = w.spec
    router = b.linear(f"router.{i}", x, recipe.dense([w.matrix("router", i, (spec.experts, spec.hidden))]))
    logits = b.node("Reshape", [router, b.shape(-1, spec.experts)])

    # Gate and up alternate, row by row: the kernel's "interleaved" form of SwiGLU.
    share = spec.experts_used / spec.experts
    inputs: list[ir.Value | None] = [x, logits]
    more: dict[str, int] = {}
    for name, roles, shape in (
        ("up", ("expert_gate", "expert_up"), (spec.expert_ffn, spec.hidden)),
        ("down", ("expert_down",), (spec.hidden, spec.expert_ffn)),
    ):
        parts = [
            recipe.expert([w.matrix(role, i, shape, expert=expert) for role in roles])
            for expert in range(spec.experts)
        ]
        packed = [part for part in parts if isinstance(part, Packed)]
        if packed:
            q = np.stack([part.q.reshape(len(part.q), -1) for part in packed])
            scales = np.stack([part.scales for part in packed])
            inputs += [
                b.constant(f"expert_{name}.{i}.q", q),
                b.constant(f"expert_{name}.{i}.scales", scales),
                None,
            ]
            b.bytes_per_token += int((q.nbytes + scales.nbytes) * share)
            more = {"expert_weight_bits": packed[0].bits, "block_size": BLOCK}
        else:
            floats = np.stack([part for part in parts if not isinstance(part, Packed)])
            inputs += [b.constant(f"expert_{name}.{i}", floats), None]
            b.bytes_per_token += int(floats.nbytes * share)
    return b.node(  # type: ignore[no-any-return]
        "QMoE" if more else "MoE",
        inputs,
        domain=MS,
        k=spec.experts_used,
        activation_type="swiglu",
        swiglu_fusion=1,
        normalize_routing_weights=int(spec.normalize_experts),
        activation_alpha=1.0,
        activation_beta=0.0,
        **more,
    )
