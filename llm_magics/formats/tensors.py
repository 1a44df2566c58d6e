"""One weight as its file stores it, whatever the file: rows of bytes that are turned into floats only when
asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Rows = slice | NDArray[np.intp]


@dataclass(frozen=True)
class Tensor:
    """One weight as stored.

    Attributes:
        name: what the file calls it.
        kind: GGML type name, such as "Q4_1", "BF16" or "F32".
        shape: as numpy has it, slowest dimension first: ``(out, in)`` for a matrix.
        blocks: uint8 ``(rows, bytes a row)``, most often a view of the mapped file.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    blocks: NDArray[np.uint8]

    @classmethod
    def of(cls, name: str, floats: Floats) -> Tensor:
        """A tensor that holds floats already."""
        rows = np.ascontiguousarray(floats, np.float32)
        return cls(name, "F32", rows.shape, rows.view(np.uint8).reshape(-1, rows.shape[-1] * 4))

    def dequantize(self) -> Floats:
        """The weights in float32, of ``shape``."""
        if self.kind == "F32":
            weights = np.ascontiguousarray(self.blocks).view(np.float32)
        elif self.kind == "F16":
            weights = np.ascontiguousarray(self.blocks).view(np.float16).astype(np.float32)
        elif self.kind == "BF16":  # the upper half of a float32
            weights = (
                np.ascontiguousarray(self.blocks).view(np.uint16).astype(np.uint32) << np.uint32(16)
            ).view(np.float32)
        else:
            from gguf import GGMLQuantizationType
            from gguf.quants import dequantize

            weights = dequantize(self.blocks, GGMLQuantizationType[self.kind])
        return np.ascontiguousarray(weights, dtype=np.float32).reshape(self.shape)

    def take(self, rows: Rows) -> Tensor:
        """Some rows of a matrix, in the order given; each keeps its bits."""
        blocks = self.blocks[rows]
        return Tensor(self.name, self.kind, (len(blocks), self.shape[-1]), blocks)

    @cached_property
    def flat(self) -> Tensor:
        """Stacked matrices ``(E, N, K)`` as one ``(E·N, K)``."""
        return Tensor(self.name, self.kind, (len(self.blocks), self.shape[-1]), self.blocks)

    @property
    def transposed(self) -> Tensor:
        """A float matrix stored ``(in, out)``, the other way round."""
        return Tensor.of(self.name, self.dequantize().T)


def stack(tensors: Sequence[Tensor]) -> Tensor:
    """Matrices of one kind and one K, one below the other."""
    if len(tensors) == 1:
        return tensors[0]
    blocks = np.concatenate([tensor.blocks for tensor in tensors])
    return Tensor(tensors[0].name, tensors[0].kind, (len(blocks), tensors[0].shape[-1]), blocks)
