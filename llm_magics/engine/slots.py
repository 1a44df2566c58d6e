"""Several sequences in one KV buffer: what ONNX Runtime needs to decode them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .base import Logits
from .buffer import KV, KVShape
from .prefix import common_prefix, reusable

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FIRST_CAPACITY = 256  # tokens a row; doubled when one is full


class OrtSlots:
    """Rows of a KV buffer over a session of the decoder. Implements :class:`~.batch.Slots`.

    A row's part of every layer lies in one piece, so a prompt is computed by itself, in its row, with no
    padding.

    Args:
        session: of decoder.onnx; others may go on using it.
        vocab_size, context_length: in tokens.
        rows: how many sequences there may be.
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
        inputs: Mapping[str, NDArray[np.float32]],
    ) -> None:
        rows = max(rows, 2)  # a lone row is decoded beside an idle one: see step
        self.token_bytes = shape.token_bytes
        self._kv = KV(
            session,
            shape,
            vocab_size=vocab_size,
            context_length=context_length,
            rows=rows,
            capacity=FIRST_CAPACITY,
            logits=rows,
            inputs=inputs,
        )
        self._lengths = [0] * rows
        self._settled: list[list[int]] = [[] for _ in self._lengths]

    def begin(self, row: int, ids: Sequence[int]) -> int:
        """Empty a row for ``ids`` and give it what any row holds of their beginning; how many tokens that
        are.

        Only tokens that came in calls of two or more are taken over (see ``Cache.settled``).
        """
        shared = [reusable(common_prefix(settled, ids), len(ids)) for settled in self._settled]
        source = max(range(len(shared)), key=lambda other: (shared[other], other == row))
        kept = shared[source]
        if kept and source != row:
            self._kv.copy(self._kv, source, row, kept)
        self._lengths[row], self._settled[row] = kept, list(ids[:kept])
        return kept

    def extend(self, row: int, ids: Sequence[int]) -> Logits:
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

    def copy(self, source: int, target: int) -> None:
        length = self._lengths[source]
        self._kv.copy(self._kv, source, target, length)
        self._lengths[target], self._settled[target] = length, list(self._settled[source])
