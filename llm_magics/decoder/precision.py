"""Precisions: which matrices are packed how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.validation import format_value
from ..errors import UsageError
from ..formats.tensors import Floats, Halves, Tensor, iterate_rows, sample_rows
from .quantize import (
    AFFINE4,
    BLOCK,
    CHUNK,
    Packed,
    join_rows,
    nearest_affine,
    pack,
    pack4,
    pack4_with_zero,
    pack8,
    pack_exact,
    round8,
)
from .smoothquant import Smoothed, smooth8

PRECISIONS = {
    "auto": "keeps the bits of a quantised file, 8 bits of a float one: within KL 0.01 of the source",
    "fp32": "every weight in float32: exact, large",
    "fp16": "every weight in float16, computed in float32",
    "int8": "8 bits, blocks of 32",
    "w8a8": "as auto, with 8 bits for weights and inputs of most products: faster prompts",
    "int4": "4 bits where that does little harm, 8 elsewhere",
    "exact": "keeps the bits of a quantised file and computes in float32: exact, small, slow",
}
KV_CACHES = {
    "fp32": "keys and values in float32",
    "int8": "keys and values in 8 bits: a quarter of the memory of a long context",
}
_FLOATS = ("F32", "F16", "BF16")
# Share of a matrix's energy that 4 bits may lose before it is given 8. Normally distributed weights lose 0.6
# %: what loses more has outliers. Attention's values and the MLP's way back are held to less, as k-quants do.
_MOST, _MOST_DOWN = 0.008, 0.0065


@dataclass(frozen=True, slots=True)
class Precision:
    """How the matrices of one model are packed.

    Args:
        precision: a key of :data:`PRECISIONS`.
        maxima: for w8a8, the largest absolute values of the inputs of products, (K,), by the products' names,
            such as "qkv.3".
    """

    precision: str
    maxima: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def accuracy_level(self) -> int:
        """Return MatMulNBits' accuracy level: 4 computes with 8-bit activations, 0 with float32."""
        return 0 if self.precision == "exact" else 4

    def half(self, floats: Floats) -> Floats | Halves:
        """Return matrices that are not packed, as they are stored."""
        return floats.astype(np.float16) if self.precision == "fp16" else floats

    def label(self, kind: str) -> str:
        """Return what the weights are then held in, for a source of that kind of tensors."""
        return self.precision if self.precision != "auto" else "int8" if kind in _FLOATS else "repacked"

    def pack(
        self, role: str, tensors: Sequence[Tensor], layer: int = 0
    ) -> Packed | Smoothed | Floats | Halves:
        """Return matrices that share their input and their kind, one below the other.

        Dense ones as ``(K, N)``.
        """
        maxima = self.maxima.get(f"{role}.{layer}")
        if maxima is not None:
            return smooth8(tensors, maxima)
        if self.precision in ("fp32", "fp16"):
            return self.dense(tensors)
        if self.precision == "exact":
            exact = pack_exact(tensors)
            return self.dense(tensors) if exact is None else exact
        if self.precision == "int8":
            return pack8(tensors)
        if self.precision == "int4" and tensors[0].kind not in ("Q4_0", *AFFINE4, "INT4"):
            return _mixed(role, tensors)
        return pack(tensors)

    def dense(self, tensors: Sequence[Tensor]) -> Floats | Halves:
        """Return the same as floats, ``(K, N)``."""
        rows, inner = sum(tensor.shape[0] for tensor in tensors), tensors[0].shape[1]
        dense = np.empty((inner, rows), np.float16 if self.precision == "fp16" else np.float32)
        at = 0
        for part in iterate_rows(tensors, max(1, CHUNK // inner)):
            dense[:, at : at + part.shape[0]] = part.dequantize().T
            at += part.shape[0]
        return dense

    def table(self, tensor: Tensor) -> Packed | None:
        """Return the embedding in 8 bits, exactly where its kind allows; None where it stays in floats."""
        if self.precision in ("fp32", "fp16") or (
            self.precision == "exact" and tensor.kind not in ("Q8_0", "Q4_0")
        ):
            return None
        return pack([tensor]) if tensor.kind == "Q4_0" else pack8([tensor])

    def lookup(self, tensor: Tensor) -> Packed | Floats | Halves:
        """Return rows of a large table that is only looked up: in 4 bits where the precision is int4."""
        if self.precision == "int4" and tensor.kind != "Q4_0" and tensor.shape[1] % (2 * BLOCK) == 0:
            return pack4_with_zero(tensor)
        packed = None if tensor.shape[1] % BLOCK else self.table(tensor)
        return self.half(tensor.dequantize()) if packed is None else packed

    @property
    def packs_experts(self) -> bool:
        """Return whether the matrices of experts are packed; they are floats otherwise."""
        return self.precision not in ("fp32", "fp16", "exact")

    def expert(self, tensors: Sequence[Tensor]) -> Packed | Floats:
        """Return one expert's matrices for the MoE kernels, ``(N, K)``; of two, the rows take turns."""
        step = max(1, CHUNK // tensors[0].shape[1])
        parts = zip(*(iterate_rows([tensor], step) for tensor in tensors), strict=True)
        floats = (np.stack([rows.dequantize() for rows in part], axis=1) for part in parts)
        turns = (rows.reshape(-1, rows.shape[-1]) for rows in floats)
        if not self.packs_experts:
            return np.concatenate(list(turns))
        return join_rows(map(round8, turns), sum(tensor.shape[0] for tensor in tensors))


def check_precision(precision: str) -> str:
    """Check the name of a precision.

    Raises:
        UsageError: there is no such precision.
    """
    if not isinstance(precision, str) or precision not in PRECISIONS:
        from difflib import get_close_matches

        near = get_close_matches(precision, PRECISIONS, 1) if isinstance(precision, str) else []
        raise UsageError(
            f"unknown precision {format_value(precision)}",
            hint=(f"Did you mean {near[0]}? " if near else "") + "Choose from " + ", ".join(PRECISIONS) + ".",
        )
    return precision


def check_kv_cache(kv_cache: str) -> str:
    """Check the name of a number format of the KV cache.

    Raises:
        UsageError: there is no such format.
    """
    if not isinstance(kv_cache, str) or kv_cache not in KV_CACHES:
        raise UsageError(
            f"unknown KV cache {format_value(kv_cache)}", hint=f"Choose from {', '.join(KV_CACHES)}."
        )
    return kv_cache


def _mixed(role: str, tensors: Sequence[Tensor]) -> Packed:
    """Return 4 bits, or 8 where 4 would lose too much of this very matrix; measured on every n-th row."""
    if tensors[0].shape[1] % BLOCK == 0:
        sample = sample_rows(tensors, max(1, sum(tensor.shape[0] for tensor in tensors) // 256))
        d, m, q = nearest_affine(sample)
        lost = np.square((d[..., None] * q + m[..., None]).reshape(sample.shape) - sample).sum()
        if lost <= (_MOST_DOWN if role in ("down", "v") else _MOST) * np.square(sample).sum():
            return pack4(tensors)
    return pack8(tensors)
