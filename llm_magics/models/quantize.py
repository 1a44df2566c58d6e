"""Packing weights for ONNX Runtime's MatMulNBits, so that the model keeps its meaning.

MatMulNBits computes y = Σ s·(q − z)·x over blocks of 32 inputs with whole-number zero points z. What GGUF stores maps to it
like this:

- Q4_0 (w = d·(q − 8)) and Q8_0 (w = d·q): exactly, bit for bit.
- Q4_1 (w = d·q + m): the ideal zero point −m/d is no whole number, and rounding it wrecks a small model (KL 0.29). Two ways
  to keep it, chosen by size:
  *extended*: z is rounded, and what the rounding took, r = m + d·z for each block, becomes further weights
  of the same matrix: the input is extended by the mean of each of its blocks, so that y = W'·x + 32r·mean(x). The r are
  small, and 4 bits for them are enough (their error is about d/60). Costs 1/32 more weights and two small operators.
  *widened*: q·16 in 8 bits, where rounding z costs at most d/32. Twice the bytes, no further operator: for small matrices.
- everything else: 8 bits, symmetric, round to nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .tensors import Floats, Tensor, stack

BLOCK = 32
# Below this many weights a second byte each is cheaper than two more operators (measured: 332k against 553k).
WIDEN_BELOW = 400_000

CHUNK = 1 << 22  # weights that are turned into floats at once: 16 MB

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Packed:
    """One matrix (N outputs, K inputs) as MatMulNBits reads it.

    Attributes:
        inputs: K, the means that extend it counted in; the last block may be padded beyond it.
        bits: 4 or 8.
        q: uint8 ``(N, blocks, BLOCK * bits / 8)``.
        scales: float32 ``(N, blocks)``.
        zeros: packed zero points, or None for the middle (8 or 128).
        means: how many block means the input must be extended by; 0 for none.
    """

    inputs: int
    bits: int
    q: Bytes
    scales: Floats
    zeros: Bytes | None = None
    means: int = 0

    @property
    def nbytes(self) -> int:
        return self.q.nbytes + self.scales.nbytes + (0 if self.zeros is None else self.zeros.nbytes)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the matrices of one model are packed, by the name of a precision (see convert.PRECISIONS)."""

    precision: str

    @property
    def accuracy_level(self) -> int:
        """Of MatMulNBits: 4 takes activations in 8 bits, 0 in float32."""
        return 4

    def label(self, kind: str) -> str:
        """What the weights are then held in, for a source of that kind of tensors."""
        return self.precision if self.precision != "auto" else "int8" if kind in ("F32", "F16", "BF16") else "repacked"

    def pack(self, role: str, tensors: Sequence[Tensor], *, layer: int | None = None) -> Packed | Floats:
        """Matrices that share their input and their kind, one below the other; dense ones as ``(K, N)``."""
        return self.dense(tensors) if self.precision == "fp32" else pack(tensors)

    def dense(self, tensors: Sequence[Tensor]) -> Floats:
        """The same in float32, ``(K, N)``."""
        return np.ascontiguousarray(stack(tensors).dequantize().T)

    def table(self, tensor: Tensor, *, tied: bool) -> Packed | None:
        """The embedding in 8 bits, or None for float32."""
        if self.precision == "fp32":
            return None
        return _in_chunks(tensor, _exact8 if tensor.kind == "Q8_0" else None)

    def expert(self, tensors: Sequence[Tensor]) -> Packed | Floats:
        """One expert's matrices for the MoE kernels, ``(N, K)``; of two, the rows take turns."""
        weights = np.stack([tensor.dequantize() for tensor in tensors], axis=1)
        weights = weights.reshape(-1, weights.shape[-1])
        return weights if self.precision == "fp32" else round8(weights)


def pack(tensors: Sequence[Tensor]) -> Packed:
    """Pack matrices that share their input, stacked along the outputs: of one kind and one K."""
    tensor = stack(tensors)
    exact = {"Q4_0": _exact4, "Q4_1": _affine4, "Q8_0": _exact8}.get(tensor.kind)
    return exact(tensor.blocks) if exact else _in_chunks(tensor)


