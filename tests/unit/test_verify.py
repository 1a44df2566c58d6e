"""Outcomes of answers that were generated again."""

from __future__ import annotations

from dataclasses import replace

from llm_magics import Generation, ModelInfo, Token
from llm_magics.inspection.answers.verification import Outcome, compare_again, summary, verification
from llm_magics.magics.answers.verify import asks


def made(*logprobs: float, ids: tuple[int, ...] = (1, 2, 3), precision: str = "int8") -> Generation:
    tokens = tuple(Token(id, f"<{id}>", p, 0.1, 0) for id, p in zip(ids, logprobs, strict=True))
    text = "".join(token.text for token in tokens)
    return Generation(text, tokens, "stop", "?", model=ModelInfo("m", precision=precision))


def test_an_answer_is_equal_close_or_drifted() -> None:
    before = made(-0.1, -0.2, -0.3)
    assert compare_again("1", "?", before, before).kind == "equal"
    assert compare_again("1", "?", before, made(-0.1, -0.2004, -0.3)).kind == "equal", (
        "a notebook keeps no more of it"
    )
    assert compare_again("1", "?", before, made(-0.1, -0.202, -0.3)).kind == "close"
    assert compare_again("1", "?", before, made(-0.1, -0.3, -0.3)).kind == "drifted"
    drifted = compare_again("1", "?", before, made(-0.1, -0.2, -0.3, ids=(1, 5, 3), precision="auto"))
    assert drifted.told == 'first at 2: "<2>" → "<5>" (precision int8 → auto)'
    shorter = compare_again("1", "?", before, replace(before, tokens=before.tokens[:2]))
    assert shorter.kind == "drifted" and "the end" in shorter.told


def test_outcomes_are_counted_and_escaped() -> None:
    before, after = made(-0.1, -0.2, -0.3), made(-0.1, -0.2, -0.3, ids=(1, 5, 3))
    outcomes = [
        Outcome("1", "Why?", "equal", before, before),
        replace(compare_again("2", "How?", before, after), told="<b>first</b>"),
        Outcome("3", "x", "not run", told="m is not loaded"),
    ]
    record = verification(outcomes, path="a.ipynb", seconds=2.5)
    assert record.to_text().endswith("1 bit-equal =, 1 drifted ≠, 1 not run –")
    assert "<b>first" not in record.page() and "How?" in record.page()
    equal, drifted, _ = record.head["outcomes"]
    assert equal["answers"] == [] and drifted["pair"]["token"] == [2, 2] and drifted["token"] == 2
    assert len(record.arrays["logprob"]) == 6
    assert summary([]) == "the notebook has no answers"


def test_what_a_cell_asks() -> None:
    assert asks(["%%llm -n 3\n", "\n", "Why is\nthe sky blue?"]) == "Why is the sky blue?"
    assert asks("%llm -n 3 Why?") == "%llm -n 3 Why?" and asks("%%llm --see 3\n") == "%%llm --see 3"
    assert asks(None) == "None" and len(asks("x" * 500)) <= 61
