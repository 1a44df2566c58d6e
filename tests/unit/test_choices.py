"""Labels by exact probability."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from llm_magics import UsageError
from llm_magics.inspection.answers.choices import Choice, label_spellings
from llm_magics.magics.answers.forms import labels
from tests.unit.test_structured import Noise, noise


def exact(engine: Noise, prompt: bytes, text: str) -> float:
    """The probability of all bytes of a text in a row."""
    ids, total = [*prompt], 0.0
    for byte in text.encode():
        row = engine.row(ids).astype(np.float64)
        total += row[byte] - np.logaddexp.reduce(row)
        ids.append(byte)
    return math.exp(total)


def test_a_label_has_the_probability_of_all_its_tokens() -> None:
    model = noise(6)
    assert isinstance(model.engine, Noise)
    choice = model.choose("x", ["pos", "neg", "neutral"], raw=True)
    assert isinstance(choice, Choice) and isinstance(choice, str) and choice in ("pos", "neg", "neutral")
    wanted = {name: exact(model.engine, b"x", name) for name in ("pos", "neg", "neutral")}
    for name, p in choice.record.of_all.items():
        assert p == pytest.approx(wanted[name], rel=1e-5)
    mass = sum(wanted.values())
    assert choice.probabilities == pytest.approx({name: p / mass for name, p in wanted.items()}, rel=1e-5)
    probed = model.probe([*b"x"], ["pos", "neg", "neutral"]).logprobs
    assert {name: math.exp(value) for name, value in probed.items()} == pytest.approx(
        choice.record.of_all, rel=1e-6
    )
    assert str(choice) == max(wanted, key=wanted.__getitem__)


def test_a_label_that_begins_another_does_not_hold_it_too() -> None:
    model = noise(2)
    assert isinstance(model.engine, Noise)
    choice = model.choose("x", ["a", "ab", "abc"], raw=True)
    p = {name: exact(model.engine, b"x", name) for name in ("a", "ab", "abc")}
    assert choice.record.of_all == pytest.approx(
        {"a": p["a"] - p["ab"], "ab": p["ab"] - p["abc"], "abc": p["abc"]}, rel=1e-4
    )


def test_spellings_are_added() -> None:
    model = noise(2)
    assert isinstance(model.engine, Noise)
    choice = model.choose("x", {"yes": ["yes", "Yes"], "no": ["no"]}, raw=True)
    both = exact(model.engine, b"x", "yes") + exact(model.engine, b"x", "Yes")
    assert choice.record.of_all["yes"] == pytest.approx(both, rel=1e-5)
    text = choice.record.to_text()
    assert "yes" in text and "of all that could follow" in text and "<script" not in choice.record.page()
    assert pickle.loads(pickle.dumps(choice)) == str(choice)  # our own
    assert len(choice.record.to_pandas()) == 2


@pytest.mark.parametrize(
    "wrong", [[], ["a"], ["a", ""], [1, 2], {"a": ["x"], "b": ["x"]}, {"a": [], "b": ["c"]}, None]
)
def test_choices_that_cannot_be_are_refused(wrong: object) -> None:
    with pytest.raises(UsageError):
        label_spellings(wrong)


def test_choices_of_a_cell() -> None:
    assert labels("pos, neg") == {"pos": ["pos"], "neg": ["neg"]}
    assert labels("yes=yes|Yes,no") == {"yes": ["yes", "Yes"], "no": ["no"]}
    for wrong in ("a,,b", "a,a"):
        with pytest.raises(UsageError, match="empty or stated twice"):
            labels(wrong)
