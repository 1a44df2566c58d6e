"""Matrices for products of 8-bit weights and 8-bit inputs, the precision w8a8 (SmoothQuant)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..formats.tensors import Floats, Tensor, iterate_rows
from .quantize import CHUNK


@dataclass(frozen=True, slots=True)
class Smoothed:
    """One matrix (N outputs, K inputs) as MatMulInteger reads it: y = scales · (q · round(x · inverse)).

    Attributes:
        q: int8 ``(K, N)``.
        scales: float32 ``(N,)``.
        inverse: float32 ``(K,)``, what the input is multiplied by before it is rounded.
    """

    q: NDArray[np.int8]
    scales: Floats
    inverse: Floats

    @property
    def nbytes(self) -> int:
        return self.q.nbytes + self.scales.nbytes + self.inverse.nbytes


def smooth8(tensors: Sequence[Tensor], maxima: Floats) -> Smoothed:
    """Return 8 bits with a scale for each output, for inputs that have 8 bits with a scale for each token.

    Inputs with large values would take the range from the others. Half of their size, on a logarithmic scale,
    is moved into the weights: SmoothQuant with a migration strength of 0.5 (Xiao et al. 2023,
    arXiv:2211.10438).

    Args:
        tensors: matrices that share their input, one below the other in the result.
        maxima: the largest absolute value of each input, float32 (K,), as measured on a sample.
    """
    rows, inner = sum(tensor.shape[0] for tensor in tensors), tensors[0].shape[1]
    step = max(1, CHUNK // inner)
    largest = np.maximum.reduce([np.abs(part.dequantize()).max(0) for part in iterate_rows(tensors, step)])
    factors = np.sqrt(np.maximum(maxima, 1e-5) / np.maximum(largest, 1e-5)).astype(np.float32)
    q, scales = np.empty((inner, rows), np.int8), np.empty(rows, np.float32)
    at = 0
    for part in iterate_rows(tensors, step):
        weights = part.dequantize() * factors
        scale = np.maximum(np.abs(weights).max(1) / 127, 1e-12).astype(np.float32)
        q[:, at : at + len(weights)] = np.rint(weights / scale[:, None]).T
        scales[at : at + len(weights)] = scale
        at += len(weights)
    return Smoothed(q, scales, 1 / factors)
