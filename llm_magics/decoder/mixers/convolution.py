"""The gated short convolution of LFM2 (Liquid AI 2025), in place of attention."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..graph_builder import GraphBuilder, value
from ..precision import Precision
from ..weights import Weights

_END = np.iinfo(np.int64).max


class Convolution:
    """Builds the convolutions of one layer after the other; keeps the inputs and outputs of their cache.

    y = C · conv(B · x), elementwise but for the projections; it sees ``conv_kernel`` tokens of its channel.
    What is cached is B · x of every token, so that any prefix can be taken up again.
    """

    def __init__(self, b: GraphBuilder, weights: Weights, recipe: Precision) -> None:
        self.inputs: list[ir.Value] = []
        self.outputs: list[ir.Value] = []
        self._b, self._w, self._recipe, self._spec = b, weights, recipe, weights.spec

    def __call__(self, i: int, x: ir.Value) -> ir.Value:
        b, w, spec = self._b, self._w, self._spec
        n, hidden, kernel = len(self.inputs), spec.hidden, spec.conv_kernel
        packed = self._recipe.pack("conv_in", [w.matrix("conv_in", i, (3 * hidden, hidden))])
        parts = b.node("Split", [b.linear(f"conv_in.{i}", x, packed)], 3, axis=-1, num_outputs=3)
        gated = b.node("Mul", [parts[0], parts[2]])
        past = value(f"past_conv.{n}", ir.DataType.FLOAT, "B", kernel - 1, hidden)
        seen = b.node("Concat", [past, gated], axis=1)
        weights = w.conv_kernel("conv", i, hidden, kernel)
        out: ir.Value | None = None
        for k in range(kernel):  # token t sees places t … t + kernel − 1 of what stands behind the past
            end = k - kernel + 1 if k < kernel - 1 else _END
            part = b.node("Slice", [seen, b.shape(k), b.shape(end), b.shape(1)])
            part = b.node("Mul", [part, b.constant(f"conv.{i}.{k}", weights[:, k])])
            out = part if out is None else b.node("Add", [out, part])
        present = b.node("Identity", [gated])
        present.name, present.shape = f"present_conv.{n}", ir.Shape(("B", "S", hidden))
        present.type = ir.TensorType(ir.DataType.FLOAT)
        self.inputs.append(past)
        self.outputs.append(present)
        mixed = b.node("Mul", [parts[1], out])
        packed = self._recipe.pack("conv_out", [w.matrix("conv_out", i, (hidden, hidden))])
        return b.linear(f"conv_out.{i}", mixed, packed)
