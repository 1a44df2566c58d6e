"""Attribution by leaving out, and how far a text is known by heart."""

from __future__ import annotations

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.core import progress
from tests.support.decoders import log_softmax

TEXT = "The capital of France is Paris. The capital of Italy is"
RIGHTS = "We hold these truths to be self-evident, that all men are created equal, that they are endowed by"


@pytest.mark.parametrize("against", [None, " Paris"])
def test_each_effect_is_what_leaving_it_out_changes(exact: lm.Model, against: str | None) -> None:
    found = exact.attribution(TEXT, against=against)
    ids = exact.tokenizer.encode(TEXT)
    rome, paris = (exact.tokenizer.encode(each)[0] for each in (" Rome", " Paris"))
    assert found.head["target"] == rome

    def score(some: list[int]) -> float:
        logprobs = log_softmax(exact.engine.cache().extend(some))[0]
        return float(logprobs[rome] - (logprobs[paris] if against else 0))

    whole = score(ids)
    for n in range(len(ids)):
        assert abs(found.arrays["effect"][n] - (whole - score(ids[:n] + ids[n + 1 :]))) < 1e-3
    best = int(np.argmax(found.arrays["effect"]))
    assert found.head["texts"][best] in (" Italy", " is") and "␣Italy" in repr(found)


def test_an_interrupt_keeps_what_there_is(model: lm.Model) -> None:
    def stop(what: str, share: float | None) -> None:
        if share and share > 0.4:
            raise KeyboardInterrupt

    with progress.listening(stop):
        found = model.attribution(TEXT)
    effect = found.arrays["effect"]
    assert np.isnan(effect[:5]).all() and np.isfinite(effect[-3:]).all()


def test_a_text_that_is_known_by_heart(model: lm.Model) -> None:
    found = model.memorization(RIGHTS, prompt_tokens=11)
    ids = found.head["ids"]
    greedy = model.generate(
        "".join(found.head["texts"][:11]), raw=True, max_tokens=len(ids) - 11, temperature=0, speculate=False
    )
    said = [token.id for token in greedy.tokens]
    run = next((n for n, (a, b) in enumerate(zip(said, ids[11:], strict=False)) if a != b), len(ids) - 11)
    assert found.run == run > 5
    trace = model.score(RIGHTS)
    assert [t.rank for t in trace.tokens[1:]] == found.arrays["rank"][1:].tolist()
    other = model.memorization(
        "Purple bicycles negotiate seven quiet theorems beneath the parliament of soup."
    )
    assert other.run < 3 and "then it would say" in repr(other)


def test_bad_input_is_said(model: lm.Model) -> None:
    with pytest.raises(lm.UsageError, match="prompt_tokens must be"):
        model.memorization("a b c", prompt_tokens=9)
    with pytest.raises(lm.UsageError, match="no token"):
        model.attribution("a", target="")
