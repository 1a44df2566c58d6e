"""A list or a column in, answers in the same order out."""

from __future__ import annotations

from typing import Any

import pytest

from llm_magics import ContextOverflow, Generation, Interrupted, LLMMagicsError, Model, ModelInfo, UsageError
from llm_magics.engine.scripted import ScriptedBatchCache, ScriptedEngine, ScriptedTokenizer
from llm_magics.models.rows.batch_generate import BatchAnswers

GREEDY: dict[str, Any] = {"temperature": 0}


def scripted(*answers: str, template: str | None = None, context_length: int = 100) -> Model:
    engine = ScriptedEngine(answers, context_length=context_length)
    return Model(engine, ScriptedTokenizer(), ModelInfo("scripted"), template=template)


class Column:
    """As much of a pandas column as matters: iterable, with labels of its own."""

    def __init__(self, *values: object) -> None:
        self.values = values

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.values)


@pytest.mark.parametrize(
    "kind", [list, tuple, iter, lambda values: Column(*values)], ids=["list", "tuple", "iterator", "column"]
)
def test_answers_are_in_order(kind: object, capsys: pytest.CaptureFixture[str]) -> None:
    answers = scripted("a long one", "b", "ccc").map(kind(["x", "y", "z"]), **GREEDY, rows=2)  # type: ignore[operator]
    assert answers.texts == ["a long one", "b", "ccc"] and answers.errors == {}
    assert [row.prompt for row in answers if isinstance(row, Generation)] == ["x", "y", "z"]
    assert "3/3" in capsys.readouterr().err


def test_no_prompts() -> None:
    assert scripted("a").map([], **GREEDY) == []


def test_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    scripted("a").map(["x"], **GREEDY, progress=False)
    assert capsys.readouterr().err == ""


def test_a_bad_row_is_an_error_in_that_row() -> None:
    template = (
        "{{ messages[-1].content }}"
        "{% if messages[-1].content == 'bad' %}{{ raise_exception('no') }}{% endif %}"
    )
    prompts = [
        "x",
        float("nan"),
        None,
        3,
        "y" * 200,
        [{"role": "user"}],
        "",
        "bad",
        [{"role": "user", "content": "z"}],
    ]
    answers = scripted("one", "two", template=template).map(prompts, **GREEDY, progress=False)
    assert answers.texts == ["one", None, None, None, None, None, None, None, "two"]
    assert sorted(answers.errors) == [1, 2, 3, 4, 5, 6, 7] and isinstance(answers[4], ContextOverflow)
    assert all(isinstance(error, LLMMagicsError) and error.hint for error in answers.errors.values())
    assert "nan" in str(answers[1]) and "3" in str(answers[3])


def test_system_and_raw() -> None:
    template = "{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}"
    told = scripted("a", template=template).map(["x"], **GREEDY, system="be brief", progress=False)[0]
    raw = scripted("a", template=template).map(["x"], **GREEDY, raw=True, progress=False)[0]
    assert isinstance(told, Generation) and told.prompt == "system:be brief;user:x;"
    assert isinstance(raw, Generation) and raw.prompt == "x"


@pytest.mark.parametrize(
    ("prompts", "hint"),
    [
        ("one text", "list"),
        (b"bytes", "list"),
        ({"a": 1}, "list"),
        (7, "list"),
        (type("Table", (list,), {"columns": ()})(), "column"),
    ],
)
def test_what_is_no_column(prompts: object, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        scripted("a").map(prompts, **GREEDY)  # type: ignore[arg-type]
    assert hint in error.value.hint


@pytest.mark.parametrize("rows", [0, -1, True, 2.5])
def test_rows_is_a_count(rows: int) -> None:
    with pytest.raises(UsageError, match="rows"):
        scripted("a").map(["x"], **GREEDY, rows=rows)


def test_an_interrupt_goes_through_and_keeps_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    step = ScriptedBatchCache.step

    def interrupted(self: ScriptedBatchCache, ids: list[int]) -> object:
        nonlocal steps
        steps += 1
        if steps > 3:
            raise KeyboardInterrupt
        return step(self, ids)

    monkeypatch.setattr(ScriptedBatchCache, "step", interrupted)
    answers = BatchAnswers()
    with pytest.raises(KeyboardInterrupt):
        scripted("ab", "abcdefgh", "cdefgh", "x").map(
            ["p"] * 4, **GREEDY, rows=2, progress=False, answers=answers
        )
    assert answers.texts == ["ab", "abcd", "cd", None]
    assert [row.stop_reason for row in answers if isinstance(row, Generation)] == [
        "stop",
        "interrupted",
        "interrupted",
    ]
    assert isinstance(answers[3], Interrupted)
