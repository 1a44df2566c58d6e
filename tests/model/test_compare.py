"""Two readings of one text: aligned by characters, with an interval, and where two answers part."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.inspection.compare import _spans, bootstrap_interval, compare
from tests.support.decoders import log_softmax

TEXT = "Zürich 🚋, 東京.\n\nfor i in range(10):\n    print(i)"


def test_two_precisions_on_one_text(exact: lm.Model, model: lm.Model, oracle: Any) -> None:
    import torch

    found = lm.compare(exact, model, TEXT)
    assert "".join(found.head["texts"]) == TEXT[1:]  # nothing is expected of the first token
    ids = exact.tokenizer.encode(TEXT)
    with torch.no_grad():
        expected = log_softmax(oracle(torch.tensor([ids])).logits[0].numpy())
    own = expected[np.arange(len(ids) - 1), ids[1:]]
    assert abs(found.arrays["logprob_a"].sum() - own.sum()) < 1e-3
    low, high = found.head["interval"]
    assert low <= found.mean <= high and found.head["alike"] and found.head["parted"] is None
    assert found.head["memory"] == [exact.weights_bytes, model.weights_bytes]
    assert len(found.to_pandas()) == len(found.delta)


def test_an_answer_is_read_behind_its_prompt(exact: lm.Model, model: lm.Model) -> None:
    answer = exact.generate("What is the capital of France?", max_tokens=20, temperature=0)
    found = lm.compare(exact, model, answer)
    told = [token.logprob for token in answer.tokens]
    assert np.abs(np.cumsum(found.arrays["logprob_a"])[-1] - sum(told)) < 1e-3
    assert found.head["texts"][0] == answer.tokens[0].text
    with pytest.raises(lm.UsageError, match="cannot read the tokens"):
        made = lm.Generation("x", answer.tokens, "stop", "p", prompt_ids=answer.prompt_ids)
        model.score_answer(made)


def test_two_prompts(model: lm.Model) -> None:
    """The same words behind two prompts are two records of one text."""
    one = model.score(" Paris.", prompt="The capital of France is")
    other = model.score(" Paris.", prompt="I do not like")
    found = lm.compare(one, other)
    assert found.head["texts"] == [" Paris", "."] and found.delta[0] < -5
    assert one.predicted_from == 0 and abs(one.tokens[0].logprob) < 1
    whole = model.score("The capital of France is Paris.")
    assert abs(whole.tokens[-2].logprob - one.tokens[0].logprob) < 1e-6


def test_where_two_answers_part(model: lm.Model) -> None:
    a = model.generate("Name a colour.", max_tokens=12, temperature=0)
    b = model.branch(a, at=3, token=" zebra", max_tokens=8)
    found = compare(a, b)
    assert found.head["parted"] == 3 and len(found.head["texts"]) == 3
    assert found.head["rests"] == ["".join(t.text for t in each.tokens[3:]) for each in (a, b)]
    assert "part at token 4" in repr(found)
    with pytest.raises(lm.UsageError, match="model and a record"):
        lm.compare(model, a)
    with pytest.raises(lm.UsageError, match="text is missing"):
        lm.compare(model, model)


def test_other_tokenizers_are_aligned_by_characters() -> None:
    spans = list(_spans(["The", " c", "at", " sat"], ["The ", "cat", " s", "at"]))
    assert [(a.stop, b.stop) for a, b in spans] == [(3, 2), (4, 4)]
    assert list(_spans(["ab", "c"], ["ab", "d"])) == [(slice(0, 1), slice(0, 1))]
    assert list(_spans([], [])) == []
    # Half a character has no text of its own; it goes with the token that completes it.
    assert [(a.stop, b.stop) for a, b in _spans(["", "é", "x"], ["é", "x"])] == [(2, 1), (3, 2)]


def test_the_interval_is_that_of_the_mean() -> None:
    rng = np.random.default_rng(1)
    low, high = bootstrap_interval(rng.normal(0.3, 1, 400))
    assert low < 0.3 < high and abs((high - low) - 2 * 1.96 / 20) < 0.03
    assert all(math.isnan(each) for each in bootstrap_interval(np.array([])))
