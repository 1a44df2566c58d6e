"""Several sequences in one KV buffer: what ONNX Runtime needs to decode them side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ..base import Logits
from ..prefill import common_prefix, reusable_prefix
from .kv_buffer import KVBuffer, KVShape

FIRST_CAPACITY = 256  # tokens a row; doubled when one is full


class BufferProvider(Protocol):
    """An engine that allocates KV buffers: :class:`~..ort.OrtEngine`."""

    shape: KVShape

    def buffer(self, *, rows: int, capacity: int, logits: int) -> KVBuffer: ...


class OrtBatchCache:
    """Rows of a KV buffer over a session of the decoder. Implements :class:`~..batch.Slots`.

    A row's part of every layer lies in one piece, so a prompt is computed by itself, in its row, with no
    padding.

    Args:
        engine: the decoder; other caches may use it at the same time.
        rows: the most sequences.
    """

    def __init__(self, engine: BufferProvider, rows: int) -> None:
        rows = max(rows, 2)  # a single row is decoded with an idle one: see step
        self.token_bytes = engine.shape.token_bytes
        self._kv = engine.buffer(rows=rows, capacity=FIRST_CAPACITY, logits=rows)
        self._lengths = [0] * rows
        self._settled: list[list[int]] = [[] for _ in self._lengths]

    def start_row(self, row: int, ids: Sequence[int]) -> int:
        """Clear a row for ``ids``, and copy into it the longest prefix of them that any row holds.

        Return the number of tokens copied.

        Only tokens that came in calls of two or more are taken over (see ``Cache.settled``).
        """
        shared = [reusable_prefix(common_prefix(settled, ids), len(ids)) for settled in self._settled]
        source = max(range(len(shared)), key=lambda other: (shared[other], other == row))
        copied, states = shared[source], self._kv.states
        if states:
            copied = states.checkpoint_before(source, copied)
        if copied and source != row:
            self._kv.copy(self._kv, source, row, copied)
        elif states:
            states.forget(row, copied)
            states.restore(row, copied)
        self._lengths[row], self._settled[row] = copied, list(ids[:copied])
        return copied

    def extend_row(self, row: int, ids: Sequence[int]) -> Logits:
        before, n = self._lengths[row], len(ids)
        logits = self._kv.run(np.array([ids], np.int64), [before + n], np.array([n - 1], np.int64), first=row)
        self._lengths[row] = before + n
        if n > 1 and len(self._settled[row]) == before:
            self._settled[row].extend(ids)
        return logits

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
        logits = self._kv.run(np.array(ids, np.int64)[:, None], totals, np.zeros(1, np.int64))
        self._lengths[:n] = totals[:n]
        return logits[:n]

    def copy_prefix(self, source: int, target: int) -> None:
        length = self._lengths[source]
        self._kv.copy(self._kv, source, target, length)
        self._lengths[target], self._settled[target] = length, list(self._settled[source])
