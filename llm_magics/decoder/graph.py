"""DecoderSpec + weights → one fused ONNX graph, built with onnx_ir. No torch.

Inputs:  ``input_ids`` int64 (B, S); ``seqlens_k`` int32 (B,) = tokens cached after this call, less one;
         ``total_length`` int32 () = the largest of these and one; ``logits_at`` int64 (n,) = positions within
         S whose logits are wanted; ``past_key.i``, ``past_value.i`` float32 (B, KV heads, capacity,
         cache_dim).
Outputs: ``logits`` float32 (B, n, vocab); ``present_key.i``, ``present_value.i``, to be bound to the same
         memory as the past: GroupQueryAttention then appends in place.

Fused as ONNX Runtime's CPU kernels want it: rotary embedding inside GroupQueryAttention, q/k/v in one product
where they are packed alike, gate and up too, residual addition inside the norms, and a head computed only
where logits are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnx_ir as ir

from .attention import Attention
from .mlp import experts, mlp
from .nodes import MS, Nodes, value
from .quantize import BLOCK
from .recipe import Recipe
from .weights import Weights


def build(
    weights: Weights, folder: Path, recipe: Recipe, *, each: Callable[[range], Iterable[int]] = iter
) -> tuple[ir.Model, int]:
    """Build the decoder and write it into ``folder``: decoder.onnx and weights.bin.

    Args:
        weights: of the model, with its spec.
        recipe: how matrices are packed.
        each: walks over the layers, to show progress.

    Returns:
        The model, and the bytes of weights that one decoded token reads.

    Raises:
        ModelFileError: a weight is missing or has the wrong shape.
    """
    b = Nodes(folder, accuracy_level=recipe.accuracy_level)
    try:
        model = _Decoder(b, weights, recipe).model(each)
    finally:
        b.close()
    ir.save(model, folder / "decoder.onnx")
    return model, b.bytes_per_token


class _Decoder:
    def __init__(self, b: Nodes, weights: Weights, recipe: Recipe) -> None:
        self.b, self.weights, self.recipe, self.spec = b, weights, recipe, weights.spec

    def model(self, each: Callable[[range], Iterable[int]]) -> ir.Model:
        b, spec, w = self.b, self.spec, self.weights
        ids, at = value("input_ids", ir.DataType.INT64, "B", "S"), value("logits_at", ir.DataType.INT64, "n")
        seqlens, total = value("seqlens_k", ir.DataType.INT32, "B"), value("total_length", ir.DataType.INT32)
        residual, head = self._ends(ids)
        if spec.embed_scale != 1:
            residual = b.node(
                "Mul", [residual, b.constant("embed_scale", np.array(spec.embed_scale, np.float32))]
            )
        if spec.positions == "learned":
            table = b.constant(
                "positions", w.matrix("positions", shape=(spec.context, spec.hidden)).dequantize()
            )
            residual = b.node("Add", [residual, b.node("Gather", [table, self._places(ids, seqlens)])])
        attention = Attention(b, w, self.recipe, ids, seqlens, total)
        skip: ir.Value | None = None
        for i in each(range(spec.layers)):
            residual, skip = self._layer(i, residual, skip, attention)
        x, _ = self._norm("final_norm", 0, residual, skip)
        logits = head(b.node("Gather", [x, at], axis=1))
        if spec.final_softcap:
            cap = b.constant("final_softcap", np.array(spec.final_softcap, np.float32))
            logits = b.node("Mul", [b.node("Tanh", [b.node("Div", [logits, cap])]), cap])
        logits.name, logits.shape, logits.type = (
            "logits",
            ir.Shape(("B", "n", spec.vocab)),
            ir.TensorType(ir.DataType.FLOAT),
        )
        graph = ir.Graph(
            [ids, seqlens, total, at, *attention.inputs],
            [logits, *attention.outputs],
            nodes=b.nodes,
            initializers=b.initializers,
            name="decoder",
            opset_imports={"": 21, MS: 1},
        )
        return ir.Model(graph, ir_version=10, producer_name="llm-magics")

    def _layer(
        self, i: int, residual: ir.Value, skip: ir.Value | None, attention: Attention
    ) -> tuple[ir.Value, ir.Value | None]:
        """One layer; gives the residual and what is still to be added to it."""
        b, block = self.b, self.spec.block
        if block == "post":
            x = residual = self._sum(residual, skip)
        else:
            x, residual = self._norm("attn_norm", i, residual, skip)
        attended = attention(i, x)
        if block == "parallel":
            # Some have a second norm of the same residual, some share the first.
            shared = self._role("ffn_norm", i) is None or self._role("attn_norm", i) == self._role(
                "ffn_norm", i
            )
            y = x if shared else self._norm("ffn_norm", i, residual, None)[0]
            return residual, b.node("Add", [attended, self._mlp(i, y)])
        if block in ("post", "sandwich"):
            attended = self._norm("attn_post_norm", i, attended, None)[0]
        if block == "post":
            x = residual = self._sum(residual, attended)
        else:
            x, residual = self._norm("ffn_norm", i, residual, attended)
        out = self._mlp(i, x)
        return residual, self._norm("ffn_post_norm", i, out, None)[0] if block in (
            "post",
            "sandwich",
        ) else out

    def _mlp(self, i: int, x: ir.Value) -> ir.Value:
        return (experts if self.spec.experts else mlp)(self.b, self.weights, self.recipe, i, x)

    def _sum(self, residual: ir.Value, skip: ir.Value | None) -> ir.Value:
        return residual if skip is None else self.b.node("Add", [residual, skip])

    def _role(self, role: str, i: int) -> str | None:
        """The norm that a layer has: its own, or one of a kind that only some models of the family have."""
        return next((name for name in (f"{role}_alone", role) if self.weights.has(name, i)), None)

    def _norm(self, role: str, i: int, x: ir.Value, skip: ir.Value | None) -> tuple[ir.Value, ir.Value]:
        """Norm of x + skip; gives (normed, x + skip). Only the very first one has nothing to add."""
        b, eps = self.b, self.spec.norm_eps
        name = self._role(role, i) or role
        weight = b.constant(f"{name}.{i}", self.weights.norm(name, i))
        bias = self.weights.vector(name, i, size=self.spec.hidden, kind="bias")
        shift = None if bias is None else b.constant(f"{name}.{i}.bias", bias)
        layer = self.spec.norm == "layer"
        if skip is None:
            op = "LayerNormalization" if layer else "SimplifiedLayerNormalization"
            inputs = [x, weight] if shift is None else [x, weight, shift]
            return b.node(op, inputs, epsilon=eps, axis=-1), x
        op = "SkipLayerNormalization" if layer else "SkipSimplifiedLayerNormalization"
        inputs = [x, skip, weight] if shift is None else [x, skip, weight, shift]
        out = b.node(op, inputs, 4, MS, epsilon=eps)
        out[1].name = out[2].name = ""  # mean and deviation are training outputs
        return out[0], out[3]

    def _ends(self, ids: ir.Value) -> tuple[ir.Value, Callable[[ir.Value], ir.Value]]:
        """Embedded tokens (B, S, hidden), and the head. Where both are one table, it is kept once."""
        b, spec, w = self.b, self.spec, self.weights
        table = w.matrix("embed", shape=(spec.vocab, spec.hidden))
        own, bias = w.has("head"), w.vector("head", size=spec.vocab, kind="bias")
        packed = None if spec.hidden % BLOCK else self.recipe.table(table)
        if packed is None:
            embedded = b.node("Gather", [b.floats("embed", self.recipe.half(table.dequantize())), ids])
        else:
            embedded, parts = b.rows("embed", packed, ids)
            if not own:
                return embedded, lambda x: b.tied(x, parts, packed)

        def head(x: ir.Value) -> ir.Value:
            source = w.matrix("head", shape=(spec.vocab, spec.hidden)) if own else table
            return b.linear("head", x, self.recipe.pack("head", [source]), bias)

        return embedded, head

    def _places(self, ids: ir.Value, seqlens: ir.Value) -> ir.Value:
        """The position of every token, int64 (B, S): seqlens - (S - 1) + 0, 1, …, S - 1."""
        b = self.b
        last = b.node("Unsqueeze", [b.node("Cast", [seqlens], to=int(ir.DataType.INT64)), b.shape(1)])
        size = b.node("Squeeze", [b.node("Shape", [ids], start=1, end=2)])
        one = b.constant("one", np.array(1, np.int64))
        steps = b.node("Range", [b.node("Sub", [one, size]), one, one])
        zero = b.constant("zero", np.array(0, np.int64))
        return b.node("Max", [b.node("Add", [last, steps]), zero])  # type: ignore[no-any-return]
