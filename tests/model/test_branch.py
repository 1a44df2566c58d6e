"""Branches: another token, and what the model says then, as if the same text had been asked afresh."""

from __future__ import annotations

from typing import Any

import pytest

import llm_magics as lm
from llm_magics.engine.generate import Stream

PROMPT = "Tell me about the sea."


@pytest.fixture(params=["packed", "fp32"])
def some(request: pytest.FixtureRequest, model: lm.Model, exact: lm.Model) -> lm.Model:
    return model if request.param == "packed" else exact


def afresh(some: lm.Model, ids: list[int], options: lm.SamplingOptions) -> list[tuple[int, float]]:
    some.pool.clear()
    stream = Stream(some._runtime, ids, options, prompt="", model=some.info)
    return [(token.id, token.logprob) for token in stream]


@pytest.mark.parametrize(
    "options", [{"temperature": 0}, {"temperature": 0.8, "seed": 7}], ids=["greedy", "sampled"]
)
def test_a_branch_is_the_same_text_asked_afresh(some: lm.Model, options: dict[str, Any]) -> None:
    answer = some.generate(PROMPT, max_tokens=30, **options)
    at = 9
    other = next(each for each in answer.tokens[at].alternatives if each.id != answer.tokens[at].id)
    some.generate("Something else in between.", max_tokens=5)
    made = some.branch(answer, at, other.text)
    assert [token.id for token in made.tokens[: at + 1]] == [*(t.id for t in answer.tokens[:at]), other.id]
    kept, branched = answer.tokens[at], made.tokens[at]
    assert (branched.logprob, branched.alternatives) == (other.logprob, kept.alternatives)
    assert branched.rank == kept.alternatives.index(other)
    assert made.text == "".join(token.text for token in made.tokens) and len(made.tokens) <= 30
    assert made.prompt == answer.prompt and made.prompt_ids == answer.prompt_ids
    # the common beginning was not computed again
    assert made.timing.cached_tokens >= len(answer.prompt_ids) - 1
    ids = [*answer.prompt_ids, *(token.id for token in made.tokens[: at + 1])]
    chosen = lm.SamplingOptions(max_tokens=30 - at - 1, **options)
    assert [(token.id, token.logprob) for token in made.tokens[at + 1 :]] == afresh(some, ids, chosen)


@pytest.mark.parametrize(
    "options",
    [{"temperature": 0}, {"temperature": 0.9, "seed": 7}, {"temperature": 0.9, "stop": ["zzz", " t"]}],
    ids=["greedy", "sampled", "stop strings"],
)
def test_an_answer_that_goes_on_is_the_longer_answer(exact: lm.Model, options: dict[str, Any]) -> None:
    asked = "Write the rainbow as emoji: 🌈, then 🐸🦊, then some words."
    whole = exact.generate(asked, max_tokens=40, **options)
    short = exact.generate(asked, max_tokens=7, **options)
    if whole.stop_reason == "stop" and len(whole.tokens) <= 7:
        whole = exact.generate(asked, max_tokens=40, temperature=0.9)
    exact.generate("Something else in between.", max_tokens=5)
    longer = exact.extend(short, 33)
    assert longer.text == whole.text and len(longer.tokens) > len(short.tokens)
    assert [token.id for token in longer.tokens] == [token.id for token in whole.tokens]
    assert [token.text for token in longer.tokens] == [token.text for token in whole.tokens]
    assert longer.options == whole.options and longer.stop_reason == whole.stop_reason


def test_every_cut_goes_on_to_the_same_text(exact: lm.Model) -> None:
    """Also one in the middle of a letter of several tokens."""
    asked = "Repeat: 🦊 é 漢字 🐸🌈"
    whole = exact.generate(asked, max_tokens=24, temperature=0)
    for most in range(1, 12):
        made = exact.extend(exact.generate(asked, max_tokens=most, temperature=0), 24 - most)
        assert (made.text, made.stop_reason) == (whole.text, whole.stop_reason), most


