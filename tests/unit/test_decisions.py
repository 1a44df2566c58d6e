"""Typed questions about a text."""

from __future__ import annotations

import pytest

from llm_magics import UsageError
from llm_magics.inspection.answers.decisions import Question, questions_of
from tests.unit.test_structured import noise


def test_questions_are_read() -> None:
    assert questions_of("team: billing|tech | sales; urgent?; severity 1-5;") == [
        Question("team", "label", ("billing", "tech", "sales")),
        Question("urgent", "yes or no", ("yes", "no")),
        Question("severity", "number", ("1", "2", "3", "4", "5")),
    ]
    assert questions_of("change -2 - 2")[0].labels == ("-2", "-1", "0", "1", "2")
    assert questions_of("is it late?")[0].name == "is it late"


WRONG = ["", ";", "team", "team: one", "team: a|a", "x 5-1", "x 1-1", "x 1-9999"]
WRONG += ["a?; a?", "<b>?", "1x?"]


@pytest.mark.parametrize("wrong", WRONG)
def test_questions_that_cannot_be_read_are_refused(wrong: str) -> None:
    with pytest.raises(UsageError):
        questions_of(wrong)


def test_each_question_is_a_choice() -> None:
    model = noise(4)
    record = model.decide("My order is late.", "team: a|b; urgent?; severity 1-3", raw=True)
    assert record["team"] in ("a", "b") and isinstance(record["urgent"], bool)
    assert record["severity"] in (1, 2, 3)
    shares = record.probabilities["severity"]
    prompt = questions_of("severity 1-3")[0].prompt("My order is late.")
    assert shares == model.choose(prompt, ["1", "2", "3"], raw=True).probabilities
    number = record.head["questions"][2]
    assert number["mean"] == pytest.approx(sum(int(name) * p for name, p in shares.items()))
    assert "severity" in record.to_text() and len(record.to_pandas()) == 3
    assert "<script" not in record.page()
