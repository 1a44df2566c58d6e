"""Conversations across cells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import UsageError
from llm_magics.magics.cell import parse
from llm_magics.magics.threads import Threads, Turn


def ask(threads: Threads, cell: str | None, asked: str, follow: str | None = None) -> list[str]:
    """What the model would be given; its answer is made of it."""
    place = threads.begin(cell, None) if follow is None else threads.follow(follow, cell, None)
    given = [message["content"] for message in place.messages(asked)]
    threads.keep(place, Turn(cell, asked, f"answer to {asked}"))
    return given


def test_a_cell_goes_on_with_the_last_answer() -> None:
    threads = Threads()
    assert ask(threads, "1", "a") == ["a"]
    assert ask(threads, "2", "b", "") == ["a", "answer to a", "b"]
    assert ask(threads, "3", "c", "") == ["a", "answer to a", "b", "answer to b", "c"]
    assert ask(threads, "4", "d") == ["d"]
    assert ask(threads, "5", "e", "") == ["d", "answer to d", "e"]
    assert str(threads) == "last answer (2 turns)"


def test_running_a_cell_again_replaces_its_turn() -> None:
    threads = Threads()
    ask(threads, "1", "a"), ask(threads, "2", "b", ""), ask(threads, "3", "c", "")
    assert ask(threads, "2", "B", "") == ["a", "answer to a", "B"]
    assert ask(threads, "3", "c", "") == ["a", "answer to a", "B", "answer to B", "c"]
    assert ask(threads, "1", "A") == ["A"]
    assert ask(threads, "4", "d", "") == [
        "A",
        "answer to A",
        "B",
        "answer to B",
        "c",
        "answer to c",
        "d",
    ]


def test_threads_by_name() -> None:
    threads = Threads()
    assert ask(threads, "1", "a", "plan") == ["a"]
    ask(threads, "2", "x")
    assert ask(threads, "3", "b", "plan") == ["a", "answer to a", "b"]
    assert ask(threads, "4", "c", "") == ["a", "answer to a", "b", "answer to b", "c"]
    assert str(threads) == "plan (3 turns)"


def test_nothing_to_follow() -> None:
    with pytest.raises(UsageError, match="no answer to follow"):
        Threads().follow("", "1", None)


def test_without_ids_turns_are_added() -> None:
    threads = Threads()
    ask(threads, None, "a"), ask(threads, None, "b", "")
    assert ask(threads, None, "b", "")[-3:] == ["b", "answer to b", "b"]


def test_the_system_message_stays_with_the_thread() -> None:
    threads = Threads()
    place = threads.begin("1", "be brief")
    threads.keep(place, Turn("1", "a", "b"))
    assert threads.follow("", "2", None).thread.system == "be brief"
    assert threads.follow("", "2", "be long").thread.system == "be long"


@given(st.lists(st.sampled_from(["1", "2", "3", "4", "5"]), max_size=25))
def test_no_cell_ever_has_two_turns(order: list[str]) -> None:
    threads = Threads()
    ask(threads, "1", "q1")
    for cell in order:
        ask(threads, cell, f"q{cell}", None if cell == "1" else "")
    given = [ask(threads, cell, f"q{cell}", None if cell == "1" else "") for cell in "12345"]
    assert all(len(each) == len({*each}) for each in given) and given[0] == ["q1"]
    assert set(given[-1]) >= {f"q{cell}" for cell in "15"}


@pytest.mark.parametrize(
    ("line", "cell", "follow", "prompt"),
    [
        ("-c", "x", "", "x"),
        ("-c -t 0", "x", "", "x"),
        ("-c plan -t 0", "x", "plan", "x"),
        ("--continue=plan", "x", "plan", "x"),
        ("-t 0", "x", None, "x"),
        ("-c and why?", None, "", "and why?"),
        ("-c=plan and why?", None, "plan", "and why?"),
    ],
)
def test_the_option(line: str, cell: str | None, follow: str | None, prompt: str) -> None:
    request = parse(line, cell, {})
    assert (request.follow, request.prompt) == (follow, prompt)
