"""Guessing against the real model: in fp32 the same tokens and records, in fewer engine calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import llm_magics as lm
from llm_magics.engine.generate import Stream
from llm_magics.engine.ort import OrtCache

TEXT = (
    "The old lighthouse stood on the northern cliff, where the wind never rested. Every evening Martha "
    "climbed the ninety "
    "steps to light the lamp, and every morning she climbed down again to write the weather in her book."
)
PROMPTS = {
    "rewrite": f"Rewrite this text with one change, Martha's name becomes Alice:\n\n{TEXT}",
    "code": "Rewrite this code with a better name:\n\ndef f(a, b):\n    return (a + b) * (a - b)\n",
    "list": "Name five rivers and the countries they flow through.",
    "story": "Write a short story about a lighthouse keeper.",
    "question": f"{TEXT}\n\nHow many steps did Martha climb?",
}


def ask(some: lm.Model, prompt: str, speculate: bool, **options: Any) -> tuple[lm.Generation, int]:
    """The answer from an empty cache, and how many engine calls it took."""
    text, ids = some.encode(prompt)
    some.pool.clear()
    calls, extend = 0, OrtCache.extend

    def counted(self: OrtCache, ids: list[int], *, all_logits: bool = False) -> Any:
        nonlocal calls
        calls += 1
        return extend(self, ids, all_logits=all_logits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OrtCache, "extend", counted)
        chosen = lm.SamplingOptions(**{"max_tokens": 48, **options})
        stream = Stream(some._runtime, ids, chosen, prompt=text, model=some.info, speculate=speculate)
        for _ in stream:
            pass
    return stream.generation, calls


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"temperature": 0.7, "seed": 5}], ids=["greedy", "sampled"]
)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_same_tokens_and_records(exact: lm.Model, prompt: str, options: dict[str, Any]) -> None:
    (plain, one), (guessed, several) = (ask(exact, PROMPTS[prompt], on, **options) for on in (False, True))
    assert [token.id for token in plain.tokens] == [token.id for token in guessed.tokens]
    assert (plain.text, plain.stop_reason) == (guessed.text, guessed.stop_reason)
    for a, b in zip(plain.tokens, guessed.tokens, strict=True):
        assert b.text == a.text and b.logprob == pytest.approx(a.logprob, abs=1e-3)
        assert b.entropy == pytest.approx(a.entropy, abs=1e-3)
        assert [other.logprob for other in b.alternatives] == pytest.approx(
            [other.logprob for other in a.alternatives], abs=1e-3
        )
    assert several <= one and (prompt != "rewrite" or options["temperature"] or several < one / 3)


def test_the_default_precision_saves_calls_and_stays_repeatable(model: lm.Model) -> None:
    answer, calls = ask(model, PROMPTS["rewrite"], True, temperature=0)
    assert calls < len(answer.tokens) / 2
    again, _ = ask(model, PROMPTS["rewrite"], True, temperature=0)
    assert [token.id for token in again.tokens] == [token.id for token in answer.tokens]


@pytest.mark.parametrize("size", [2, 3, 5, 11])
def test_checked_tokens_are_settled(model: lm.Model, prose: list[int], size: int) -> None:
    """The bits that a call of a few tokens leaves behind are those of a call of many, so both may be used
    again.
    """
    ids = prose[:80]
    whole = model.engine.cache().extend(ids).copy()
    cache = model.engine.cache()
    cache.extend(ids[:20])
    for begin in range(20, 80, size):
        part = ids[begin : begin + size]
        if len(part) > 1:
            cache.extend([*part, 5, 6], all_logits=True)  # two guesses that prove wrong
            cache.truncate(begin + len(part))
            last = cache.reusable_length
    assert last == len(cache.cached)
    cache.truncate(78)
    assert (cache.extend(ids[78:]) == whole).all()


def test_a_draft_gives_the_text_that_the_model_gives_alone(
    default_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In fp32, with the same model in 4 bits as the draft: the same tokens, in fewer calls.

    By its size this draft would not pay: it is made to guess all the same.
    """
    monkeypatch.setattr("llm_magics.engine.speculation.draft.best_count", lambda share, cost: 4)
    large, small = lm.load(default_gguf, precision="fp32"), lm.load(default_gguf, precision="int4")
    for options in ({"temperature": 0}, {"temperature": 0.8, "seed": 3}):
        alone = large.generate("Why is the sky blue?", max_tokens=60, speculate=False, **options)
        stream = large.stream("Why is the sky blue?", max_tokens=60, draft=small, **options)
        assert stream.to_end().text == alone.text
        guessed, right = stream.drafted
        assert guessed > 20 and right / guessed > 0.4  # those behind a wrong one count too