def _in_chunks(tensor: Tensor, exact: Callable[[Bytes], Packed] | None = None) -> Packed:
    """8 bits, some rows at a time: the floats of a large table need never be there all at once."""
    if exact:
        return exact(tensor.blocks)
    step = max(1, CHUNK // tensor.shape[1])
    parts = [round8(tensor.take(slice(at, at + step)).dequantize()) for at in range(0, tensor.shape[0], step)]
    if len(parts) == 1:
        return parts[0]
    return Packed(parts[0].inputs, 8, np.concatenate([p.q for p in parts]), np.concatenate([p.scales for p in parts]))


def round8(weights: Floats) -> Packed:
    """8 bits, symmetric, blocks of 32, round to nearest; K is padded with zeros to whole blocks."""
    n, k = weights.shape
    blocks = np.pad(weights, ((0, 0), (0, -k % BLOCK))).reshape(n, -1, BLOCK)
    scales = np.abs(blocks).max(-1) / 127
    q = np.rint(blocks / np.where(scales == 0, 1, scales)[..., None]) + 128
    return Packed(k, 8, q.astype(np.uint8), scales.astype(np.float32))


def _half(blocks: Bytes, at: int) -> Floats:
    """The float16 at byte ``at`` of every block."""
    return np.ascontiguousarray(blocks[..., at : at + 2]).view(np.float16)[..., 0].astype(np.float32)


def _nibbles(packed: Bytes) -> Bytes:
    """GGUF keeps inputs 0–15 of a block in the low halves and 16–31 in the high ones."""
    return np.concatenate([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1)


def _pairs(q: Bytes) -> Bytes:
    """Two neighbours to a byte, the first in the low half, as MatMulNBits wants them."""
    if q.shape[-1] % 2:
        q = np.concatenate([q, np.zeros_like(q[..., :1])], axis=-1)
    return q[..., 0::2] | (q[..., 1::2] << np.uint8(4))


def _exact8(rows: Bytes) -> Packed:
    blocks = rows.reshape(len(rows), -1, 34)
    return Packed(
        blocks.shape[1] * BLOCK, 8, blocks[..., 2:] ^ np.uint8(0x80), _half(blocks, 0)
    )  # two's complement to offset 128


def _exact4(rows: Bytes) -> Packed:
    blocks = rows.reshape(len(rows), -1, 18)
    return Packed(blocks.shape[1] * BLOCK, 4, _pairs(_nibbles(blocks[..., 2:])), _half(blocks, 0))


def _affine4(rows: Bytes) -> Packed:
    blocks = rows.reshape(len(rows), -1, 20)
    d, m, q = _half(blocks, 0), _half(blocks, 2), _nibbles(blocks[..., 4:])
    ideal = -m / np.where(d == 0, 1, d)
    if q.size < WIDEN_BELOW:
        zeros = np.clip(np.rint(16 * ideal), 0, 255).astype(np.uint8)
        return Packed(d.shape[1] * BLOCK, 8, q << np.uint8(4), d / np.float32(16), zeros)
    zeros = np.clip(np.rint(ideal), 0, 15)
    lost = BLOCK * (m + d * zeros)  # (N, blocks): the extended inputs are means, not sums
    means = lost.shape[1]
    groups = np.pad(lost, ((0, 0), (0, -means % BLOCK))).reshape(len(lost), -1, BLOCK)
    extra, scales, extra_zeros = _round4(groups)
    return Packed(
        means * BLOCK + means,
        4,
        _pairs(np.concatenate([q, extra], axis=1)),
        np.concatenate([d, scales], axis=1),
        _pairs(np.concatenate([zeros.astype(np.uint8), extra_zeros], axis=1)),
        means,
    )


def _round4(groups: Floats) -> tuple[Bytes, Floats, Bytes]:
    """4 bits with a whole zero point; the range is clipped to whatever leaves the least squared error."""
    best: tuple[Floats, Bytes, Floats, Bytes] | None = None
    for share in (1.0, 0.9, 0.8, 0.7):
        low, high = np.minimum(groups.min(-1), 0) * share, np.maximum(groups.max(-1), 0) * share
        scale = np.maximum((high - low) / 15, 1e-12).astype(np.float32)
        zero = np.clip(np.rint(-low / scale), 0, 15)
        q = np.clip(np.rint(groups / scale[..., None]) + zero[..., None], 0, 15)
        error = np.square((q - zero[..., None]) * scale[..., None] - groups).sum(-1)
        new = (error, q.astype(np.uint8), scale, zero.astype(np.uint8))
        if best is None:
            best = new
        else:
            better = error < best[0]
            wide = better[..., None]
            best = (np.where(better, error, best[0]), np.where(wide, new[1], best[1]),
                    np.where(better, scale, best[2]), np.where(better, new[3], best[3]))  # fmt: skip
    if best is None:  # the loop above always runs; said for the type checker
        raise AssertionError
    return best[1:]
