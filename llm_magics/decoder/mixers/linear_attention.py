"""Gated DeltaNet (Yang et al. 2024, arXiv:2412.06464) in place of attention: each token changes a state.

The projections of a token pass a short causal convolution, and become a query, a key and a value per head.
The state S of a head forgets by the factor exp(g), and moves what it holds under the key towards the value:
S ← exp(g) · S + β · (v − exp(g) · S k) kᵀ. The answer is S q, normed and gated.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graph_builder import MS, GraphBuilder, value
from ..precision import Precision
from ..weights import Weights


class LinearAttention:
    """Builds the linear attention of one layer after the other; keeps the inputs and outputs of its state."""

    def __init__(self, b: GraphBuilder, weights: Weights, recipe: Precision) -> None:
        self.inputs: list[ir.Value] = []
        self.outputs: list[ir.Value] = []
        self._b, self._w, self._recipe, self._spec = b, weights, recipe, weights.spec

    def __call__(self, i: int, x: ir.Value) -> ir.Value:
        b, w, spec = self._b, self._w, self._spec
        n, heads = len(self.inputs) // 2, spec.linear_value_heads
        wide, own = spec.linear_width, heads * spec.linear_value_dim
        kernel = w.conv_kernel("linear_conv", i, wide, spec.linear_kernel)[:, None]
        past_conv = value(f"past_state_conv.{n}", ir.DataType.FLOAT, "B", spec.linear_kernel - 1, wide)
        size = heads, spec.linear_value_dim, spec.linear_key_dim
        past = value(f"past_state.{n}", ir.DataType.FLOAT, "B", *size)
        qkv = self._product("linear_qkv", i, x, wide)
        mixed, present_conv = b.node(
            "CausalConvWithState",
            [qkv, b.constant(f"linear_conv.{i}", kernel), None, past_conv],
            2,
            MS,
            ndim=1,
            activation="silu",
            channels_last=1,
        )
        keys = spec.linear_key_heads * spec.linear_key_dim
        parts = b.node("Split", [mixed, b.shape(keys, keys, own)], 3, axis=-1)
        by_head = [
            b.node("Reshape", [part, b.shape(0, 0, count, size)])
            for part, count, size in zip(
                parts,
                (spec.linear_key_heads, spec.linear_key_heads, heads),
                (spec.linear_key_dim, spec.linear_key_dim, spec.linear_value_dim),
                strict=True,
            )
        ]
        decay, beta, a_log, shift = self._gates(i, x)
        out, present = b.node(
            "GatedDeltaNet",
            [*by_head, None, decay, beta, past, a_log, shift],
            2,
            MS,
            update_rule="gated_delta",
            gate_activation="softplus",
            beta_activation="sigmoid",
            qk_l2_norm=1,
        )
        for kept, name, shape in (
            (present_conv, f"present_state_conv.{n}", past_conv.shape),
            (present, f"present_state.{n}", past.shape),
        ):
            kept.name, kept.shape, kept.type = name, shape, ir.TensorType(ir.DataType.FLOAT)
        self.inputs += [past, past_conv]
        self.outputs += [present, present_conv]
        weight = b.constant(f"linear_norm.{i}", w.plain_norm("linear_norm", i, spec.linear_value_dim))
        gate = self._product("linear_z", i, x, own)
        flat = b.node("Reshape", [out, b.shape(0, 0, own)])
        normed = b.node("GatedRMSNorm", [flat, weight, gate], 1, MS, activation="silu", epsilon=spec.norm_eps)
        packed = self._recipe.pack("linear_out", [w.matrix("linear_out", i, (spec.hidden, own))])
        return b.linear(f"linear_out.{i}", normed, packed)

    def _gates(self, i: int, x: ir.Value) -> list[ir.Value]:
        """Return what the decay and the rate of a token come from, and the parameters of the decay.

        In float32: what a state forgets is the product of the factors of all tokens.
        """
        b, w, spec = self._b, self._w, self._spec
        heads = spec.linear_value_heads
        matrices = [w.matrix(role, i, (heads, spec.hidden)).dequantize() for role in ("linear_a", "linear_b")]
        both = np.ascontiguousarray(np.concatenate(matrices).T.astype(np.float32))
        gates = b.node("Split", [b.linear(f"linear_gates.{i}", x, both)], 2, axis=-1, num_outputs=2)
        names = ("A_log", "dt_bias")
        return [*gates, *(b.constant(f"linear_{name}.{i}", w.bare_vector(name, i, heads)) for name in names)]

    def _product(self, role: str, i: int, x: ir.Value, rows: int) -> ir.Value:
        weight = self._w.matrix(role, i, (rows, self._spec.hidden))
        return self._b.linear(f"{role}.{i}", x, self._recipe.pack(role, [weight]))
