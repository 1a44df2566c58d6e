"""Packing weights for ONNX Runtime's MatMulNBits, so that the model keeps its meaning.

MatMulNBits computes y = Σ s·(q − z)·x over blocks of 32 inputs with whole-number zero points z. What GGUF
stores maps to it like this:

- Q4_0 (w = d·(q − 8)) and Q8_0 (w = d·q): exactly, bit for bit.
- INT4 (w = s·(q − z), z whole: GPTQ, AWQ, compressed-tensors) and INT8: exactly.
- Q4_1 and Q4_K (w = d·q + m; Q4_K stores d and m of a block as 6 bits times a float16 of eight blocks): the
  ideal zero point −m/d is no whole number, and rounding it wrecks a small model (KL 0.29). Two ways to keep
  it, chosen by size:
  *extended*: z is rounded, and what the rounding took, r = m + d·z for each block, becomes further weights
  of the same matrix: the input is extended by the mean of each of its blocks, so that y = W'·x + 32r·mean(x).
      The r are
  small, and 4 bits for them are enough (their error is about d/60). Costs 1/32 more weights and two small
  operators. *widened*: q·16 in 8 bits, where rounding z costs at most d/32. Twice the bytes, no further
  operator: for small matrices.
- everything else: 8 bits, symmetric, round to nearest.

In the precision w8a8 some matrices are multiplied by MatMulInteger instead (smoothquant.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats.tensors import Floats, Tensor, iterate_rows, pack_pairs

BLOCK = 32
AFFINE4 = ("Q4_1", "Q4_K")  # of 4 bits, w = d·q + m
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
        offsets: float32 ``(blocks, N)``, to be multiplied by the means of the input's blocks and added; None
            for none.
    """

    inputs: int
    bits: int
    q: Bytes
    scales: Floats
    zeros: Bytes | None = None
    means: int = 0
    offsets: Floats | None = None

    @property
    def nbytes(self) -> int:
        return sum(
            part.nbytes for part in (self.q, self.scales, self.zeros, self.offsets) if part is not None
        )


def pack(tensors: Sequence[Tensor]) -> Packed:
    """Pack matrices that share their input, stacked along the outputs: of one kind and one K."""
    kind = tensors[0].kind
    if kind in AFFINE4:
        widened = _count(tensors) < WIDEN_BELOW
        return _pack_rows(tensors, lambda part: _affine4(*_read_affine4(part), widened=widened))
    if kind in ("INT4", "INT8"):
        return _pack_rows(tensors, _integers)
    return _pack_rows(tensors, _exact4) if kind == "Q4_0" else pack8(tensors)


def pack_exact(tensors: Sequence[Tensor]) -> Packed | None:
    """Return the bits of the source and nothing rounded, the offsets of Q4_1 and Q4_K apart in float32.

    None for what has no such form.
    """
    if tensors[0].kind not in AFFINE4:
        return pack(tensors) if tensors[0].kind in ("Q4_0", "Q8_0", "INT4", "INT8") else None
    offsets: list[Floats] = []

    def exact(part: Tensor) -> Packed:
        d, m, q = _read_affine4(part)
        offsets.append((BLOCK * (m + 8 * d)).T)
        return Packed(part.shape[1], 4, pack_pairs(q), d)

    packed = _pack_rows(tensors, exact)
    return replace(packed, offsets=np.ascontiguousarray(np.concatenate(offsets, axis=1)))


def pack4(tensors: Sequence[Tensor]) -> Packed:
    """Return 4 bits from floats, w = d·q + m a block, kept like Q4_1.

    The range is clipped to the least squared error.
    """
    if _count(tensors) < WIDEN_BELOW or tensors[0].shape[1] % BLOCK:
        return pack8(tensors)
    return _pack_rows(tensors, lambda part: _affine4(*nearest_affine(part.dequantize()), widened=False))


def nearest_affine(weights: Floats) -> tuple[Floats, Floats, Bytes]:
    """Return d, m ``(N, blocks)`` and q ``(N, blocks, 32)`` of the nearest d·q + m, q from 0 to 15."""
    groups = weights.reshape(len(weights), -1, BLOCK)
    low, high = groups.min(-1), groups.max(-1)

    def clipped(share: float) -> Rounded:
        middle, reach = (low + high) / 2, (high - low) / 2 * np.float32(share)
        d = np.maximum(reach * 2 / 15, 1e-12).astype(np.float32)
        m = (middle - reach).astype(np.float32)
        q = np.clip(np.rint((groups - m[..., None]) / d[..., None]), 0, 15)
        error = np.square(d[..., None] * q + m[..., None] - groups).sum(-1)
        return error, (d, m, q.astype(np.uint8))

    d, m, q = _best_of(map(clipped, (1.0, 0.95, 0.9, 0.85)))
    return d, m, q


