"""The attention part of a layer, around ONNX Runtime's GroupQueryAttention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ...errors import CHOOSE_MODEL, ModelFileError, UnsupportedModel
from ...formats.tensors import Floats, Tensor
from ..graph_builder import MS, GraphBuilder, value
from ..precision import Precision
from ..spec import DecoderSpec
from ..weights import OTHER, Weights
from .rotary import tables


class Attention:
    """Builds the attention of one layer after the other; keeps the inputs and outputs of the KV cache."""

    def __init__(
        self,
        b: GraphBuilder,
        weights: Weights,
        recipe: Precision,
        ids: ir.Value,
        seqlens: ir.Value,
        total: ir.Value,
    ) -> None:
        self.inputs: list[ir.Value] = []
        self.outputs: list[ir.Value] = []
        self._b, self._w, self._recipe, self._spec = b, weights, recipe, weights.spec
        self._seqlens, self._total = seqlens, total
        self._shared: dict[int, tuple[ir.Value, ir.Value]] = {}  # layer → keys and values for later layers
        self._tables: dict[bool, tuple[ir.Value, ir.Value]] = {}
        self._bias = self._alibi(ids, total) if self._spec.positions == "alibi" else None

    def __call__(self, i: int, x: ir.Value) -> ir.Value:
        b, spec = self._b, self._spec
        rotates = spec.positions == "rope" and i not in spec.no_rope
        cos, sin = self._rotary(i) if rotates else (None, None)
        kv_heads, dim, wide = spec.kv_heads_in(i), spec.head_dim_in(i), spec.cache_dim_in(i)
        # Dimensions of one name are taken to be equal.
        cache, n = ("B", kv_heads, "capacity", wide), len(self.inputs) // 2
        past = [value(f"past_{part}.{n}", ir.DataType.FLOAT, *cache) for part in ("key", "value")]
        inputs = [*self._qkv(i, x), *past, self._seqlens, self._total, cos, sin]
        if self._bias is not None:
            inputs += [None, self._bias]
        if spec.sinks:
            inputs += [None, None, self._sinks(i)]
        more = {"local_window_size": spec.window} if spec.slides(i) else {}
        attended, *present = b.node(
            "GroupQueryAttention",
            inputs,
            3,
            MS,
            num_heads=spec.heads,
            kv_num_heads=kv_heads,
            do_rotary=int(rotates),
            rotary_interleaved=0,
            scale=spec.attention_scale,
            softcap=spec.softcap,
            **more,
        )
        for part, kept in zip(("key", "value"), present, strict=True):
            kept.name, kept.shape, kept.type = (
                f"present_{part}.{n}",
                ir.Shape(cache),
                ir.TensorType(ir.DataType.FLOAT),
            )
        self.inputs += past
        self.outputs += present
        width = spec.heads * dim
        if wide != dim:  # cut off what was added to the heads
            attended = b.node("Reshape", [attended, b.shape(0, 0, spec.heads, wide)])
            attended = b.node("Slice", [attended, b.shape(0), b.shape(dim), b.shape(3)])
            attended = b.node("Reshape", [attended, b.shape(0, 0, width)])
        if spec.attention_gate:
            gate = self._recipe.pack("q_gate", [self._w.matrix("q_gate", i, (width, spec.hidden))], i)
            bias = self._w.vector("q_gate", i, size=width, kind="bias")
            opened = b.node("Sigmoid", [b.linear(f"q_gate.{i}", x, gate, bias)])
            attended = b.node("Mul", [attended, opened])
        weight = self._recipe.pack("o", [self._w.matrix("o", i, (spec.hidden, width))], i)
        return b.linear(f"o.{i}", attended, weight, self._w.vector("o", i, size=spec.hidden, kind="bias"))

    def _qkv(self, i: int, x: ir.Value) -> list[ir.Value | None]:
        """Return queries, keys and values; packed into the first where one product gives all three."""
        b, w, spec = self._b, self._w, self._spec
        dim, kv_heads = spec.head_dim_in(i), spec.kv_heads_in(i)
        rows = {"q": spec.heads * dim}
        if i < spec.own_layers:
            rows["k"] = kv_heads * dim
        if spec.has_values(i):
            rows["v"] = kv_heads * dim
        parts = {
            role: _padded_tensor(spec, role, i, w.matrix(role, i, (count, spec.hidden)))
            for role, count in rows.items()
        }
        result = {role: w.vector(role, i, size=count, kind="bias") for role, count in rows.items()}
        biases = {
            role: None if bias is None else padded(spec, role, i, bias[:, None])[:, 0]
            for role, bias in result.items()
        }
        if not spec.qk_norm and len({tensor.kind for tensor in parts.values()}) == 1:
            bias = None
            if any(item is not None for item in biases.values()):
                bias = np.concatenate(
                    [
                        np.zeros(parts[role].shape[0], np.float32) if item is None else item
                        for role, item in biases.items()
                    ]
                )
            packed = self._recipe.pack("qkv", list(parts.values()), i)
            return [b.linear(f"qkv.{i}", x, packed, bias), None, None]
        # Each keeps its own kind, exactly.
        products = {
            role: b.linear(f"{role}.{i}", x, self._recipe.pack(role, [tensor], i), biases[role])
            for role, tensor in parts.items()
        }
        q = products["q"]
        if spec.qk_norm:
            q = self._normed("q_norm", i, q, spec.heads)
        if i >= spec.own_layers:
            return [q, *self._shared[spec.kv_source(i)]]
        k, v = products["k"], products.get("v", products["k"])
        if spec.qk_norm:
            k = self._normed("k_norm", i, k, kv_heads)
        if spec.value_norm:
            v = self._norm_by_head(v, b.constant(f"v_norm.{i}", np.ones(dim, np.float32)), kv_heads, dim)
        if spec.kv_shared_layers:
            self._shared[i] = k, v
        return [q, k, v]

    def _normed(self, role: str, i: int, x: ir.Value, heads: int) -> ir.Value:
        b, spec = self._b, self._spec
        by_head, dim = spec.qk_norm == "head", spec.head_dim_in(i)
        values = self._w.norm(role, i, dim if by_head else heads * dim)
        # In the order that the rows of q and k have.
        values = padded(spec, role[0], i, values) if by_head else values
        weight = b.constant(f"{role}.{i}", values)
        if by_head:
            return self._norm_by_head(x, weight, heads, dim)
        return b.node("SimplifiedLayerNormalization", [x, weight], epsilon=spec.norm_eps, axis=-1)  # type: ignore[no-any-return]

    def _norm_by_head(self, x: ir.Value, weight: ir.Value, heads: int, dim: int) -> ir.Value:
        b = self._b
        x = b.node("Reshape", [x, b.shape(0, 0, heads, dim)])
        x = b.node("SimplifiedLayerNormalization", [x, weight], epsilon=self._spec.norm_eps, axis=-1)
        return b.node("Reshape", [x, b.shape(0, 0, heads * dim)])  # type: ignore[no-any-return]

    def _sinks(self, i: int) -> ir.Value:
        sinks = self._w.vector("sinks", i, size=self._spec.heads)
        if sinks is None:
            raise ModelFileError(f"the model file has no sinks for layer {i}", hint=OTHER)
        return self._b.constant(f"sinks.{i}", sinks)

    def _rotary(self, i: int) -> tuple[ir.Value, ir.Value]:
        local = bool(self._spec.local_theta) and self._spec.slides(i)
        if local not in self._tables:
            name = "local_" if local else ""
            factors = None if local else self._w.vector("rope_factors")
            cos, sin = tables(self._spec, local=local, factors=factors)
            self._tables[local] = self._b.constant(f"{name}cos", cos), self._b.constant(f"{name}sin", sin)
        return self._tables[local]

    def _alibi(self, ids: ir.Value, total: ir.Value) -> ir.Value:
        """Return attention bias (1, heads, S, total).

        Slope · place of the key, rounded to bfloat16 as Falcon was trained with it.
        """
        b, spec = self._b, self._spec
        if spec.heads * spec.context > 1 << 22:
            raise UnsupportedModel(
                f"the ALiBi table for {spec.context:,} tokens × {spec.heads} heads is too large",
                hint=CHOOSE_MODEL,
            )
        bias = np.outer(
            _bfloat16(alibi_slopes(spec.heads)), _bfloat16(np.arange(spec.context, dtype=np.float32))
        )
        table = b.constant(
            "alibi", _bfloat16(bias.astype(np.float32))[None, :, None] * np.float32(spec.attention_scale)
        )
        end = b.node("Unsqueeze", [b.node("Cast", [total], to=int(ir.DataType.INT64)), b.shape(0)])
        seen = b.node("Slice", [table, b.shape(0), end, b.shape(3)])
        size = b.node("Shape", [ids], start=1, end=2)
        wanted = b.node("Concat", [b.shape(1), b.shape(spec.heads), size, end], axis=0)
        return b.node("Expand", [seen, wanted])  # type: ignore[no-any-return]


def padded(spec: DecoderSpec, role: str, layer: int, rows: NDArray[Any]) -> NDArray[Any]:
    """Pad rows (heads · head_dim, …) of q, k or v to (heads · cache_dim, …), as the kernel takes them."""
    dim, wide = spec.head_dim_in(layer), spec.cache_dim_in(layer)
    order = _order(spec, dim, wide) if role != "v" else None
    if order is None:
        if wide == dim:
            return rows
        order = np.arange(dim)
    blocks = np.zeros((rows.shape[0] // dim, wide, *rows.shape[1:]), rows.dtype)
    blocks[:, order] = rows.reshape(len(blocks), dim, *rows.shape[1:])
    return blocks.reshape(len(blocks) * wide, *rows.shape[1:])


def _padded_tensor(spec: DecoderSpec, role: str, layer: int, tensor: Tensor) -> Tensor:
    blocks = padded(spec, role, layer, tensor.blocks)  # zeros are weight 0 in every kind
    return (
        tensor
        if blocks is tensor.blocks
        else Tensor(tensor.name, tensor.kind, (len(blocks), tensor.shape[1]), blocks)
    )


def _order(spec: DecoderSpec, dim: int, wide: int) -> NDArray[np.intp] | None:
    """Return where the dimensions of a head of q or k go in one of ``wide``, or None when they stay.

    The kernel turns pairs that lie half a head apart. Dimensions that are not turned fill up both halves;
    what is added stays zero. Scores only need q and k to agree.
    """
    turned = (spec.rotary_dim or dim) if spec.positions == "rope" else 0
    if turned in (0, dim, wide) and wide == dim:
        return None
    half, middle = turned // 2, wide // 2
    free = np.concatenate([np.arange(half, middle), np.arange(middle + half, 2 * middle)])
    return np.concatenate([np.arange(half), middle + np.arange(half), free[: dim - turned]])


def alibi_slopes(heads: int) -> Floats:
    """Return the slopes of ALiBi's heads.

    They are a geometric series, followed by every second value of a finer one (Press et al. 2021).
    """
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-(8 / power) * (n + 1)) for n in range(power)]
    slopes += [2 ** (-(4 / power) * (2 * n + 1)) for n in range(heads - power)]
    return np.array(slopes, np.float32)


def _bfloat16(x: Floats) -> Floats:
    """Round to bfloat16 (half to even) and convert back."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded & np.uint32(0xFFFF0000)).view(np.float32)
