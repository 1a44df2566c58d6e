"""Rows to learn from, in every form, and what is said of those that are none."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics import LLMMagicsError, UsageError
from llm_magics.tuning.dataset import Row, read_rows

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
    assert read_rows(source).rows == [Row(1, PAIR)]


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
    assert read_rows(path).rows == read_rows(str(path)).rows == [Row(1, PAIR)]


def test_plain_texts(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("One.\nStill one.\n\nTwo.\n", "utf-8")
    assert [row.text for row in read_rows(path).rows] == ["One.\nStill one.", "Two."]
    assert read_rows(["x", {"text": "y"}]).rows == [Row(1, text="x"), Row(2, text="y")]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "no rows"),
        ([], "no rows"),
        (7, "int has no rows"),
        ({"prompt": "a"}, "dict has no rows"),
        ([{"prompt": "a"}], "row 1: it is not a row: {'prompt': 'a'}"),
        ([("a", "")], "row 1: its prompt and its completion"),
        ([("a", float("nan"))], "row 1: its prompt and its completion"),
        ([{"messages": "x"}], "row 1: its messages must be a list"),
        ([{"messages": [{"role": "user", "content": "x"}]}], "must be the assistant's"),
        ([{"messages": [{"role": "user"}]}], "row 1:"),
        ("\nc", "line 2 is not a row: c"),
        ("{bad json}", "line 1 is not valid JSON"),
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
    with pytest.raises(UsageError, match="not a valid CSV"):
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
        dataset = read_rows(source).rows
    except LLMMagicsError as error:
        assert error.hint and len(str(error)) < 1000
    else:
        assert all(row.messages or row.text for row in dataset)


@pytest.mark.parametrize("name", ["nowhere.csv", "no such/rows.jsonl", Path("nowhere.txt")])
def test_a_file_that_is_not_there_is_named(name: object) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_rows(name)


def said(source: Any) -> tuple[list[tuple[str, ...]], list[str]]:
    found = read_rows(source)
    return [tuple(f"{m['role'][0]}:{m['content']}" for m in row.messages) for row in found.rows], found.notes


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        ({"instruction": "a", "input": "x", "output": "b"}, ("u:a\n\nx", "a:b")),
        ({"instruction": "a", "input": "", "output": "b"}, ("u:a", "a:b")),
        ({"instruction": "a", "input": float("nan"), "output": "b"}, ("u:a", "a:b")),
        ({"context": "x", "question": "a", "answer": "b"}, ("u:x\n\na", "a:b")),
        ({"system": "s", "prompt": "a", "completion": "b"}, ("s:s", "u:a", "a:b")),
        ({"system_prompt": "s", "question": "a", "response": None, "answer": "b"}, ("s:s", "u:a", "a:b")),
        (
            {"instruction": "a", "output": "b", "history": [["c", "d"]], "system": "s"},
            ("s:s", "u:c", "a:d", "u:a", "a:b"),
        ),
        (
            {
                "conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}],
                "system": "s",
            },
            ("s:s", "u:a", "a:b"),
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "a"}], "name": None},
                    {"role": "model", "content": "b", "tool_calls": []},
                ],
                "tools": [],
            },
            ("u:a", "a:b"),
        ),
        (
            {
                "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}],
                "completion": [{"role": "assistant", "content": "b"}],
            },
            ("s:s", "u:a", "a:b"),
        ),
    ],
)
def test_every_column_that_says_something_is_used(row: dict[str, Any], messages: tuple[str, ...]) -> None:
    """M2: alpaca's input, a passage, a system message, sharegpt and trl's forms were dropped in silence."""
    assert said([row]) == ([messages], [])


def test_answers_of_a_conversational_prompt_are_not_learnt() -> None:
    earlier = [
        {"role": role, "content": text} for role, text in (("user", "a"), ("assistant", "b"), ("user", "c"))
    ]
    (row,) = read_rows([{"prompt": earlier, "completion": "d"}]).rows
    assert row.prompt_messages == 3 and row.messages[-1] == {"role": "assistant", "content": "d"}


def test_columns_that_are_not_used_are_named() -> None:
    dataset = [
        {"question": "a", "choices": ["x", "y"], "answer": "b", "id": 7},
        {"question": "a", "answer": "c", "more": 1},
    ]
    assert said(dataset)[1] == ["columns that are not used: choices, id, more"]
    assert said([{"text": "a", "source": "web"}])[1] == ["a column that is not used: source"]
    assert said(
        [
            {
                "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
                "prompt": "a",
            }
        ]
    )[1] == ["a column that is not used: prompt"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"prompt": "a"}, "row 2: it is not a row"),
        ({"prompt": "a", "completion": None}, "must be texts that are not empty"),
        ({"prompt": "a", "completion": "b", "tools": [{"name": "f"}]}, "tools"),
        ({"messages": [{"role": "user", "content": "a"}]}, "last message"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": 1}]}]}, "calls tools"),
        ({"conversations": [{"from": "human", "value": "a"}]}, "last message"),
        ({"text": "a", "system": "s"}, "row 2: it is not a row"),
        (7, "row 2: it is not a row"),
    ],
)
def test_a_bad_row_is_left_out_and_named(bad: Any, why: str) -> None:
    found = read_rows([("a", "b"), bad, ("c", "d")])
    assert [row.number for row in found.rows] == [1, 3]
    assert len(found.notes) == 1 and found.notes[0].startswith("left out: row 2") and why in found.notes[0]


def test_bad_lines_are_left_out_and_counted() -> None:
    text = "a ⇒ b\nno row\n{bad\n⇒\nc ⇒ d\nanother\n"
    messages, notes = said(text)
    assert messages == [("u:a", "a:b"), ("u:c", "a:d")]
    assert (
        notes[0] == "left out: line 2 is not a row: no row" and notes[-1] == "4 of 6 rows are left out in all"
    )


def test_json_lines_end_at_line_feeds_alone(tmp_path: Path) -> None:
    """A16: U+2028, U+0085 and others are valid within a line."""
    text = json.dumps({"prompt": "a\u2028b\x85c\x1cd", "completion": "e\u2029f"}, ensure_ascii=False)
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{text}\r\n{text}\r\n", "utf-8")
    assert said(path)[0] == said(f"{text}\n{text}")[0] == [("u:a\u2028b\x85c\x1cd", "a:e\u2029f")] * 2


def test_what_is_no_regular_file_is_not_read(tmp_path: Path) -> None:
    """A11: a pipe waits for ever, a device has no end; A25: a NUL is no path."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    (tmp_path / "folder.csv").mkdir()
    for name in ("pipe.csv", "zero.jsonl", "folder.csv"):
        with pytest.raises(UsageError, match="not a regular file"):
            read_rows(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        read_rows(Path("a\0b.csv"))


def test_large_files_are_read_as_far_as_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_magics.tuning import dataset, dataset_files

    path = tmp_path / "many.csv"
    with open(path, "w") as file:
        file.write("prompt,completion\n")
        for _ in range(200):
            file.write("a,b\n" * 50_000)
    start = time.monotonic()
    found = read_rows(path)
    assert (
        len(found.rows) == dataset.MOST_ROWS and "100,000" in found.notes[0] and time.monotonic() - start < 20
    )
    monkeypatch.setattr(dataset_files, "MOST_BYTES", 1000)
    monkeypatch.setattr(dataset_files, "MOST_LINE", 1000)
    (tmp_path / "large.json").write_text(json.dumps([["a", "b"]] * 1000))
    (tmp_path / "long.jsonl").write_text(json.dumps({"text": "x" * 2000}))
    with pytest.raises(UsageError, match="larger than"):
        read_rows(tmp_path / "large.json")
    with pytest.raises(UsageError, match="more than 1,000 characters"):
        read_rows(tmp_path / "long.jsonl")

    def endless() -> Any:
        while True:
            yield ("a", "b")

    assert len(read_rows(endless()).rows) == dataset.MOST_ROWS


def test_a_table_with_more_fields_than_its_header(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("prompt,completion\na,b\nc,d,e\n")
    assert said(path) == ([("u:a", "a:b")], ["left out: row 2: it has more fields than the header"])
