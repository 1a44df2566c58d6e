"""Many samples of one prompt: each is what it would be alone, and more can be added."""

from __future__ import annotations

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.inspection.tree import SampleTree

PROMPT = "The best way to learn a language is"


def test_each_sample_is_that_of_its_seed(exact: lm.Model) -> None:
    found = exact.sample_tree(PROMPT, samples=6, max_tokens=6)
    for n, text in enumerate(found.texts):
        alone = exact.generate(
            PROMPT, raw=True, max_tokens=6, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, seed=n
        )
        assert alone.text == text
        part = slice(6 * n, 6 * n + 6)
        assert np.allclose(found.arrays["logprob"][part], [t.logprob for t in alone.tokens], atol=1e-4)
    assert "6 samples at temperature 1" in repr(found) and len(found.to_pandas()) == 6


def test_more_samples_are_those_that_were_missing(model: lm.Model) -> None:
    some = model.sample_tree(PROMPT, samples=5, max_tokens=5)
    more = model.sample_tree(
        PROMPT, samples=9, max_tokens=5, extend_from=SampleTree.from_payload(some.to_payload())
    )
    whole = model.sample_tree(PROMPT, samples=9, max_tokens=5)
    assert more.texts == whole.texts and [s["seed"] for s in more.head["samples"]] == list(range(9))


def test_an_end_is_seen_and_an_answer_goes_on(model: lm.Model) -> None:
    answer = model.generate("What is the capital of France?", max_tokens=40, temperature=0)
    found = model.sample_tree(answer.path(0), samples=3, max_tokens=4)
    assert found.head["prompt"] == len(answer.prompt_ids)
    short = model.sample_tree("2 + 2 =", samples=3, max_tokens=4, temperature=0)
    assert len(set(short.texts)) == 1


def test_an_interrupt_keeps_what_there_is(model: lm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_magics.core import progress

    def stop(what: str, share: float | None) -> None:
        if share and share > 0.5:
            raise KeyboardInterrupt

    with progress.listening(stop):
        found = model.sample_tree(PROMPT, samples=4, max_tokens=12)
    assert 0 < len(found.arrays["token"]) < 48
    assert {each["end"] for each in found.head["samples"]} == {"interrupted"}


def test_bad_numbers_are_said(model: lm.Model) -> None:
    for samples in (0, 1000, "3"):
        with pytest.raises(lm.UsageError, match="samples must be"):
            model.sample_tree(PROMPT, samples=samples)  # type: ignore[arg-type]
    with pytest.raises(lm.UsageError, match="unknown option"):
        model.sample_tree(PROMPT, temprature=1)
