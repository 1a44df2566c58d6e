"""Many continuations of one beginning, which is computed once: token by token, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ...engine.base import check_fits
from ...engine.caches.cache_pool import free_bytes
from ...engine.generate import CHUNK
from ...engine.ort import OrtEngine
from ...engine.prefill import chunk_ends
from ...engine.runtime import Runtime

Floats = NDArray[np.float32]
ROWS = 16
Seen = Callable[[int, int, Floats], None]
"""Told of each continuation's token: which continuation, which of its tokens, and the logits (vocab,) before
it.
They are valid until it returns, and may be changed."""


def score_continuations(
    runtime: Runtime, prefix: Sequence[int], continuations: Sequence[Sequence[int]], seen: Seen
) -> None:
    """Read every continuation behind ``prefix``.

    Raises:
        ContextOverflow: one of them does not fit.
    """
    engine = runtime.engine
    longest = max(map(len, continuations), default=0)
    check_fits(len(prefix) + longest, engine.context_length, what="the prompt with the longest string")
    if isinstance(engine, OrtEngine):
        _side_by_side(engine, prefix, continuations, seen)
    else:
        _one_by_one(runtime, prefix, continuations, seen)


def _side_by_side(
    engine: OrtEngine, prefix: Sequence[int], continuations: Sequence[Sequence[int]], seen: Seen
) -> None:
    order = sorted(range(len(continuations)), key=lambda n: -len(continuations[n]))
    longest, start = max(map(len, continuations)), len(prefix)
    row_bytes = engine.shape.token_bytes * (start + longest)
    rows = max(1, min(ROWS, len(order), free_bytes() // 4 // row_bytes))
    kv = engine.buffer(rows=rows + 1, capacity=start + longest, logits=rows)
    begin = 0
    for end in chunk_ends(0, start, CHUNK):  # into the last row, which is copied from
        out = kv.run(
            np.array([prefix[begin:end]], np.int64), [end], np.array([end - begin - 1], np.int64), first=rows
        )
        begin = end
    first = out[0].copy()
    for n in order:
        seen(n, 0, first.copy())
    waiting = [n for n in order if len(continuations[n]) > 1]
    for at in range(0, len(waiting), rows):
        group = waiting[at : at + rows]
        for row in range(len(group)):
            kv.copy(kv, rows, row, start)
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
