"""Many continuations of one beginning, which is computed once: token by token, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...engine.base import Logits, check_fits
from ...engine.caches.cache_pool import free_bytes
from ...engine.caches.kv_buffer import KVBuffer
from ...engine.generate import CHUNK
from ...engine.ort import OrtEngine
from ...engine.prefill import chunk_ends, common_prefix, reusable_prefix
from ...engine.runtime import Runtime

Floats = NDArray[np.float32]
ROWS = 16
Seen = Callable[[int, int, Floats], None]
"""Told of each continuation's token: which continuation, which of its tokens, and the logits (vocab,) before
it.
They are valid until it returns, and may be changed."""


class ContinuationReader:
    """Reads continuations behind one prefix after the other.

    What a prefix shares with the one before is not computed again: the prompts of many rows begin alike.

    Args:
        runtime: of the model.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._kv: KVBuffer | None = None
        self._rows = 0  # of continuations; the row behind them holds the prefix
        self._prefix: list[int] = []  # what that row holds

    def read(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]], seen: Seen) -> None:
        """Read every continuation behind ``prefix``.

        Raises:
            ContextOverflow: one of them does not fit.
        """
        engine = self._runtime.engine
        longest = max(map(len, continuations), default=0)
        check_fits(len(prefix) + longest, engine.context_length, what="the prompt with the longest string")
        if isinstance(engine, OrtEngine):
            self._read_side_by_side(engine, prefix, continuations, seen)
        else:
            _one_by_one(self._runtime, prefix, continuations, seen)

    def _buffer(self, engine: OrtEngine, count: int, length: int) -> KVBuffer:
        """Return a buffer for the continuations and the prefix: the one of the call before, where it fits."""
        rows = max(1, min(ROWS, count, free_bytes() // 4 // (engine.shape.token_bytes * length)))
        if self._kv is None or rows > self._rows:
            self._kv, self._rows, self._prefix = None, rows, []  # gives its memory back first
            self._kv = engine.buffer(rows=rows + 1, capacity=length, logits=rows)
        return self._kv

    def _read_prefix(self, kv: KVBuffer, prefix: Sequence[int]) -> Logits:
        """Return the logits behind the prefix, (1, vocab), which is in the last row then."""
        shared = 0 if kv.states else reusable_prefix(common_prefix(self._prefix, prefix), len(prefix))
        self._prefix = self._prefix[:shared]  # an interrupt may come before all of it is read
        begin, out = shared, None
        for end in chunk_ends(begin, len(prefix), CHUNK):
            ids = np.array([prefix[begin:end]], np.int64)
            out = kv.run(ids, [end], np.array([end - begin - 1], np.int64), first=self._rows)
            begin = end
        assert out is not None
        self._prefix = list(prefix)
        return out

    def _read_side_by_side(
        self, engine: OrtEngine, prefix: Sequence[int], continuations: Sequence[Sequence[int]], seen: Seen
    ) -> None:
        order = sorted(range(len(continuations)), key=lambda n: -len(continuations[n]))
        longest, start = max(map(len, continuations)), len(prefix)
        kv = self._buffer(engine, len(order), start + longest)
        first = self._read_prefix(kv, prefix)[0].copy()
        for n in order:
            seen(n, 0, first.copy())
        waiting = [n for n in order if len(continuations[n]) > 1]
        for at in range(0, len(waiting), self._rows):
            group = waiting[at : at + self._rows]
            for row in range(len(group)):
                kv.copy(kv, self._rows, row, start)
            for place in range(1, len(continuations[group[0]])):
                active = [n for n in group if len(continuations[n]) > place]
                ids = np.array([[continuations[n][place - 1]] for n in active], np.int64)
                logits = kv.run(ids, [start + place] * len(active), np.zeros(1, np.int64))
                for n, row_logits in zip(active, logits, strict=True):
                    seen(n, place, row_logits)


def _one_by_one(
    runtime: Runtime, prefix: Sequence[int], continuations: Sequence[Sequence[int]], seen: Seen
) -> None:
    """Score one continuation after the other, on engines with a single sequence."""
    cache = runtime.engine.cache()
    first = cache.extend(prefix)[0].copy()
    for n, ids in enumerate(continuations):
        seen(n, 0, first.copy())
        if len(ids) > 1:
            cache.truncate(len(prefix))
            for place, logits in enumerate(cache.extend(ids[:-1], all_logits=True), 1):
                seen(n, place, logits.copy())
