"""One weight as its file stores it, whatever the file.

Rows of bytes that are turned into floats only when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..errors import UnsupportedModel

GROUP = 32  # weights of a block of INT4 and INT8
Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Rows = slice | NDArray[np.intp]


@dataclass(frozen=True)
class Tensor:
    """One weight as stored.

    Attributes:
        name: what the file calls it.
        kind: GGML type name, such as "Q4_1", "BF16" or "F32"; or one of ours for blocks of 32 weights
            scale · (q − zero): "INT4" (a float32 scale, a byte with the zero, 16 bytes with two q in each,
            the first in the low half) and "INT8" (a float32 scale, 32 signed q).
        shape: as numpy has it, slowest dimension first: ``(out, in)`` for a matrix.
        blocks: uint8 ``(rows, bytes a row)``, most often a view of the mapped file.
        release: gives back the memory of the pages of that file that were read.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    blocks: NDArray[np.uint8]
    release: Callable[[], None] = field(default=lambda: None, compare=False, repr=False)

    @classmethod
    def of(cls, name: str, floats: Floats) -> Tensor:
        """Return a tensor that holds floats already."""
        rows = np.ascontiguousarray(floats, np.float32)
        return cls(name, "F32", rows.shape, rows.view(np.uint8).reshape(-1, rows.shape[-1] * 4))

    @classmethod
    def of_integers(
        cls, name: str, q: NDArray[np.uint8], scales: Floats, zeros: NDArray[np.integer], bits: int
    ) -> Tensor:
        """Return a matrix of kind INT4 or INT8.

        Args:
            name: of the tensor.
            q: (N, K), unsigned; K is a multiple of 32.
            scales: (N, K / 32).
            zeros: (N, K / 32), unsigned; 128 for INT8.
            bits: 4 or 8.
        """
        n, k = q.shape
        scale = np.ascontiguousarray(scales, np.float32).view(np.uint8).reshape(n, -1, 4)
        q = q.reshape(n, -1, GROUP)
        if bits == 8:
            parts = [scale, q ^ np.uint8(0x80)]
        else:
            parts = [scale, zeros.astype(np.uint8)[..., None], pack_pairs(q)]
        return cls(name, f"INT{bits}", (n, k), np.concatenate(parts, axis=-1).reshape(n, -1))

    @property
    def integers(self) -> tuple[NDArray[np.uint8], Floats, NDArray[np.uint8] | None]:
        """Return the parts of a matrix of kind INT4 or INT8.

        q (N, blocks, bytes of a block) as stored, scales (N, blocks), and zeros (N, blocks) or None for INT8.
        """
        four = self.kind == "INT4"
        blocks = self.blocks.reshape(len(self.blocks), -1, 21 if four else 36)
        scales = np.ascontiguousarray(blocks[..., :4]).view(np.float32)[..., 0]
        return (blocks[..., 5:], scales, blocks[..., 4]) if four else (blocks[..., 4:], scales, None)

    def dequantize(self) -> Floats:
        """Return the weights in float32, of ``shape``."""
        if self.kind == "F32":
            weights = np.ascontiguousarray(self.blocks).view(np.float32)
        elif self.kind == "F16":
            weights = np.ascontiguousarray(self.blocks).view(np.float16).astype(np.float32)
        elif self.kind in ("INT4", "INT8"):
            q, scales, zeros = self.integers
            if zeros is None:
                values = q.view(np.int8).astype(np.float32)
            else:
                values = unpack_pairs(q).astype(np.float32) - zeros[..., None]
            weights = values * scales[..., None]
        elif self.kind == "BF16":  # the upper half of a float32
            weights = (
                np.ascontiguousarray(self.blocks).view(np.uint16).astype(np.uint32) << np.uint32(16)
            ).view(np.float32)
        else:
            from gguf import GGMLQuantizationType
            from gguf.quants import dequantize

            try:
                weights = dequantize(self.blocks, GGMLQuantizationType[self.kind])
            except NotImplementedError:
                raise UnsupportedModel(
                    f"{self.name} has the type {self.kind}, which gguf cannot decode",
                    hint="Use a file with Q4_K, Q8_0 or F16 weights.",
                ) from None
        return np.ascontiguousarray(weights, dtype=np.float32).reshape(self.shape)

    def take(self, rows: Rows) -> Tensor:
        """Return some rows of a matrix, in the order given; each keeps its bits."""
        blocks = self.blocks[rows]
        return replace(self, shape=(len(blocks), self.shape[-1]), blocks=blocks)

    @cached_property
    def flat(self) -> Tensor:
        """Return stacked matrices ``(E, N, K)`` as one ``(E·N, K)``."""
        return replace(self, shape=(len(self.blocks), self.shape[-1]))

    @property
    def transposed(self) -> Tensor:
        """Return a float matrix stored ``(in, out)``, the other way round."""
        return Tensor.of(self.name, self.dequantize().T)


def pack_pairs(q: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return two neighbours of 4 bits to a byte, the first in the low half."""
    if q.shape[-1] % 2:
        q = np.concatenate([q, np.zeros_like(q[..., :1])], axis=-1)
    return q[..., 0::2] | (q[..., 1::2] << np.uint8(4))


def unpack_pairs(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the values that :func:`pack_pairs` packed, an even number of them."""
    halves = np.stack([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1)
    return halves.reshape(*packed.shape[:-1], -1)


def iterate_rows(tensors: Sequence[Tensor], step: int) -> Iterator[Tensor]:
    """Yield the rows of matrices of one K, one matrix after the other, at most ``step`` at a time.

    What was read of the file for a part is given back before the next one.
    """
    for tensor in tensors:
        for at in range(0, tensor.shape[0], step):
            yield tensor.take(slice(at, at + step))
            tensor.release()


def sample_rows(tensors: Sequence[Tensor], step: int) -> Floats:
    """Return every ``step``-th row of matrices of one K, one below the other, in float32."""
    samples, at = [], 0
    for tensor in tensors:
        samples.append(tensor.take(slice(-at % step, None, step)).dequantize())
        at += tensor.shape[0]
    return np.concatenate(samples)
