"""What -f makes of an answer, and the prompts that ask for a correction."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import UsageError
from llm_magics.magics.answers.formats import code_of, json_of, table_of
from llm_magics.magics.context.cell_log import CellLog, LoggedCell
from llm_magics.magics.context.repair import cell_to_repair, involved, repair_prompt
from llm_magics.magics.parsing.request import parse


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n```python\nx = 1\n```\nDone.", "x = 1"),
        ("```bash\nls\n```\n```py\ny = 2\n```", "y = 2"),
        ("```\nz = 3\n```", "z = 3"),
        ("~~~python\nif x:\n    y = '```'\n~~~", "if x:\n    y = '```'"),
        ("```python\nnever_closed()", "never_closed()"),
        ("a = 4", "a = 4"),
    ],
)
def test_code_is_taken_out_of_an_answer(text: str, code: str) -> None:
    assert code_of(text) == code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('Sure:\n```json\n{"a": [1, 2]}\n```', {"a": [1, 2]}),
        ('The list is [1, {"b": null}] as asked.', [1, {"b": None}]),
        ("3", 3),
    ],
)
def test_json_is_taken_out_of_an_answer(text: str, value: Any) -> None:
    assert json_of(text) == value


def test_a_table_becomes_a_frame() -> None:
    frame = table_of("Cities:\n\n| city | n |\n|:---|--:|\n| Rome | 3 |\n| a\\|b | 4.5 |\n\nThat is all.")
    assert frame.equals(pd.DataFrame({"city": ["Rome", "a|b"], "n": [3.0, 4.5]}))
    assert table_of("```csv\na,b\n1,2\n```").to_dict("list") == {"a": [1], "b": [2]}
    ragged = table_of("a | b\n--|--\n1\n2 | 3 | 4\n| 5 |")
    assert list(ragged.columns) == ["a", "b"] or len(ragged) == 0


@pytest.mark.parametrize("of", [code_of, json_of, table_of])
def test_what_is_not_there_is_said(of: Any) -> None:
    with pytest.raises(UsageError, match="the answer has no"):
        of("I do not know that, I am sorry.")


@given(st.text(alphabet="`~{}[]|\\-:\n\"' ab1,", max_size=200))
def test_hostile_answers_end_in_a_value_or_an_error(text: str) -> None:
    for of in (code_of, json_of, table_of):
        try:
            of(text)
        except UsageError as error:
            assert error.hint


def test_a_prompt_names_the_error_and_the_variables() -> None:
    shell = SimpleNamespace(history_manager=SimpleNamespace(output_hist={}, input_hist_raw=[""]))
    log = CellLog(shell)
    error = KeyError("price")
    cell = LoggedCell(3, "total = df['price'].sum() * rate", error=error)
    frame = pd.DataFrame({"prize": [1, 2]})
    text = repair_prompt(cell, log, {"df": frame, "rate": 0.5, "other": 1}, fix=True)
    for part in ("df['price']", "KeyError: 'price'", "df: DataFrame, DataFrame, 2 rows", "rate: float, 0.5"):
        assert part in text
    assert "other" not in text and "Explain the error" in repair_prompt(cell, log, {}, fix=False)
    assert involved("this is no code", {"this": 1}) == []
    log._cells[3] = cell
    log._cells[4] = LoggedCell(4, "%llm fix", error=error, is_prompt=True)
    assert cell_to_repair(log, "") is cell and cell_to_repair(log, "3") is cell
    with pytest.raises(UsageError, match="no cell \\[9\\]"):
        cell_to_repair(log, "9")


def test_words_that_prompts_begin_with_stay_prompts() -> None:
    assert parse("fix", None, {}).command == "fix" and parse("fix 3", None, {}).prompt == "3"
    request = parse("-f code -t 0.3 fix [3]", None, {})
    assert (request.command, request.prompt, request.format) == ("fix", "3", "code")
    assert request.options == {"temperature": 0.3}
    for prompt in ("fix the typo in my text", "explain gravity to me in two lines", "explain gravity"):
        assert parse(prompt, None, {}).command == "generate"
    with pytest.raises(UsageError, match="got an invalid value: 'xml'"):
        parse("-f xml hi", None, {})
