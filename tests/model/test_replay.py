"""Replayed, an answer gives every recorded token; other settings give what they would have."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.core.sampling import candidates, penalised
from llm_magics.views.bundle import generation_bundle, read_bundle

CASES: list[dict[str, Any]] = [
    {},
    {"temperature": 1.2, "top_k": 12, "top_p": 0.9},
    {"temperature": 1.0, "repetition_penalty": 1.3},
    {"temperature": 0.0},
    {"temperature": 0.8, "top_k": 0, "top_p": 0.5, "min_p": 0.0},
]


@pytest.mark.parametrize("options", CASES, ids=str)
@pytest.mark.parametrize("name", ["exact", "model"])
def test_it_gives_every_recorded_token(name: str, options: Any, request: pytest.FixtureRequest) -> None:
    made: lm.Model = request.getfixturevalue(name)
    answer = made.generate("Name some cities.", max_tokens=60, seed=4, speculate=False, **options)
    found = made.replay(answer)
    assert found.arrays["exact"].all()
    assert found.chosen() == [token.id for token in answer.tokens]
    u = [token.u for token in answer.tokens]
    assert (None in u) == (options.get("temperature") == 0)
    # Of what a notebook keeps it is the same.
    saved = read_bundle(json.loads(json.dumps(generation_bundle(answer))))
    assert [token.u for token in saved.tokens] == u
    assert made.replay(saved).chosen() == [token.id for token in answer.tokens]


def test_other_settings_give_what_the_sampler_would(exact: lm.Model) -> None:
    answer = exact.generate("Name some cities.", max_tokens=30, seed=4, temperature=1.0)
    found, cache = exact.replay(answer), exact.engine.cache()
    ids = list(answer.prompt_ids)
    logits = cache.extend(ids)[0].copy()
    for n, token in enumerate(answer.tokens):
        for options in (
            {"temperature": 0.5},
            {"top_k": 3},
            {"top_p": 0.6},
            {"min_p": 0.3},
            {"repetition_penalty": 1.5},
        ):
            changed = lm.SamplingOptions(**{**answer.options.given(), **options})
            given = penalised(logits, ids, changed.repetition_penalty)
            kept, odds = candidates(given, changed)
            step = found.step(n, **options)
            assert [id for id, p in zip(step.ids, step.probabilities, strict=True) if p > 0] == kept.tolist()
            assert np.allclose(step.probabilities[step.probabilities > 0], odds / odds.sum(), atol=1e-4)
            assert step.lacks == 0
        ids.append(token.id)
        logits = cache.extend([token.id])[0].copy()
    assert "steps had a choice" in repr(found) and len(found.to_pandas()) == len(answer.tokens)


def test_the_record_keeps_what_a_replay_needs(exact: lm.Model) -> None:
    answer = exact.generate("Hi", max_tokens=8, temperature=0.9, seed=1)
    cache = exact.engine.cache()
    logits = cache.extend(answer.prompt_ids)[0]
    total = answer.tokens[0].log_total
    assert total is not None and abs(total + answer.tokens[0].logprob - logits[answer.tokens[0].id]) < 1e-3
    again = exact.generate("Hi", max_tokens=8, temperature=0.9, seed=1)
    assert [t.u for t in again.tokens] == [t.u for t in answer.tokens]
    trace = exact.score("Some text.")
    assert trace.tokens[1].u is None and trace.tokens[1].log_total is not None


def test_an_answer_of_another_model_is_refused(model: lm.Model) -> None:
    with pytest.raises(lm.UsageError, match="of another"):
        model.replay(lm.Generation("a", (), "stop", "p", model=lm.ModelInfo("another")))