def _nearest_with_zero(groups: Floats) -> tuple[Bytes, Floats, Bytes]:
    """Return q, scales and whole zero points of the nearest scale·(q − zero), q from 0 to 15."""

    def clipped(share: float) -> Rounded:
        low, high = np.minimum(groups.min(-1), 0) * share, np.maximum(groups.max(-1), 0) * share
        scale = np.maximum((high - low) / 15, 1e-12).astype(np.float32)
        zero = np.clip(np.rint(-low / scale), 0, 15)
        q = np.clip(np.rint(groups / scale[..., None]) + zero[..., None], 0, 15)
        error = np.square((q - zero[..., None]) * scale[..., None] - groups).sum(-1)
        return error, (q.astype(np.uint8), scale, zero.astype(np.uint8))

    q, scale, zero = _best_of(map(clipped, (1.0, 0.9, 0.8, 0.7)))
    return q, scale, zero


# The squared error of each block (N, blocks), and what was rounded: (N, blocks) or (N, blocks, 32).
Rounded = tuple[Floats, tuple[NDArray[Any], ...]]


def _best_of(tried: Iterator[Rounded]) -> tuple[NDArray[Any], ...]:
    """Return block by block, the rounding of least error; of equal ones the first."""
    best, chosen = next(tried)
    for error, parts in tried:
        better = error < best
        best = np.where(better, error, best)
        chosen = tuple(
            np.where(better[..., None] if new.ndim > better.ndim else better, new, old)
            for new, old in zip(parts, chosen, strict=True)
        )
    return chosen


def pack4_with_zero(tensor: Tensor) -> Packed:
    """Return 4 bits with whole zero points, scale·(q − zero): the form that rows are looked up in."""
    groups = tensor.dequantize().reshape(tensor.shape[0], -1, BLOCK)
    q, scales, zeros = _nearest_with_zero(groups)
    return Packed(tensor.shape[1], 4, pack_pairs(q), scales, pack_pairs(zeros))


def pack8(tensors: Sequence[Tensor]) -> Packed:
    """Return 8 bits, exactly so from Q8_0."""
    if tensors[0].kind == "Q8_0":
        return _pack_rows(tensors, _exact8)
    if tensors[0].kind == "INT8":
        return _pack_rows(tensors, _integers)
    return _pack_rows(tensors, lambda part: round8(part.dequantize()))


def _count(tensors: Sequence[Tensor]) -> int:
    """Return the number of weights."""
    return sum(math.prod(tensor.shape) for tensor in tensors)


