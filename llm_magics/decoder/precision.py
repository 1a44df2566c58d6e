"""Precisions: which matrices are packed how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.validation import format_value
from ..errors import UsageError
from ..formats.tensors import Floats, Halves, Tensor, stack
from .quantize import BLOCK, Packed, nearest_affine, pack, pack4, pack4_with_zero, pack8, pack_exact

PRECISIONS = {
    "auto": "keeps the bits of a quantised file, 8 bits of a float one: within KL 0.01 of the source",
    "fp32": "every weight in float32: exact, large",
    "fp16": "every weight in float16, computed in float32",
    "int8": "8 bits, blocks of 32",
    "int4": "4 bits where that does little harm, 8 elsewhere",
    "exact": "keeps the bits of a quantised file and computes in float32: exact, small, slow",
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
    """

    precision: str

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

    def pack(self, role: str, tensors: Sequence[Tensor]) -> Packed | Floats | Halves:
        """Return matrices that share their input and their kind, one below the other.

        Dense ones as ``(K, N)``.
        """
        if self.precision in ("fp32", "fp16"):
            return self.dense(tensors)
        if self.precision == "exact":
            exact = pack_exact(tensors)
            return self.dense(tensors) if exact is None else exact
        tensor = stack(tensors)
        if self.precision == "int8":
            return pack8(tensor)
        if self.precision == "int4" and tensor.kind not in ("Q4_0", "Q4_1", "INT4"):
            return _mixed(role, tensor)
        return pack([tensor])

    def dense(self, tensors: Sequence[Tensor]) -> Floats | Halves:
        """Return the same as floats, ``(K, N)``."""
        return self.half(np.ascontiguousarray(stack(tensors).dequantize().T))

    def table(self, tensor: Tensor) -> Packed | None:
        """Return the embedding in 8 bits, exactly where its kind allows; None where it stays in floats."""
        if self.precision in ("fp32", "fp16") or (
            self.precision == "exact" and tensor.kind not in ("Q8_0", "Q4_0")
        ):
            return None
        return pack([tensor]) if tensor.kind == "Q4_0" else pack8(tensor)

    def lookup(self, tensor: Tensor) -> Packed | Floats | Halves:
        """Return rows of a large table that is only looked up: in 4 bits where the precision is int4."""
        if self.precision == "int4" and tensor.kind != "Q4_0" and tensor.shape[1] % (2 * BLOCK) == 0:
            return pack4_with_zero(tensor)
        packed = None if tensor.shape[1] % BLOCK else self.table(tensor)
        return self.half(tensor.dequantize()) if packed is None else packed

    def expert(self, tensors: Sequence[Tensor]) -> Packed | Floats:
        """Return one expert's matrices for the MoE kernels, ``(N, K)``; of two, the rows take turns."""
        weights = np.stack([tensor.dequantize() for tensor in tensors], axis=1)
        weights = weights.reshape(-1, weights.shape[-1])
        return weights if self.precision in ("fp32", "fp16", "exact") else pack8(Tensor.of("expert", weights))


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


def _mixed(role: str, tensor: Tensor) -> Packed:
    """Return 4 bits, or 8 where 4 would lose too much of this very matrix; measured on every n-th row."""
    if tensor.shape[1] % BLOCK == 0:
        sample = tensor.take(slice(0, None, max(1, tensor.shape[0] // 256))).dequantize()
        d, m, q = nearest_affine(sample)
        lost = np.square((d[..., None] * q + m[..., None]).reshape(sample.shape) - sample).sum()
        if lost <= (_MOST_DOWN if role in ("down", "v") else _MOST) * np.square(sample).sum():
            return pack4(tensor)
    return pack8(tensor)