def test_a_branch_goes_on_too(exact: lm.Model) -> None:
    options: dict[str, Any] = {"temperature": 0.8, "seed": 3}
    answer = exact.generate(PROMPT, max_tokens=10, **options)
    tree = answer.with_branch(exact.branch(answer, 4, " Q", max_tokens=30), at=4)
    short = answer.with_branch(exact.branch(answer, 4, " Q", max_tokens=12), at=4)
    longer = short.with_more(exact.extend(short.path(1), 18), path=1)
    assert longer.path(1).text == tree.path(1).text and longer.text == answer.text
    assert [t.id for t in longer.branches[0].tokens] == [t.id for t in tree.branches[0].tokens]


def test_a_complete_answer_does_not_go_on(model: lm.Model) -> None:
    answer = model.generate("Say yes.", max_tokens=200, temperature=0)
    assert answer.stop_reason == "stop"
    with pytest.raises(lm.UsageError, match="complete"):
        model.extend(answer)


def test_typed_text_and_ids(model: lm.Model) -> None:
    answer = model.generate(PROMPT, max_tokens=12, temperature=0)
    made = model.branch(answer, 3, " of the North, which")
    assert "".join(t.text for t in answer.tokens[:3]) + " of the North, which" in made.text
    id = answer.tokens[0].alternatives[1].id
    assert model.branch(answer, 0, id).tokens[0].id == id
    longer = model.branch(answer, len(answer.tokens), " Also", max_tokens=30)
    assert longer.text.startswith(answer.text) and len(longer.tokens) > len(answer.tokens)
    again = model.branch(made, 1, " wide")  # a branch of a branch
    assert again.tokens[0].id == answer.tokens[0].id and again.tokens[1].text == " wide"


def test_an_end_token_ends_it(model: lm.Model) -> None:
    answer = model.generate(PROMPT, max_tokens=8, temperature=0)
    assert model.tokenizer.eos_id is not None
    made = model.branch(answer, 4, model.tokenizer.eos_id)
    assert len(made.tokens) == 5 and made.stop_reason == "stop"
    assert made.text == "".join(token.text for token in answer.tokens[:4])
    full = model.branch(answer, 7, " x", max_tokens=8)
    assert len(full.tokens) == 8 and full.stop_reason == "length"


def test_while_another_answer_is_running(model: lm.Model) -> None:
    answer = model.generate(PROMPT, max_tokens=16, temperature=0)
    expected = model.branch(answer, 5, " blue")
    running = model.stream("Count to a hundred.", max_tokens=30, temperature=0)
    before = [next(running).id for _ in range(5)]
    assert [t.id for t in model.branch(answer, 5, " blue").tokens] == [t.id for t in expected.tokens]
    rest = [token.id for token in running]
    assert before + rest == [
        t.id for t in model.generate("Count to a hundred.", max_tokens=30, temperature=0).tokens
    ]


def test_streamed(model: lm.Model) -> None:
    answer = model.generate(PROMPT, max_tokens=12, temperature=0)
    stream = model.stream_branch(answer, 2, " great")
    given = [token.id for token in stream]
    assert [token.id for token in stream.generation.tokens][-len(given) :] == given
    assert model.last == stream.generation


def test_what_cannot_be(model: lm.Model, exact: lm.Model) -> None:
    answer = model.generate(PROMPT, max_tokens=4, temperature=0)
    for at, token in ((-1, " a"), (99, " a"), (True, " a"), (1, ""), (1, 10**9)):
        with pytest.raises(lm.UsageError) as error:
            model.branch(answer, at, token)
        assert error.value.hint
    old = lm.Generation.from_dict({**answer.to_dict(), "prompt_ids": []})
    with pytest.raises(lm.UsageError, match="older version"):
        model.branch(old, 1, " a")
    with pytest.raises(lm.UsageError, match="temprature"):
        model.branch(answer, 1, " a", temprature=0)
