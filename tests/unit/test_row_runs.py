"""Runs over rows: prompts of rows, scores, and what the record tells."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import pandas as pd
import pytest

from llm_magics import ModelInfo, UsageError
from llm_magics.inspection.answers.intervals import wilson_interval
from llm_magics.inspection.answers.rows import RowResult, RowsState, rows_run
from llm_magics.magics.answers.rows import check_target, read_rows, row_prompts
from llm_magics.magics.parsing.request import parse

FRAME = pd.DataFrame({"review": ["good", "bad", None], "stars": [5, 1, 3]}, index=[7, 8, 9])
NAMES: Mapping[str, object] = {"df": FRAME, "texts": ["a", "b"], "who": "you", "number": 3}


def test_rows_of_a_table_and_of_a_list() -> None:
    source = read_rows("df.review", NAMES)
    assert source.values[:2] == ["good", "bad"] and source.column == "review"
    prompts = row_prompts("{who}: {review}, {stars} stars, {row!r}", source, NAMES, evaluate=False)
    assert prompts[:2] == ["you: good, 5 stars, 'good'", "you: bad, 1 stars, 'bad'"]
    assert not isinstance(prompts[2], str), "a row without a value is an error of that row"
    source = read_rows("texts", NAMES)
    assert row_prompts("say {row}", source, NAMES, evaluate=False) == ["say a", "say b"]
    # What a row holds is never expanded again.
    hostile = read_rows("texts", {"texts": ["{who}", "{{x}}"]})
    assert row_prompts("say {row}", hostile, NAMES, evaluate=False) == ["say {who}", "say {{x}}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("df.nothing", "has no column"),
        ("df", "no list and no column"),
        ("nobody", "no list and no column"),
        ("who", "no list and no column"),
        ("texts.x", "is no table of pandas"),
    ],
)
def test_what_is_no_column_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_rows(text, NAMES)


def test_a_prompt_without_a_value_of_the_row_is_refused() -> None:
    with pytest.raises(UsageError, match="names nothing of a row"):
        row_prompts("say something", read_rows("df.review", NAMES), NAMES, evaluate=False)
    with pytest.raises(UsageError, match="is no table of pandas"):
        check_target("texts.x", NAMES)
    check_target("df.label", NAMES)
    check_target("label", NAMES)


def test_the_cell_of_rows() -> None:
    request = parse("--map df.review -o df.label --choices pos,neg --truth df.stars", "Is {review} good?", {})
    assert (request.rows, request.variable, request.choices, request.truth) == (
        "df.review",
        "df.label",
        "pos,neg",
        "df.stars",
    )
    assert request.prompt == "Is {review} good?", "the template is expanded for each row"
    for line in ("-o df.label", "--map df.x -o a.b.c", "--map df.x -o 1x.y"):
        with pytest.raises(UsageError, match="not a valid variable name"):
            parse(line, "hi", {})


def test_the_interval_covers_at_its_rate() -> None:
    """500 simulated runs: the 95 % Wilson interval holds the true share in 92 to 98 % of them."""
    for share in (0.5, 0.85, 0.97):
        rng, covered = random.Random(7), 0
        for _ in range(500):
            right = sum(rng.random() < share for _ in range(120))
            low, high = wilson_interval(right, 120)
            covered += low <= share <= high
        assert 0.92 <= covered / 500 <= 0.985, share
    assert wilson_interval(0, 0) == (0.0, 1.0) and wilson_interval(5, 5)[1] == 1.0
    assert wilson_interval(1, 10) == pytest.approx((0.0178762131, 0.4041500268), abs=1e-9)


def test_scores_are_those_of_the_rows() -> None:
    results = {
        n: RowResult(n, f"text {n}", "pos" if n < 60 else "neg", 0.95 if n < 50 else 0.55) for n in range(100)
    }
    truth = {n: "pos" if n < 45 or n > 90 else "neg" for n in range(100)}
    results[100] = RowResult(100, "x", error="it is empty")
    record = rows_run(RowsState("df.x", 120, results, truth, 4.0, "stopped", ("df.y",)), ModelInfo("m"))
    h = record.head
    right = sum(results[n].answer == truth[n] for n in range(100))
    assert h["accuracy"]["right"] == right and h["accuracy"]["total"] == 100
    assert (h["accuracy"]["low"], h["accuracy"]["high"]) == wilson_interval(right, 100)
    assert h["confusion"]["names"] == ["pos", "neg"]
    assert h["confusion"]["counts"] == [[45, 9], [15, 31]]
    assert [(bin["rows"], round(bin["right"], 2)) for bin in h["reliability"]] == [(50, 0.62), (50, 0.9)]
    assert math.isclose(h["reliability"][1]["mean"], 0.95)
    assert h["failed"] == 1 and h["errors"] == [[100, "it is empty"]] and h["done"] == 101
    assert h["least"][0]["p"] == 0.55 and h["least"][0]["row"] == 50
    text = record.to_text()
    assert "101 of 120 rows of df.x" in text and "accuracy 76 %" in text and "written: df.y" in text
    empty = rows_run(RowsState("x", 0), ModelInfo("m")).head
    assert empty["accuracy"] == {} and empty["labels"] == []
