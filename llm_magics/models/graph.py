"""DecoderSpec + weights → one fused ONNX graph, built with onnx_ir. No torch.

Inputs:  ``input_ids`` int64 (1, S); ``seqlens_k`` int32 (1,) = tokens cached after this call, less one; ``total_length``
         int32 () = that many and one; ``logits_at`` int64 (n,) = positions within S whose logits are wanted;
         ``past_key.i``, ``past_value.i`` float32 (1, KV heads, capacity, head_dim).
Outputs: ``logits`` float32 (1, n, vocab); ``present_key.i``, ``present_value.i``, to be bound to the same memory as the past:
         GroupQueryAttention then appends in place.

Fused as ONNX Runtime's CPU kernels want it: rotary embedding inside GroupQueryAttention, q/k/v in one product where they are
packed alike, gate and up too, residual addition inside the norms, and a head computed only where logits are asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import ModelFileError, UnsupportedModel
from .families import FAMILIES
from .gguf import GgufTensor
from .quantize import BLOCK, Floats, Packed, dense, pack
from .spec import DecoderSpec

MS = "com.microsoft"
Weights = Callable[[str, int], GgufTensor | None]  # role, layer → tensor


class _Builder:
    """Collects nodes and initialisers, and counts the bytes a decoded token reads."""

    def __init__(self) -> None:
        self.nodes: list[ir.Node] = []
        self.initializers: list[ir.Value] = []
        self.bytes_per_token = 0
        self._extended: dict[ir.Value, ir.Value] = {}

    def constant(self, name: str, array: NDArray[Any]) -> ir.Value:
        tensor = ir.tensor(np.ascontiguousarray(array), name=name)
        value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        self.initializers.append(value)
        return value

    def node(self, op: str, inputs: list[ir.Value | None], outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        node = ir.node(op, inputs, attributes, domain=domain, num_outputs=outputs, name=f"{op}.{len(self.nodes)}")
        for index, value in enumerate(node.outputs):
            value.name = f"{node.name}.{index}"
        self.nodes.append(node)
        return node.outputs[0] if outputs == 1 else node.outputs

    def _with_means(self, x: ir.Value) -> ir.Value:
        """x (1, S, K) → (1, S, K + K/32): the mean of each block of 32 behind it. Once for all who read x."""
        if x not in self._extended:
            means = self.node("AveragePool", [x], kernel_shape=[BLOCK], strides=[BLOCK])
            self._extended[x] = self.node("Concat", [x, means], axis=-1)
        return self._extended[x]

    def linear(self, name: str, x: ir.Value, weight: Packed | Floats) -> ir.Value:
        """x (1, S, K) → (1, S, N)."""
        self.bytes_per_token += weight.nbytes
        if not isinstance(weight, Packed):
            return self.node("MatMul", [x, self.constant(name, weight)])  # type: ignore[no-any-return]
        parts: list[ir.Value | None] = [
            self.constant(f"{name}.q", weight.q),
            self.constant(f"{name}.scales", weight.scales),
        ]
        if weight.zeros is not None:
            parts.append(self.constant(f"{name}.zeros", weight.zeros))
        if weight.means:
            x = self._with_means(x)
        return self._nbits(x, parts, weight)

    def _nbits(self, x: ir.Value, parts: list[ir.Value | None], weight: Packed) -> ir.Value:
        return self.node(  # type: ignore[no-any-return]
            "MatMulNBits", [x, *parts], domain=MS, N=len(weight.q), K=weight.inputs, bits=weight.bits, block_size=BLOCK,
            accuracy_level=4,
        )  # fmt: skip

    def tied(self, table: Packed, ids: ir.Value) -> tuple[ir.Value, Callable[[ir.Value], ir.Value]]:
        """Embedding rows (1, S, K), and the head over the very same 8-bit table."""
        blocks = table.scales.shape[1]
        q, scales = self.constant("embed.q", table.q), self.constant("head.scales", table.scales)
        row_scales = self.constant("embed.scales", table.scales[..., None])
        rows = self.node("GatherBlockQuantized", [q, ids, row_scales], domain=MS, bits=8, block_size=BLOCK, quantize_axis=2)
        rows = self.node("Reshape", [rows, self.constant("embed.shape", np.array([0, 0, blocks * BLOCK]))])

        def head(x: ir.Value) -> ir.Value:
            self.bytes_per_token += table.nbytes
            return self._nbits(x, [q, scales], table)

        return rows, head


def build(
    spec: DecoderSpec, weights: Weights, *, quantized: bool, each: Callable[[range], Iterable[int]] = iter
) -> tuple[ir.Model, int]:
    """Build the decoder.

    Args:
        spec: the shape.
        weights: gives the stored tensor of a role in a layer, or None where the model has none.
        quantized: pack as quantize.py describes; otherwise everything in float32.
        each: walks over the layers, to show progress.

    Returns:
        The model, and the bytes of weights that one decoded token reads.

    Raises:
        ModelFileError: a weight is missing or has the wrong shape.
    """
    b = _Builder()
    interleaved = FAMILIES[spec.family].interleaved_rope
    q_rows, kv_rows = spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim

    def need(role: str, layer: int, *shape: int) -> GgufTensor:
        tensor = weights(role, layer)
        if tensor is None:
            raise ModelFileError(f"the model file has no {role} weight for layer {layer}", hint="fetch it again")
        if tensor.shape != shape:
            raise ModelFileError(f"{tensor.name} has shape {tensor.shape}, not {shape}", hint="fetch it again")
        return tensor

    def matrix(tensors: list[GgufTensor], order: list[NDArray[np.intp] | None] | None = None) -> Packed | Floats:
        return pack(tensors, order) if quantized else dense(tensors, order)

    def norm_weight(role: str, layer: int) -> ir.Value:
        return b.constant(f"{role}.{layer}", need(role, layer, spec.hidden).dequantize())

    def norm(x: ir.Value, skip: ir.Value | None, weight: ir.Value) -> tuple[ir.Value, ir.Value]:
        """RMS norm of x + skip; gives (normed, x + skip). Only the very first one has nothing to add."""
        if skip is None:
            return b.node("SimplifiedLayerNormalization", [x, weight], epsilon=spec.norm_eps, axis=-1), x
        out = b.node("SkipSimplifiedLayerNormalization", [x, skip, weight], 4, MS, epsilon=spec.norm_eps)
        out[1].name = out[2].name = ""  # mean and deviation are training outputs
        return out[0], out[3]

    def value(name: str, dtype: ir.DataType, *shape: int | str) -> ir.Value:
        return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))

    input_ids = value("input_ids", ir.DataType.INT64, 1, "S")
    seqlens = value("seqlens_k", ir.DataType.INT32, 1)
    total = value("total_length", ir.DataType.INT32)
    logits_at = value("logits_at", ir.DataType.INT64, "n")
    inputs, outputs = [input_ids, seqlens, total, logits_at], []
    cos, sin = (
        b.constant(name, table) for name, table in zip(("cos", "sin"), _rotary(spec, weights("rope_factors", 0)), strict=True)
    )

    table = need("embed", 0, spec.vocab, spec.hidden)
    own_head = weights("head", 0)
    embedding = pack([table]) if quantized and own_head is None and not spec.hidden % BLOCK else None
    if embedding is not None and embedding.bits == 8 and embedding.zeros is None:
        residual, head = b.tied(embedding, input_ids)
    else:
        floats = b.constant("embed", table.dequantize())
        residual = b.node("Gather", [floats, input_ids])
        head_weight = matrix([table if own_head is None else need("head", 0, spec.vocab, spec.hidden)])

        def head(x: ir.Value) -> ir.Value:
            return b.linear("head", x, head_weight)

    skip: ir.Value | None = None
    unweave: list[NDArray[np.intp] | None] = [None, None, None]
    if interleaved:
        unweave[:2] = _unweave(q_rows, spec.head_dim), _unweave(kv_rows, spec.head_dim)
    cache = (1, spec.kv_heads, "capacity", spec.head_dim)
    for i in each(range(spec.layers)):
        x, residual = norm(residual, skip, norm_weight("attn_norm", i))
        qkv = [
            need("q", i, q_rows, spec.hidden),
            need("k", i, kv_rows, spec.hidden),
            need("v", i, kv_rows, spec.hidden),
        ]
        product: list[ir.Value | None]
        if len({tensor.kind for tensor in qkv}) == 1:
            product = [b.linear(f"qkv.{i}", x, matrix(qkv, unweave)), None, None]
        else:  # each keeps its own kind, exactly
            product = [b.linear(f"{name}.{i}", x, matrix([tensor], [rows]))
                       for name, tensor, rows in zip("qkv", qkv, unweave, strict=True)]  # fmt: skip
        past = [value(f"past_{part}.{i}", ir.DataType.FLOAT, *cache) for part in ("key", "value")]
        attended, *present = b.node(
            "GroupQueryAttention", [*product, *past, seqlens, total, cos, sin], 3, MS, num_heads=spec.heads,
            kv_num_heads=spec.kv_heads, do_rotary=1, rotary_interleaved=0, scale=spec.head_dim**-0.5,
        )  # fmt: skip
        for part, kept in zip(("key", "value"), present, strict=True):
            kept.name, kept.shape, kept.type = f"present_{part}.{i}", ir.Shape(cache), ir.TensorType(ir.DataType.FLOAT)
        inputs += past
        outputs += present
        skip = b.linear(f"o.{i}", attended, matrix([need("o", i, spec.hidden, q_rows)]))
        x, residual = norm(residual, skip, norm_weight("ffn_norm", i))
        pair = [need("gate", i, spec.ffn, spec.hidden), need("up", i, spec.ffn, spec.hidden)]
        if len({tensor.kind for tensor in pair}) == 1:
            gate, up = b.node("Split", [b.linear(f"gate_up.{i}", x, matrix(pair))], 2, axis=-1, num_outputs=2)
        else:
            gate, up = (b.linear(f"{name}.{i}", x, matrix([tensor])) for name, tensor in zip(("gate", "up"), pair, strict=True))
        active = b.node("Mul", [b.node("QuickGelu", [gate], domain=MS, alpha=1.0), up])  # alpha 1: SiLU
        skip = b.linear(f"down.{i}", active, matrix([need("down", i, spec.hidden, spec.ffn)]))
    x, _ = norm(residual, skip, norm_weight("final_norm", 0))
    logits = head(b.node("Gather", [x, logits_at], axis=1))
    logits.name, logits.shape, logits.type = "logits", ir.Shape((1, "n", spec.vocab)), ir.TensorType(ir.DataType.FLOAT)
    graph = ir.Graph(
        inputs, [logits, *outputs], nodes=b.nodes, initializers=b.initializers, name="decoder",
        opset_imports={"": 21, MS: 1},
    )  # fmt: skip
    return ir.Model(graph, ir_version=10, producer_name="llm-magics"), b.bytes_per_token


def save(model: ir.Model, folder: Path) -> None:
    """Write ``decoder.onnx`` and ``weights.bin``. Tensors begin on whole pages, so that they can be mapped."""
    ir.save(model, folder / "decoder.onnx", external_data="weights.bin", alignment=4096, align_threshold=4096)


def _rotary(spec: DecoderSpec, factors: GgufTensor | None) -> tuple[Floats, Floats]:
    """Cosines and sines, each (context, head_dim / 2); ``factors`` divide the frequencies (Llama 3.1's long context)."""
    frequency = spec.rope_theta ** -(np.arange(0, spec.head_dim, 2) / spec.head_dim)
    if factors is not None:
        if factors.shape != frequency.shape:
            raise UnsupportedModel(f"rope factors of shape {factors.shape}", hint="choose another file of this model")
        frequency = frequency / factors.dequantize()
    angle = np.outer(np.arange(spec.context), frequency)
    return np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)


def _unweave(rows: int, head_dim: int) -> NDArray[np.intp]:
    """Row order that turns neighbouring rotary pairs (0 1 | 2 3 | …) into halves (0 2 4 … | 1 3 5 …), head by head."""
    return np.arange(rows).reshape(-1, head_dim // 2, 2).swapaxes(1, 2).reshape(-1)
