"""Outcomes of answers that were generated again."""

from __future__ import annotations

from dataclasses import replace

from llm_magics import Generation, ModelInfo, Token
from llm_magics.magics.answers.verify import Outcome, as_bundle, compare, summary


def made(*logprobs: float, ids: tuple[int, ...] = (1, 2, 3), precision: str = "int8") -> Generation:
    tokens = tuple(Token(id, f"<{id}>", p, 0.1, 0) for id, p in zip(ids, logprobs, strict=True))
    return Generation("x", tokens, "stop", "?", model=ModelInfo("m", precision=precision))


def test_an_answer_is_equal_close_or_drifted() -> None:
    before = made(-0.1, -0.2, -0.3)
    assert compare("1", before, before).kind == "equal"
    assert compare("1", before, made(-0.1, -0.2004, -0.3)).kind == "equal", "a notebook keeps no more of it"
    assert compare("1", before, made(-0.1, -0.202, -0.3)).kind == "close"
    assert compare("1", before, made(-0.1, -0.3, -0.3)).kind == "drifted"
    drifted = compare("1", before, made(-0.1, -0.2, -0.3, ids=(1, 5, 3), precision="auto"))
    assert drifted.told == 'first at 2: "<2>" → "<5>" (precision int8 → auto)'
    shorter = compare("1", before, replace(before, tokens=before.tokens[:2]))
    assert shorter.kind == "drifted" and "the end" in shorter.told


def test_outcomes_are_counted_and_escaped() -> None:
    outcomes = [Outcome("1", "equal", 4), Outcome("2", "drifted", 5, "<b>first</b>")]
    text, page = as_bundle(outcomes)
    assert text.endswith("1 bit-equal =, 1 drifted ≠") and "<b>first" not in page
    assert summary([]) == "the notebook has no answers"
