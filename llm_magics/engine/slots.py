"""Several sequences in one KV buffer: what ONNX Runtime needs to decode them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .base import Logits
from .generate import common_prefix

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FIRST_CAPACITY = 256  # tokens a row; doubled when one is full


class OrtSlots:
    """Rows of a KV buffer over a session of the decoder (decoder/graph.py). Implements
    :class:`~.batch.Slots`.

    A row's part of every layer lies in one piece, so a prompt is computed by itself, in its row, with no
    padding. Memory that no row has reached yet is not taken from the system.

    Args:
        session: of decoder.onnx; others may go on using it.
        vocab_size, context_length: in tokens.
        cache_shape: layers, KV heads, head_dim.
        rows: how many sequences there may be.
    """

    def __init__(
        self,
        session: InferenceSession,
        *,
        vocab_size: int,
        context_length: int,
        cache_shape: tuple[int, int, int],
        rows: int,
    ) -> None:
        self._session, self._binding = session, session.io_binding()
        self._context = context_length
        self._layers, self._kv_heads, self._head_dim = cache_shape
        self.token_bytes = 8 * self._layers * self._kv_heads * self._head_dim
        # A lone row is decoded beside an idle one: see step.
        self._kv = self._allocate(max(rows, 2), min(FIRST_CAPACITY, context_length))
        self._logits: Logits = np.empty((max(rows, 2), vocab_size), np.float32)
        self._lengths = [0] * max(rows, 2)
        self._settled: list[list[int]] = [[] for _ in self._lengths]
        self._bound = (0, 0)

    def begin(self, row: int, ids: Sequence[int]) -> int:
        """Empty a row for ``ids`` and give it what any row holds of their beginning; how many tokens that
        are.

        Only tokens that came in calls of two or more are taken over (see ``Engine.settled``), and one at
        least is left to do.
        """
        shared = [min(common_prefix(settled, ids), len(ids) - 1) for settled in self._settled]
        source = max(range(len(shared)), key=lambda other: (shared[other], other == row))
        kept = shared[source]
        if (
            0 < kept == len(ids) - 1
        ):  # a single token would be computed by other kernels than within a whole prompt
            kept -= 1
        if kept and source != row:
            self._kv[:, :, row, :, :kept] = self._kv[:, :, source, :, :kept]
        self._lengths[row], self._settled[row] = kept, list(ids[:kept])
        return kept

    def extend(self, row: int, ids: Sequence[int]) -> Logits:
        before, n = self._lengths[row], len(ids)
        self._run(row, np.array([ids], np.int64), [before + n], at=n - 1)
        self._lengths[row] = before + n
        if n > 1 and len(self._settled[row]) == before:
            self._settled[row].extend(ids)
        return self._logits[:1]

    def step(self, ids: Sequence[int]) -> Logits:
        """Append one token to each of the first n rows; logits ``(n, vocab)``.

        Kernels for one token round otherwise than those for several, which give a row the same bits whatever
        stands in the others. So that an answer never depends on the company it had, a lone row is given an
        idle one.
        """
        n = len(ids)
        ids, totals = list(ids), [length + 1 for length in self._lengths[:n]]
        if n == 1:
            ids, totals, self._settled[1], self._lengths[1] = [*ids, 0], [*totals, 1], [], 0
        self._run(0, np.array(ids, np.int64)[:, None], totals, at=0)
        self._lengths[:n] = totals[:n]
        return self._logits[:n]

    def copy(self, source: int, target: int) -> None:
        length = self._lengths[source]
        self._kv[:, :, target, :, :length] = self._kv[:, :, source, :, :length]
        self._lengths[target], self._settled[target] = length, list(self._settled[source])

    def _run(self, first: int, ids: NDArray[np.int64], totals: Sequence[int], *, at: int) -> None:
        """One call over the rows from ``first`` on; ids (rows, S), totals: their lengths after it."""
        rows, longest = len(ids), max(totals)
        if longest > self._kv.shape[4]:
            self._grow(longest)
        if self._bound != (first, rows):
            self._bind(first, rows)
        bind, logits = self._binding, self._logits[:rows]
        bind.bind_cpu_input("input_ids", ids)
        bind.bind_cpu_input("seqlens_k", np.array(totals, np.int32) - np.int32(1))
        bind.bind_cpu_input("total_length", np.array(longest, np.int32))
        bind.bind_cpu_input("logits_at", np.array([at], np.int64))
        bind.bind_output("logits", "cpu", 0, np.float32, (rows, 1, logits.shape[1]), logits.ctypes.data)
        self._session.run_with_iobinding(bind)

    def _allocate(self, rows: int, capacity: int) -> NDArray[np.float32]:
        return np.zeros((self._layers, 2, rows, self._kv_heads, capacity, self._head_dim), np.float32)

    def _bind(self, first: int, rows: int) -> None:
        """Past and present of every layer are the rows from ``first`` on."""
        shape = (rows, *self._kv.shape[3:])
        for layer in range(self._layers):
            for index, part in enumerate(("key", "value")):
                address = self._kv[layer, index, first].ctypes.data
                self._binding.bind_input(f"past_{part}.{layer}", "cpu", 0, np.float32, shape, address)
                self._binding.bind_output(f"present_{part}.{layer}", "cpu", 0, np.float32, shape, address)
        self._bound = (first, rows)

    def _grow(self, needed: int) -> None:
        capacity, old = self._kv.shape[4], self._kv
        while capacity < needed:
            capacity *= 2
        self._kv = self._allocate(old.shape[2], min(capacity, self._context))
        for row, length in enumerate(self._lengths):
            self._kv[:, :, row, :, :length] = old[:, :, row, :, :length]
        self._bound = (0, 0)
