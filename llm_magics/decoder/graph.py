"""DecoderSpec + weights → one fused ONNX graph, built with onnx_ir. No torch.

Inputs:  ``input_ids`` int64 (B, S); ``seqlens_k`` int32 (B,) = tokens cached after this call, less one;
         ``total_length`` int32 () = the largest of these and one; ``logits_at`` int64 (n,) = positions within
         S that logits are computed for; ``past_key.i``, ``past_value.i`` float32 (B, KV heads, capacity,
         cache_dim), numbered over the layers with attention; ``past_conv.i`` float32 (B, conv_kernel − 1,
         hidden), numbered over those with a convolution; ``past_state.i`` float32 (B, value heads, value dim,
         key dim) and ``past_state_conv.i`` float32 (B, linear_kernel − 1, channels), over those with linear
         attention.
Outputs: ``logits`` float32 (B, n, vocab); ``present_key.i``, ``present_value.i``, to be bound to the same
         memory as the past: GroupQueryAttention then appends in place; ``present_conv.i`` float32 (B, S,
         hidden), what the convolutions saw of each token; ``present_state.i``, ``present_state_conv.i``.

Fused as ONNX Runtime's CPU kernels want it: rotary embedding inside GroupQueryAttention, q/k/v in one product
where they are packed alike, gate and up too, residual addition inside the norms, and a head computed only
where logits are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir

from .graph_builder import MS, GraphBuilder, require_new_operators, value
from .mixers.attention import Attention
from .mixers.convolution import Convolution
from .mixers.linear_attention import LinearAttention
from .mlp import experts, mlp
from .per_layer_inputs import PerLayerInputs
from .precision import Precision
from .quantize import BLOCK
from .spec import DecoderSpec
from .weights import Weights


def check_operators(spec: DecoderSpec) -> None:
    """Check that ONNX Runtime has the operators of a decoder.

    Raises:
        UnsupportedModel: it is too old.
    """
    if not spec.linear_layers and spec.router == "softmax":
        return
    require_new_operators(spec.family)


def build(
    weights: Weights, folder: Path, recipe: Precision, *, on_layer: Callable[[range], Iterable[int]] = iter
) -> tuple[ir.Model, int]:
    """Build the decoder and write it into ``folder``: decoder.onnx and weights.bin.

    Args:
        weights: of the model, with its spec.
        folder: the folder to write.
        recipe: how matrices are packed.
        on_layer: walks over the layers, to show progress.

    Returns:
        The model, and the bytes of weights that one decoded token reads.

    Raises:
        ModelFileError: a weight is missing or has the wrong shape.
    """
    check_operators(weights.spec)
    b = GraphBuilder(folder, accuracy_level=recipe.accuracy_level)
    try:
        model = _DecoderGraph(b, weights, recipe).model(on_layer)
    finally:
        b.close()
    ir.save(model, folder / "decoder.onnx")
    return model, b.bytes_per_token


class _DecoderGraph:
    def __init__(self, b: GraphBuilder, weights: Weights, recipe: Precision) -> None:
        self.b, self.weights, self.recipe, self.spec = b, weights, recipe, weights.spec
        self._scale: ir.Value | None = None

    def model(self, on_layer: Callable[[range], Iterable[int]]) -> ir.Model:
        b, spec, w = self.b, self.spec, self.weights
        ids, at = value("input_ids", ir.DataType.INT64, "B", "S"), value("logits_at", ir.DataType.INT64, "n")
        seqlens, total = value("seqlens_k", ir.DataType.INT32, "B"), value("total_length", ir.DataType.INT32)
        residual, head = self._input_and_output(ids)
        if spec.embed_scale != 1:
            residual = b.node(
                "Mul", [residual, b.constant("embed_scale", np.array(spec.embed_scale, np.float32))]
            )
        if spec.positions == "learned":
            table = b.constant(
                "positions", w.matrix("positions", shape=(spec.context, spec.hidden)).dequantize()
            )
            residual = b.node("Add", [residual, b.node("Gather", [table, self._positions(ids, seqlens)])])
        attention = Attention(b, w, self.recipe, ids, seqlens, total)
        self._per_layer = PerLayerInputs(b, w, self.recipe, ids, residual) if spec.per_layer_dim else None
        self._convolution = Convolution(b, w, self.recipe)
        self._linear = LinearAttention(b, w, self.recipe)
        skip: ir.Value | None = None
        for i in on_layer(range(spec.layers)):
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
            [ids, seqlens, total, at, *attention.inputs, *self._convolution.inputs, *self._linear.inputs],
            [logits, *attention.outputs, *self._convolution.outputs, *self._linear.outputs],
            nodes=b.nodes,
            initializers=b.initializers,
            name="decoder",
            opset_imports={"": 21, MS: 1},
        )
        return ir.Model(graph, ir_version=10, producer_name="llm-magics")

    def _layer(
        self, i: int, residual: ir.Value, skip: ir.Value | None, attention: Attention
    ) -> tuple[ir.Value, ir.Value | None]:
        """Add one layer; return the residual and what is still to be added to it."""
        b, block = self.b, self.spec.block
        if block == "post":
            x = residual = self._sum(residual, skip)
        else:
            x, residual = self._norm("attn_norm", i, residual, skip)
        mixer: Callable[[int, ir.Value], ir.Value] = attention
        if i in self.spec.conv_layers:
            mixer = self._convolution
        elif i in self.spec.linear_layers:
            mixer = self._linear
        attended = self._scaled(mixer(i, x))
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
        if block in ("post", "sandwich"):
            out = self._norm("ffn_post_norm", i, out, None)[0]
        if self._per_layer is None and not self.spec.layer_scale:
            return residual, out
        return self._end_of_layer(i, b.node("Add", [residual, out])), None

    def _end_of_layer(self, i: int, x: ir.Value) -> ir.Value:
        """Add the layer's own embedding of each token, and scale the stream (Gemma 4)."""
        b, spec = self.b, self.spec
        if self._per_layer is not None:
            gated = self._per_layer.gated(i, x)
            x = b.node("Add", [x, self._norm("ple_post_norm", i, gated, None)[0]])
        if spec.layer_scale:
            x = b.node(
                "Mul", [x, b.constant(f"layer_scale.{i}", self.weights.bare_vector("layer_scale", i, 1))]
            )
        return x

    def _mlp(self, i: int, x: ir.Value) -> ir.Value:
        part = experts if self.spec.has_experts(i) else mlp
        return self._scaled(part(self.b, self.weights, self.recipe, i, x))

    def _scaled(self, x: ir.Value) -> ir.Value:
        """Multiply by the residual scale, where there is one."""
        if self.spec.residual_scale == 1:
            return x
        if self._scale is None:
            scale = np.array(self.spec.residual_scale, np.float32)
            self._scale = self.b.constant("residual_scale", scale)
        return self.b.node("Mul", [x, self._scale])  # type: ignore[no-any-return]

    def _sum(self, residual: ir.Value, skip: ir.Value | None) -> ir.Value:
        return residual if skip is None else self.b.node("Add", [residual, skip])

    def _role(self, role: str, i: int) -> str | None:
        """Return the norm that a layer has.

        Its own, or one of a kind that only some models of the family have.
        """
        return next((name for name in (f"{role}_alone", role) if self.weights.has(name, i)), None)

    def _norm(self, role: str, i: int, x: ir.Value, skip: ir.Value | None) -> tuple[ir.Value, ir.Value]:
        """Add the norm of x + skip; return (normed, x + skip). The first norm has no skip."""
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

    def _input_and_output(self, ids: ir.Value) -> tuple[ir.Value, Callable[[ir.Value], ir.Value]]:
        """Return embedded tokens (B, S, hidden), and the head. Where both are one table, it is kept once."""
        b, spec, w = self.b, self.spec, self.weights
        table = w.matrix("embed", shape=(spec.vocab, spec.hidden))
        own, bias = w.has("head"), w.vector("head", size=spec.vocab, kind="bias")
        packed = None if spec.hidden % BLOCK else self.recipe.table(table)
        if packed is None:
            embedded = b.node("Gather", [b.table("embed", table, self.recipe), ids])
        else:
            embedded, parts = b.rows("embed", packed, ids)
            nbytes = packed.nbytes
            packed = replace(packed, q=packed.q[:0].copy())  # it is written, and large
            if not own:
                return embedded, lambda x: b.tied(x, parts, packed, nbytes)

        def head(x: ir.Value) -> ir.Value:
            source = w.matrix("head", shape=(spec.vocab, spec.hidden)) if own else table
            return b.linear("head", x, self.recipe.pack("head", [source]), bias)

        return embedded, head

    def _positions(self, ids: ir.Value, seqlens: ir.Value) -> ir.Value:
        """Return the position of every token, int64 (B, S): seqlens - (S - 1) + 0, 1, …, S - 1."""
        b = self.b
        last = b.node("Unsqueeze", [b.node("Cast", [seqlens], to=int(ir.DataType.INT64)), b.shape(1)])
        size = b.node("Squeeze", [b.node("Shape", [ids], start=1, end=2)])
        one = b.constant("one", np.array(1, np.int64))
        steps = b.node("Range", [b.node("Sub", [one, size]), one, one])
        zero = b.constant("zero", np.array(0, np.int64))
        return b.node("Max", [b.node("Add", [last, steps]), zero])  # type: ignore[no-any-return]
