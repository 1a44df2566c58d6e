"""Keys and values of sequences: what is held, and the buffer that ONNX Runtime reads and writes in place.

An interrupt may come between any two lines of this file. What is noted is therefore never more than what is
so: lengths shrink before tokens go and grow after they came, and a buffer is bound before a call unless it is
known to be.
"""

from __future__ import annotations

import math
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from .base import Logits

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class Held:
    """Which tokens a cache holds, and how many leading ones are settled (``Cache.settled``)."""

    def __init__(self) -> None:
        self.cached: list[int] = []
        self.settled = 0

    def rewind(self, length: int) -> None:
        self.settled = min(self.settled, length)
        del self.cached[length:]

    def took(self, ids: Sequence[int]) -> None:
        """Note what one call has appended."""
        before = len(self.cached)
        self.cached.extend(ids)
        if len(ids) > 1 and self.settled == before:
            self.settled = before + len(ids)

    def took_over(self, ids: Sequence[int]) -> None:
        """Note settled tokens that were copied from another cache into this one, which held none."""
        self.cached.extend(ids)
        self.settled = len(ids)


class graph_errors:  # used as a function; a class is the quickest context manager
    """What ONNX Runtime says of a graph that fails, as a ModelFileError: its exceptions share no base
    class.
    """

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise ModelFileError(
                f"the model's graph fails: {str(error).splitlines()[0]:.300}",
                hint="it does not fit its model.json or its weights: convert it anew",
            ) from error


@dataclass(frozen=True, slots=True)
class KVShape:
    """Of one token's keys and values: floats of four bytes."""

    layers: int
    heads: int
    head_dim: int

    @property
    def token_bytes(self) -> int:
        return 8 * self.layers * self.heads * self.head_dim


class KV:
    """A buffer for ``rows`` sequences, bound to a session as the past and the present of every layer.

    Memory that no row has reached yet is not taken from the system. The buffer doubles when a row is full.

    Args:
        session: of decoder.onnx (decoder/graph.py says which inputs and outputs it has); others may use it
            too.
        vocab_size, context_length: in tokens.
        capacity: tokens a row at first.
        logits: of so many positions, a scratch array is kept.
        inputs: of the session besides, the same in every call.
    """

    def __init__(
        self,
        session: InferenceSession,
        shape: KVShape,
        *,
        vocab_size: int,
        context_length: int,
        rows: int,
        capacity: int,
        logits: int,
        inputs: Mapping[str, NDArray[np.float32]],
    ) -> None:
        self._session, self._binding, self._shape = session, session.io_binding(), shape
        self._context, self._vocab = context_length, vocab_size
        self._array = self._zeros(rows, min(capacity, context_length))
        self._logits: Logits = np.empty((logits, vocab_size), np.float32)
        self._used = [0] * rows  # tokens of each row that are worth keeping when the buffer grows
        self._inputs = inputs  # kept: what is bound by its address keeps nothing alive
        for name, array in inputs.items():
            self._binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        self._bound: tuple[int, int] | None = None  # the first row that is bound, and how many

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    @property
    def capacity(self) -> int:
        """Tokens a row."""
        return int(self._array.shape[4])

    def nbytes_for(self, length: int) -> int:
        """What the buffer comes to when a row has ``length`` tokens, in bytes."""
        return self.nbytes // self.capacity * self._capacity_for(length)

    def reserve(self, length: int) -> None:
        """Make room for ``length`` tokens a row; what the rows hold stays."""
        if length <= self.capacity:
            return
        old, used = self._array, self._used
        new = self._zeros(old.shape[2], self._capacity_for(length))
        for row, count in enumerate(used):
            new[:, :, row, :, :count] = old[:, :, row, :, :count]
        self._bound = None  # first: what is bound is about to be freed
        self._array = new

    def copy(self, source: KV, source_row: int, row: int, length: int) -> None:
        """Make the first ``length`` tokens of a row those of ``source``, which may be this buffer."""
        self.reserve(length)
        self._array[:, :, row, :, :length] = source._array[:, :, source_row, :, :length]
        self._used[row] = length

    def run(
        self,
        ids: NDArray[np.int64],
        totals: Sequence[int],
        at: NDArray[np.int64],
        *,
        first: int = 0,
        taps: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Logits:
        """One call over some rows.

        Args:
            ids: (rows, S), what is appended to the rows from ``first`` on.
            totals: how long each of them is after it.
            at: (P,), the positions of S after which logits are wanted.
            taps: further outputs of the graph, and where they go.

        Returns:
            Float32 (rows · P, vocab), valid until the next call.
        """
        rows, longest = len(ids), max(totals)
        self.reserve(longest)
        self._bind(first, rows)
        count = rows * len(at)
        out = (
            self._logits[:count] if count <= len(self._logits) else np.empty((count, self._vocab), np.float32)
        )
        bind = self._binding
        with graph_errors():
            bind.bind_cpu_input("input_ids", ids)
            bind.bind_cpu_input("seqlens_k", np.array(totals, np.int32) - np.int32(1))
            bind.bind_cpu_input("total_length", np.array(longest, np.int32))
            bind.bind_cpu_input("logits_at", at)
            bind.bind_output("logits", "cpu", 0, np.float32, (rows, len(at), self._vocab), out.ctypes.data)
            for name, array in (taps or {}).items():
                bind.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
            self._session.run_with_iobinding(bind)
        self._used[first : first + rows] = totals
        return out

    def _zeros(self, rows: int, capacity: int) -> NDArray[np.float32]:
        """Memory of the system's own, of which only what is written is taken, and which goes back when it is
        freed.

        An allocator would keep freed buffers, and fill the next one with zeros: slower, and all of it taken.
        """
        shape = (self._shape.layers, 2, rows, self._shape.heads, capacity, self._shape.head_dim)
        private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
        memory = mmap.mmap(-1, max(4 * math.prod(shape), 1), **private)
        return np.frombuffer(memory, np.float32, math.prod(shape)).reshape(shape)

    def _capacity_for(self, length: int) -> int:
        capacity = self.capacity
        while capacity < length:
            capacity *= 2
        return min(capacity, max(self._context, self.capacity))

    def _bind(self, first: int, rows: int) -> None:
        """Make past and present of every layer the rows from ``first`` on."""
        if self._bound == (first, rows):
            return
        self._bound = None
        shape = (rows, *self._array.shape[3:])
        for layer in range(self._shape.layers):
            for index, part in enumerate(("key", "value")):
                address = self._array[layer, index, first].ctypes.data
                self._binding.bind_input(f"past_{part}.{layer}", "cpu", 0, np.float32, shape, address)
                self._binding.bind_output(f"present_{part}.{layer}", "cpu", 0, np.float32, shape, address)
        self._bound = (first, rows)
