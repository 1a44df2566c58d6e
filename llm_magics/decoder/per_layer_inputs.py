"""Per-layer embeddings: every layer adds an embedding of the token of its own (Gemma 3n, Gemma 4).

The table has a row a token with the embeddings of all layers: most of the weights of a small model. It is
only looked up, so that its pages stay in the file until a token needs its row.

Formulas: transformers, ``Gemma4TextModel.project_per_layer_inputs`` and ``Gemma4TextDecoderLayer.forward``.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..errors import ModelFileError
from .graph_builder import GraphBuilder
from .mlp import activate
from .precision import Precision
from .weights import OTHER, Weights


class PerLayerInputs:
    """Adds what all layers read once, and the part of one layer after the other.

    Args:
        b: the graph.
        weights: of the model.
        recipe: how matrices are packed.
        ids: token ids (B, S).
        embedded: the scaled embeddings (B, S, hidden) that go into the first layer.
    """

    def __init__(
        self, b: GraphBuilder, weights: Weights, recipe: Precision, ids: ir.Value, embedded: ir.Value
    ) -> None:
        self._b, self._w, self._recipe, spec = b, weights, recipe, weights.spec
        dim, layers = spec.per_layer_dim, spec.layers
        table = weights.matrix("ple_table")
        if table.shape[0] < spec.vocab or table.shape[1] != layers * dim:
            raise ModelFileError(f"{table.name} has shape {table.shape}", hint=OTHER)
        rows = b.lookup("ple_table", table.take(slice(0, spec.vocab)), recipe, ids)
        # (norm(projection · hidden ** −½) + row · dim ** ½) · 2 ** −½: the norm takes the first factor into
        # its epsilon, and the last one into its weights.
        packed = recipe.pack(
            "ple_projection", [weights.matrix("ple_projection", 0, (layers * dim, spec.hidden))]
        )
        projected = b.linear("ple_projection", embedded, packed)
        projected = b.node("Reshape", [projected, b.shape(0, 0, layers, dim)])
        norm = b.constant("ple_norm", weights.norm("ple_norm", 0, dim) * np.float32(2**-0.5))
        eps = spec.norm_eps * spec.hidden
        projected = b.node("SimplifiedLayerNormalization", [projected, norm], epsilon=eps, axis=-1)
        projected = b.node("Reshape", [projected, b.shape(0, 0, layers * dim)])
        scale = b.constant("ple_scale", np.array((dim / 2) ** 0.5, np.float32))
        both = b.node("Add", [projected, b.node("Mul", [rows, scale])])
        parts = b.node("Split", [both], layers, axis=-1, num_outputs=layers)
        self._parts: list[ir.Value] = [parts] if layers == 1 else list(parts)

    def gated(self, i: int, x: ir.Value) -> ir.Value:
        """Return out(act(gate(x)) · embedding of layer i), (B, S, hidden), from the stream x."""
        b, w, spec = self._b, self._w, self._w.spec

        def linear(role: str, out: int, inner: int, x: ir.Value) -> ir.Value:
            return b.linear(f"{role}.{i}", x, self._recipe.pack(role, [w.matrix(role, i, (out, inner))]))

        gate = activate(b, spec.activation, linear("ple_gate", spec.per_layer_dim, spec.hidden, x))
        return linear("ple_out", spec.hidden, spec.per_layer_dim, b.node("Mul", [gate, self._parts[i]]))
