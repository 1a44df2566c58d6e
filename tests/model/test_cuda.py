"""A model on a real card; skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.core.sampling import log_softmax
from llm_magics.engine.device import Device, why_unavailable
from llm_magics.engine.ort import OrtEngine
from llm_magics.tuning.run import run_to_end
from tests.support.runs import run_of

pytestmark = pytest.mark.skipif(bool(why_unavailable(Device("cuda"))[0]), reason="there is no CUDA card")


def test_logits_are_those_of_the_cpu(default_gguf: Path, prose: list[int], reference: np.ndarray) -> None:
    """Against transformers in fp32 on the CPU: a prompt, and steps that are replayed."""
    engine = lm.load(device="cuda").engine
    assert isinstance(engine, OrtEngine) and engine.captures
    expected = log_softmax(reference, np.float64)
    cache = engine.cache()
    logits = cache.extend(prose, all_logits=True).copy()
    cache.truncate(1)
    steps = np.concatenate([logits[:1], *(cache.extend([token]).copy() for token in prose[1:])])
    for ours in (log_softmax(logits, np.float64), log_softmax(steps, np.float64)):
        assert (np.exp(expected) * (expected - ours)).sum(-1).mean() < 0.01
        assert (expected.argmax(-1) == ours.argmax(-1)).mean() >= 0.93


def test_answers_adapters_and_rows(default_gguf: Path) -> None:
    model = lm.load(device="cuda")
    first = model.generate("What is the capital of France?", temperature=0, max_tokens=8)
    assert "Paris" in first.text
    again = model.generate("What is the capital of France?", temperature=0, max_tokens=8)
    assert first.text == again.text
    answers = list(model.map(["What is the capital of France?", "Hello"], temperature=0, max_tokens=8))
    assert "Paris" in answers[0].text
    run = run_to_end(run_of(model, steps=4))
    assert not any("computes on the CPU" in note for note in run.notes)
    assert model.with_adapter(run.adapter).generate("Hello", max_tokens=4).tokens
