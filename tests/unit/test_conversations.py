"""Conversations across cells."""

from __future__ import annotations

import json
import random
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import UsageError
from llm_magics.magics import answering
from llm_magics.magics.conversations import Conversation, Conversations, Turn, TurnPosition
from llm_magics.magics.parsing.request import parse
from llm_magics.magics.subcommands.conversation_commands import export
from tests.support.room import Room


def ask(conversations: Conversations, cell: str | None, asked: str, follow: str | None = None) -> list[str]:
    """What the model would be given; its answer is made of it."""
    place = conversations.begin(cell, None) if follow is None else conversations.resume(follow, cell, None)
    given = [message["content"] for message in place.messages(asked)]
    conversations.commit(place, Turn(cell, asked, f"answer to {asked}"))
    return given


def test_a_cell_goes_on_with_the_last_answer() -> None:
    conversations = Conversations()
    assert ask(conversations, "1", "a") == ["a"]
    assert ask(conversations, "2", "b", "") == ["a", "answer to a", "b"]
    assert ask(conversations, "3", "c", "") == ["a", "answer to a", "b", "answer to b", "c"]
    assert ask(conversations, "4", "d") == ["d"]
    assert ask(conversations, "5", "e", "") == ["d", "answer to d", "e"]
    assert str(conversations) == "last answer (2 turns)"


def test_running_a_cell_again_replaces_its_turn() -> None:
    conversations = Conversations()
    ask(conversations, "1", "a"), ask(conversations, "2", "b", ""), ask(conversations, "3", "c", "")
    assert ask(conversations, "2", "B", "") == ["a", "answer to a", "B"]
    assert ask(conversations, "3", "c", "") == ["a", "answer to a", "B", "answer to B", "c"]
    assert ask(conversations, "1", "A") == ["A"]
    assert ask(conversations, "4", "d", "") == [
        "A",
        "answer to A",
        "B",
        "answer to B",
        "c",
        "answer to c",
        "d",
    ]


def test_later_turns_are_stale_once_an_earlier_one_is_another() -> None:
    conversations = Conversations()
    for cell, asked in zip("123", "abc", strict=True):
        ask(conversations, cell, asked, None if cell == "1" else "")

    def again(cell: str, asked: str, answer: str) -> list[str]:
        place = conversations.resume("", cell, None)
        return [turn.prompt for turn in conversations.commit(place, Turn(cell, asked, answer))]

    assert again("2", "b", "answer to b") == []
    assert again("2", "b", "another answer") == ["c"]
    assert again("3", "C", "x") == []
    place = conversations.begin("1", None)
    assert [turn.prompt for turn in conversations.commit(place, Turn("1", "A", "x"))] == ["b", "C"]


def test_a_longer_answer_goes_to_its_own_turn() -> None:
    """Several conversations may have the same answer: that of the view is meant."""
    conversations = Conversations()
    for cell, view in (("1", "v1"), ("2", "v2")):
        conversations.commit(conversations.begin(cell, None), Turn(cell, "q", "Yes", view))
    conversations.commit(conversations.resume("", "3", None), Turn("3", "why", "So", "v3"))
    number, later = conversations.lengthen("v2", "Yes", "Yes, it is")
    assert number == 1 and [turn.view for turn in later] == ["v3"]
    assert [message["content"] for message in conversations.resume("", "4", None).messages("x")] == [
        *("q", "Yes, it is", "why", "So", "x")
    ]
    assert conversations.lengthen("", "Yes", "Yes.") == (1, [])  # one has that text still
    conversations.commit(conversations.begin("5", None), Turn("5", "q", "Yes.", "v5"))
    assert conversations.lengthen("", "Yes.", "Yes!") == (0, [])  # either could be meant


def test_what_a_record_says_of_its_turn() -> None:
    conversations = Conversations()
    assert conversations.begin("1", None).label == {}
    ask(conversations, "1", "a")
    assert conversations.resume("", "2", None).label == {"name": "", "turn": 2}
    assert conversations.resume("trip", "3", None).label == {"name": "trip", "turn": 1}


def test_conversations_by_name() -> None:
    conversations = Conversations()
    assert ask(conversations, "1", "a", "plan") == ["a"]
    ask(conversations, "2", "x")
    assert ask(conversations, "3", "b", "plan") == ["a", "answer to a", "b"]
    assert ask(conversations, "4", "c", "") == ["a", "answer to a", "b", "answer to b", "c"]
    assert str(conversations) == "plan (3 turns)"


def test_nothing_to_follow() -> None:
    with pytest.raises(UsageError, match="no conversation to continue"):
        Conversations().resume("", "1", None)


def test_without_ids_turns_are_added() -> None:
    conversations = Conversations()
    ask(conversations, None, "a"), ask(conversations, None, "b", "")
    assert ask(conversations, None, "b", "")[-3:] == ["b", "answer to b", "b"]


