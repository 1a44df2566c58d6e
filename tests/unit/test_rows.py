"""Rows to learn from, in every form, and what is said of those that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics import LLMMagicsError, UsageError
from llm_magics.tuning.rows import Row, read_rows

PAIR = ({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"})


class Frame:
    """As pandas has it."""

    columns = ("Question", "Answer")

    def to_dict(self, orient: str) -> list[dict[str, str]]:
        assert orient == "records"
        return [{"Question": "a", "Answer": "b"}]


@pytest.mark.parametrize(
    "source",
    [
        "a ⇒ b",
        "\n a => b \n\n",
        '{"prompt": "a", "completion": "b"}',
        '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
        [("a", "b")],
        [{"instruction": "a", "output": "b", "more": 1}],
        Frame(),
        iter([{"question": "a", "answer": "b"}]),
    ],
)
def test_a_prompt_with_its_completion(source: Any) -> None:
    assert read_rows(source) == [Row(1, PAIR)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("rows.csv", "prompt,completion\na,b\n"),
        ("rows.tsv", "prompt\tcompletion\na\tb\n"),
        ("rows.jsonl", '\ufeff{"prompt": "a", "completion": "b"}\n\n'),
        ("rows.json", '[{"prompt": "a", "completion": "b"}]'),
        ("rows.txt", '{"prompt": "a", "completion": "b"}'),
    ],
)
def test_files(tmp_path: Path, name: str, data: str) -> None:
    path = tmp_path / name
    path.write_text(data, "utf-8")
    assert read_rows(path) == read_rows(str(path)) == [Row(1, PAIR)]


def test_plain_texts(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("One.\nStill one.\n\nTwo.\n", "utf-8")
    assert [row.text for row in read_rows(path)] == ["One.\nStill one.", "Two."]
    assert read_rows(["x", {"text": "y"}]) == [Row(1, text="x"), Row(2, text="y")]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "no rows"),
        ([], "no rows"),
        (7, "int holds no rows"),
        ({"prompt": "a"}, "dict holds no rows"),
        ([("a", "b"), {"prompt": "a"}], "row 2: it is no row: {'prompt': 'a'}"),
        ([("a", "")], "row 1: its prompt and its completion"),
        ([("a", float("nan"))], "row 1: its prompt and its completion"),
        ([{"messages": "x"}], "row 1: its messages must be a list"),
        ([{"messages": [{"role": "user", "content": "x"}]}], "must be the assistant's"),
        ([{"messages": [{"role": "user"}]}], "row 1:"),
        ("a ⇒ b\nc", "this line is no row: c"),
        ("{bad json}", "this is no JSON: {bad json}"),
    ],
)
def test_what_is_no_row_is_shown_with_what_it_should_be(source: Any, said: str) -> None:
    with pytest.raises(UsageError) as error:
        read_rows(source)
    assert said in error.value.message and "completion" in error.value.hint


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"prompt,completion\na,caf\xe9\n")
    with pytest.raises(UsageError, match="byte 0xe9 in line 2"):
        read_rows(path)
    path.write_bytes(b'prompt,completion\na,"b\n')
    with pytest.raises(UsageError, match="no CSV"):
        read_rows(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_rows(tmp_path / "none.csv")


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.one_of(JUNK, st.text(max_size=60), st.lists(JUNK.map(json.dumps)).map("\n".join)))
def test_junk_is_rows_or_one_clear_error(source: Any) -> None:
    try:
        rows = read_rows(source)
    except LLMMagicsError as error:
        assert error.hint and len(str(error)) < 1000
    else:
        assert all(row.messages or row.text for row in rows)


@pytest.mark.parametrize("name", ["nowhere.csv", "no such/rows.jsonl", Path("nowhere.txt")])
def test_a_file_that_is_not_there_is_named(name: object) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_rows(name)
