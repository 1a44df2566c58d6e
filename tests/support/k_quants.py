"""Encode Q4_K: the gguf package only decodes it."""

from __future__ import annotations

import numpy as np

from llm_magics.formats.tensors import Floats, Tensor


def q4_k(name: str, weights: Floats) -> Tensor:
    """Return a matrix in Q4_K, rounded to nearest: (N, K), K a multiple of 256.

    The layout is that of block_q4_K in ggml-common.h, of make_qkx2_quants only the idea: d·q − m, m ≥ 0.
    """
    rows, columns = weights.shape
    groups = weights.reshape(rows, columns // 256, 8, 32)
    low = np.minimum(groups.min(-1), 0)
    step = (groups.max(-1) - low) / 15
    d, dmin = ((part.max(-1) / 63).astype(np.float16) for part in (step, -low))

    def six_bits(values: Floats, unit: np.ndarray) -> np.ndarray:
        unit = unit.astype(np.float32)[..., None]
        return np.clip(np.rint(values / np.where(unit == 0, 1, unit)), 0, 63).astype(np.uint8)

    scales, minima = six_bits(step, d), six_bits(-low, dmin)
    steps = d.astype(np.float32)[..., None] * scales
    least = dmin.astype(np.float32)[..., None] * minima
    q = (groups + least[..., None]) / np.where(steps == 0, 1, steps)[..., None]
    q = np.clip(np.rint(q), 0, 15).astype(np.uint8)
    packed = np.concatenate(
        [
            scales[..., :4] | (scales[..., 4:] >> 4 << 6),
            minima[..., :4] | (minima[..., 4:] >> 4 << 6),
            (scales[..., 4:] & 15) | (minima[..., 4:] << 4),
        ],
        axis=-1,
    )
    pairs = q.reshape(rows, -1, 4, 2, 32)
    nibbles = (pairs[..., 0, :] | (pairs[..., 1, :] << 4)).reshape(rows, -1, 128)
    halves = np.stack([d, dmin], axis=-1).view(np.uint8)
    return Tensor(
        name, "Q4_K", weights.shape, np.concatenate([halves, packed, nibbles], -1).reshape(rows, -1)
    )
