"""Rows of a batch in every family: each says what it says alone, whatever stands in the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support import families
from tests.support.decoders import checkpoint, engine

LENGTHS = (90, 5, 33)  # the first is past every sliding window here
STEPS = 6


@pytest.mark.parametrize("name", families.CASES)
def test_rows_say_what_each_says_alone(name: str, tmp_path: Path) -> None:
    families.make(name, tmp_path / "hub")
    decoder = engine(checkpoint(tmp_path / "hub"), tmp_path / "fp32", "fp32")
    random = np.random.default_rng(0)
    texts = [random.integers(3, 290, length + STEPS).tolist() for length in LENGTHS]
    rows = decoder.batch_cache(len(texts))
    for row, (text, length) in enumerate(zip(texts, LENGTHS, strict=True)):
        rows.start_row(row, text[:length])
        rows.extend_row(row, text[:length])
    together = [
        rows.step([text[length + step] for text, length in zip(texts, LENGTHS, strict=True)]).copy()
        for step in range(STEPS)
    ]
    for row, (text, length) in enumerate(zip(texts, LENGTHS, strict=True)):
        cache = decoder.cache()
        cache.extend(text[:length])
        alone = np.stack([cache.extend([id])[0].copy() for id in text[length:]])
        bound = 1e-4 * max(1.0, float(np.abs(alone).max()))
        assert np.abs(np.stack([step[row] for step in together]) - alone).max() < bound
    # A prompt that begins as another row's takes over its tokens.
    shared = [*texts[0][:60], *texts[1][:4]]
    begin = rows.start_row(1, shared)
    assert begin > 0
    logits = rows.extend_row(1, shared[begin:]).copy()
    expected = decoder.cache().extend(shared)
    assert np.abs(logits - expected).max() < 1e-4 * max(1.0, float(np.abs(expected).max()))