def _pack_rows(tensors: Sequence[Tensor], pack_part: Callable[[Tensor], Packed]) -> Packed:
    """Pack matrices some rows at a time: neither their floats nor a copy of them is ever there as a whole.

    Args:
        tensors: matrices that share their input, one below the other in the result.
        pack_part: packs some rows.
    """
    parts = iterate_rows(tensors, max(1, CHUNK // tensors[0].shape[1]))
    return join_rows(map(pack_part, parts), sum(tensor.shape[0] for tensor in tensors))


def join_rows(parts: Iterable[Packed], rows: int) -> Packed:
    """Join packed rows of one matrix, ``rows`` in all, with no more than one part there at a time."""
    whole: Packed | None = None
    begin = 0
    for part in parts:
        if len(part.q) == rows:
            return part
        if whole is None:
            zeros = None if part.zeros is None else _for_rows(part.zeros, rows)
            whole = replace(part, q=_for_rows(part.q, rows), scales=_for_rows(part.scales, rows), zeros=zeros)
        end = begin + len(part.q)
        whole.q[begin:end], whole.scales[begin:end] = part.q, part.scales
        if whole.zeros is not None and part.zeros is not None:
            whole.zeros[begin:end] = part.zeros
        begin = end
    assert whole is not None
    return whole


def _for_rows(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """Allocate an array of that kind with so many rows."""
    return np.empty((rows, *array.shape[1:]), array.dtype)


def round8(weights: Floats) -> Packed:
    """Return 8 bits, symmetric, blocks of 32, round to nearest; K is padded with zeros to whole blocks."""
    n, k = weights.shape
    blocks = np.pad(weights, ((0, 0), (0, -k % BLOCK))).reshape(n, -1, BLOCK)
    scales = np.abs(blocks).max(-1) / 127
    q = np.rint(blocks / np.where(scales == 0, 1, scales)[..., None]) + 128
    return Packed(k, 8, q.astype(np.uint8), scales.astype(np.float32))


def _half(blocks: Bytes, at: int) -> Floats:
    """Return the float16 at byte ``at`` of every block."""
    return np.ascontiguousarray(blocks[..., at : at + 2]).view(np.float16)[..., 0].astype(np.float32)


def _nibbles(packed: Bytes) -> Bytes:
    """Return the 4-bit values of a block: inputs 0–15 are in the low nibbles, 16–31 in the high ones."""
    return np.concatenate([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1)


def _integers(tensor: Tensor) -> Packed:
    """Return the bits of GPTQ, AWQ and their like: MatMulNBits computes the same, block by block."""
    q, scales, zeros = tensor.integers
    if zeros is None:
        return Packed(tensor.shape[1], 8, q ^ np.uint8(0x80), scales)
    return Packed(tensor.shape[1], 4, np.ascontiguousarray(q), scales, pack_pairs(zeros))


def _exact8(tensor: Tensor) -> Packed:
    blocks = tensor.blocks.reshape(tensor.shape[0], -1, 34)
    return Packed(
        blocks.shape[1] * BLOCK, 8, blocks[..., 2:] ^ np.uint8(0x80), _half(blocks, 0)
    )  # two's complement to offset 128


def _exact4(tensor: Tensor) -> Packed:
    blocks = tensor.blocks.reshape(tensor.shape[0], -1, 18)
    return Packed(blocks.shape[1] * BLOCK, 4, pack_pairs(_nibbles(blocks[..., 2:])), _half(blocks, 0))


def _read_affine4(tensor: Tensor) -> tuple[Floats, Floats, Bytes]:
    """Return d, m ``(N, blocks)`` and q ``(N, blocks, 32)`` of a matrix in Q4_1 or Q4_K: w = d·q + m."""
    if tensor.kind == "Q4_K":
        return _read_q4_k(tensor)
    blocks = tensor.blocks.reshape(tensor.shape[0], -1, 20)
    return _half(blocks, 0), _half(blocks, 2), _nibbles(blocks[..., 4:])


def _read_q4_k(tensor: Tensor) -> tuple[Floats, Floats, Bytes]:
    """Return the same of Q4_K: of 256 weights, two float16, 8 scales and 8 minima of 6 bits, then the q."""
    from gguf.quants import Q4_K

    blocks = tensor.blocks.reshape(tensor.shape[0], -1, 144)
    scales, minima = Q4_K.get_scale_min(np.ascontiguousarray(blocks[..., 4:16]).reshape(-1, 12))
    shape = *blocks.shape[:2], 8
    d = _half(blocks, 0)[..., None] * scales.reshape(shape).astype(np.float32)
    m = _half(blocks, 2)[..., None] * minima.reshape(shape).astype(np.float32)
    q = _nibbles(blocks[..., 16:].reshape(len(blocks), -1, BLOCK))  # a pair of blocks shares 32 bytes
    return d.reshape(len(d), -1), -m.reshape(len(m), -1), q.reshape(len(q), -1, BLOCK)


def _affine4(d: Floats, m: Floats, q: Bytes, *, widened: bool) -> Packed:
    """Pack w = d·q + m: in 8 bits where ``widened``, else in 4 with extended inputs (see the top)."""
    ideal = -m / np.where(d == 0, 1, d)
    if widened:
        zeros = np.clip(np.rint(16 * ideal), 0, 255).astype(np.uint8)
        return Packed(d.shape[1] * BLOCK, 8, q << np.uint8(4), d / np.float32(16), zeros)
    zeros = np.clip(np.rint(ideal), 0, 15)
    lost = BLOCK * (m + d * zeros)  # (N, blocks): the extended inputs are means, not sums
    means = lost.shape[1]
    groups = np.pad(lost, ((0, 0), (0, -means % BLOCK))).reshape(len(lost), -1, BLOCK)
    extra, scales, extra_zeros = _nearest_with_zero(groups)
    return Packed(
        means * BLOCK + means,
        4,
        pack_pairs(np.concatenate([q, extra], axis=1)),
        np.concatenate([d, scales], axis=1),
        pack_pairs(np.concatenate([zeros.astype(np.uint8), extra_zeros], axis=1)),
        means,
    )