def test_the_system_message_stays_with_the_thread() -> None:
    conversations = Conversations()
    place = conversations.begin("1", "be brief")
    conversations.commit(place, Turn("1", "a", "b"))
    assert conversations.resume("", "2", None).conversation.system == "be brief"
    assert conversations.resume("", "2", "be long").conversation.system == "be long"


@given(st.lists(st.sampled_from(["1", "2", "3", "4", "5"]), max_size=25))
def test_no_cell_ever_has_two_turns(order: list[str]) -> None:
    conversations = Conversations()
    ask(conversations, "1", "q1")
    for cell in order:
        ask(conversations, cell, f"q{cell}", None if cell == "1" else "")
    given = [ask(conversations, cell, f"q{cell}", None if cell == "1" else "") for cell in "12345"]
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
    assert (request.conversation, request.prompt) == (follow, prompt)


CELLS = 5


def transcript(prompts: list[str]) -> list[tuple[str, str]]:
    """What running the cells from top to bottom gives; an answer depends on all that was said before."""
    told: list[tuple[str, str]] = []
    for prompt in prompts:
        told.append((prompt, reply([text for turn in told for text in turn] + [prompt])))
    return told


def reply(messages: list[str]) -> str:
    return f"a{zlib.crc32(repr(messages).encode()) % 1000}"


@pytest.mark.parametrize("seed", range(200))
def test_any_order_of_edits_ends_as_from_top_to_bottom(seed: int) -> None:
    """Edits, re-runs, forks and refreshes of a conversation of five cells."""
    rng, conversations = random.Random(seed), Conversations()
    prompts = [f"p{n}" for n in range(CELLS)]

    def run(n: int) -> None:
        place = conversations.resume("plan", str(n), None)
        messages = [message["content"] for message in place.messages(prompts[n])]
        conversations.commit(place, Turn(str(n), prompts[n], reply(messages)))

    def again(place: TurnPosition, turn: Turn) -> str:
        return reply([message["content"] for message in place.messages(turn.prompt)])

    for n in range(CELLS):
        run(n)
    forks = 0
    for _ in range(rng.randrange(1, 12)):
        what = rng.choice(["edit", "run", "fork", "refresh"])
        n = rng.randrange(CELLS)
        if what == "edit":
            prompts[n] = f"p{n}.{rng.randrange(3)}"
            run(n)
        elif what == "run":
            run(n)
        elif what == "refresh":
            conversations.refresh("plan", again)
        else:
            forks += 1
            before = [(turn.prompt, turn.answer) for turn in conversations.find("plan").turns]
            copy = conversations.fork("plan", f"fork{forks}")
            copy.turns[0].answer = "something else"
            assert [(turn.prompt, turn.answer) for turn in conversations.find("plan").turns] == before
    conversations.refresh("plan", again)
    turns = conversations.find("plan").turns
    assert [(turn.prompt, turn.answer) for turn in turns] == transcript(prompts)
    assert not any(turn.stale for turn in turns)


def test_conversations_are_found_taken_back_and_removed() -> None:
    conversations = Conversations()
    with pytest.raises(UsageError, match="there is no conversation yet"):
        conversations.find("")
    ask(conversations, "1", "a", "plan"), ask(conversations, "2", "b", "plan"), ask(conversations, "3", "x")
    assert conversations.find("last").turns[0].prompt == "x" and conversations.undo("plan").prompt == "b"
    with pytest.raises(UsageError, match="there is no conversation nope") as error:
        conversations.find("nope")
    assert "plan" in str(error.value)
    with pytest.raises(UsageError, match="already"):
        conversations.fork("plan", "plan")
    conversations.clear("plan")
    assert conversations.names == []


def test_a_conversation_is_written_once(tmp_path: Path) -> None:
    conversations = Conversations()
    ask(conversations, "1", "a", "plan"), ask(conversations, "2", "b", "plan")
    made = conversations.find("plan")
    told = json.loads(export(made, tmp_path / "a.json").read_text())
    assert [message["role"] for message in told["messages"]] == ["user", "assistant"] * 2
    assert "## 2. asked\n\nb" in export(made, tmp_path / "a.md").read_text()
    for name, said in (("a.md", "exists already"), ("a.txt", "must end in")):
        with pytest.raises(UsageError, match=said):
            export(made, tmp_path / name)


def test_a_refreshed_turn_keeps_its_limit_of_reasoning(monkeypatch: pytest.MonkeyPatch) -> None:
    """``%llm refresh`` answers a turn as its cell asked: with --think and its sampling options."""
    model = Room("It is four.").model
    seen: list[tuple[object, object]] = []
    monkeypatch.setattr(
        answering,
        "_bounded",
        lambda model, messages, think, **more: (
            seen.append((think, more.get("seed"))) or model.stream("?", raw=True)
        ),
    )
    host = SimpleNamespace(models=SimpleNamespace(answering=model))
    place = TurnPosition(Conversation("plan"), 0)
    turn = Turn(None, "What?", "", options={"seed": 4}, think=20)
    assert answering.AnswerRunner(host).answer_again(place, turn).text == "It is four."  # type: ignore[arg-type]
    assert seen == [(20, 4)]
