"""What a view may ask of the kernel, and what it may not; the playground without a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics import Model, ModelInfo, UsageError
from llm_magics.core import progress
from llm_magics.core.columns import unpack
from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer
from llm_magics.magics.live import Lives
from llm_magics.magics.orders import Orders
from llm_magics.magics.playground.playground import Playground
from llm_magics.views.kept import kept, read_kept
from llm_magics.views.playground import MIME

INFO = ModelInfo("scripted", fingerprint="f", licence="none")


class Room:
    """A notebook without a page: what is sent is kept."""

    heard = True

    def __init__(self, *answers: str) -> None:
        self.model = Model(ScriptedEngine(list(answers)), ScriptedTokenizer(), INFO)
        self.loaded: Model | None = None
        self.sent: list[dict[str, Any]] = []
        self.data: list[Any] = []
        self.more: list[tuple[Any, Any]] = []

    def use(self, name: str | None) -> Model:
        if name == "none/such":
            raise UsageError("there is no such model", hint="try another")
        progress.say("converting …")
        with progress.bar("fetching", 10, unit="B") as step:
            step(5)
        self.loaded = self.model
        return self.model

    def model_of(self, info: ModelInfo) -> Model:
        return self.model

    def grown(self, view: str, before: Any, after: Any) -> None:
        self.more.append((before, after))

    def send(self, message: dict[str, Any], data: Any = (), *, as_text: bool = False) -> None:
        self.sent.append(message)
        self.data.append(list(data))


def until(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 10
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found


def playing(room: Room) -> Playground:
    return Playground(room, room, Lives(room))


def quiet(play: Playground) -> None:
    until(lambda: not play._lock.locked() and not any(turn.live for turn in play._turns))


def test_a_conversation_its_settings_and_its_progress() -> None:
    room = Room("Blue light scatters.", "It is dark.")
    play = playing(room)
    play.obey({"act": "set", "settings": {"max_tokens": 50, "temperature": 0, "seed": 3}, "raw": True})
    play.obey({"act": "open"})
    assert room.sent[0]["models"] and room.sent[0]["memory"]["free"] > 0
    play.obey({"act": "send", "text": "Why?"})
    until(lambda: len(play._turns) == 1 and play._turns[0].record)
    quiet(play)
    loading = [each["now"]["loading"] for each in room.sent if each.get("now") and each["now"]["loading"]]
    assert {"what": "fetching: 0 of 0 MB", "share": 0.5} in loading
    tokens = [n for n, each in enumerate(room.sent) if each["do"] == "tokens"]
    packed, ticks = room.data[tokens[0]]
    read, _ = unpack(packed, np.zeros(len(ticks) // 4))
    assert read[0].text and room.sent[tokens[0]]["from"] == 0
    record = play._turns[0].record
    assert record and record.text == "Blue light scatters." and record.options.seed == 3
    assert play.cells() == ["%%llm -n 50 -t 0 --seed 3 --raw --tokens\nWhy?"]

    # It is kept, and another session goes on with it.
    saved = play.bundle()[MIME]
    other = playing(Room("More."))
    other.take(saved)
    again = other._turns[0].record
    assert again and again.text == record.text and other.state()["settings"]["seed"] == 3
    assert other.state()["raw"] is True


def test_what_cannot_be_done_says_so() -> None:
    room = Room("One.")
    play = playing(room)
    for order, what in [
        ({"act": "send", "text": "  "}, "no prompt"),
        ({"act": "set", "settings": {"top_p": 7}}, "top_p"),
        ({"act": "again", "turn": 4}, "no turn 4"),
        ({"act": "branch", "turn": True}, "turn must be a whole number"),
    ]:
        play.obey(order)
        assert what in room.sent[-1]["now"]["failed"]
    play.obey({"act": "model", "name": "none/such"})
    until(lambda: "no such model" in str(room.sent[-1].get("now", {}).get("refused")))
    assert play.model is None  # what answers stays what answered
    play.obey({"act": "nonsense"})
    assert play.state()["settings"]["top_p"] == 0.95


def asked(play: Playground, text: str = "", act: str = "send", **order: Any) -> None:
    play.obey({"act": act, "text": text, **order})
    until(lambda: all(turn.record for turn in play._turns) and not play._lock.locked())


def shown(play: Playground) -> list[tuple[str, str, tuple[int, int]]]:
    turns = zip(play._turns, play.state()["turns"], strict=True)
    return [(turn.asked, turn.text, tuple(each["versions"])) for turn, each in turns]


def test_nothing_is_lost_by_another_answer_or_question() -> None:
    """A7: Send again and Regenerate threw away what followed."""
    room = Room("one.", "two.", "three.", "four.", "five.", "six.")
    play = playing(room)
    play.obey({"act": "set", "settings": {"max_tokens": 50, "temperature": 0}, "raw": True})
    for text in ("a", "b", "c"):
        asked(play, text)
    first = shown(play)
    assert [each[0] for each in first] == ["a", "b", "c"] and {each[2] for each in first} == {(1, 0)}
    asked(play, act="again", turn=1)
    second = shown(play)
    assert [each[0] for each in second] == ["a", "b"] and second[1][2] == (2, 1)
    asked(play, act="edit", turn=1, text="B")
    asked(play, "d")
    third = shown(play)
    assert [each[0] for each in third] == ["a", "B", "d"] and third[1][2] == (3, 2)
    room.sent.clear()
    play.obey({"act": "version", "turn": 1, "version": 0})
    assert [each[:2] for each in shown(play)] == [each[:2] for each in first]
    told = [each["turn"] for each in room.sent if "kept" in each]
    assert told == [0, 1, 2] and room.sent[-1]["bundle"]

    # All of it is in the notebook, and another session has it too.
    saved = play.bundle()[MIME]
    assert saved["failed"] == "" and len(saved["others"]) == 6
    other = playing(Room("none"))
    other.take(saved)
    assert shown(other) == shown(play)
    other.obey({"act": "version", "turn": 1, "version": 2})
    assert shown(other) == third
    other.obey({"act": "version", "turn": 1, "version": 7})
    assert "no version 8" in other.state()["failed"] and other.bundle()[MIME]["failed"] == ""

    play.obey({"act": "clear"})
    assert play._turns == [] and play.state()["undo"]
    play.obey({"act": "undo"})
    assert [each[:2] for each in shown(play)] == [each[:2] for each in first] and not play.state()["undo"]


def test_a_turn_that_was_cut_goes_on() -> None:
    play = playing(Room("abcdefgh"))
    play.obey({"act": "set", "settings": {"max_tokens": 4, "temperature": 0}, "raw": True})
    asked(play, "p")
    asked(play, "q")
    short = play._turns[0].text
    play.obey({"act": "more", "turn": 0})
    until(lambda: len(play._turns[0].text) > len(short) and not play._lock.locked())
    assert play._turns[0].text.startswith(short) and len(play._turns) == 2
    assert play.state()["turns"][0]["more"] is False


def test_a_turn_that_failed_keeps_what_follows_it() -> None:
    """Where there were versions, the notebook lost what was asked after an answer that failed."""
    play = playing(Room("one.", "two.", "three."))
    play.obey({"act": "set", "settings": {"max_tokens": 50, "temperature": 0}, "raw": True})
    asked(play, "a")
    asked(play, act="again", turn=0)
    asked(play, "b")
    play._turns[1].record, play._turns[1].failed = None, "it failed"
    play.obey({"act": "send", "text": "c"})
    until(lambda: play._turns[2].record and not play._lock.locked())
    other = playing(Room("none"))
    other.take(play.bundle()[MIME])
    assert shown(other) == shown(play) and [each[0] for each in shown(other)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "others",
    [
        [{"parent": -1, "turn": 0}, {"parent": 0, "turn": 0}],  # it follows itself: there would be no end
        [{"parent": 0, "turn": 0}],
        [{"parent": -1, "turn": 9}],
        [{"parent": -1, "turn": "0"}],
    ],
)
def test_versions_that_cannot_be(others: Any) -> None:
    saved = {"turns": [{"asked": "a"}], "others": others}
    with pytest.raises(UsageError, match="versions"):
        playing(Room("a")).take(saved)


def test_each_branch_has_what_followed_it() -> None:
    play = playing(Room("abcdef", "xyz", "uvw"))
    play.obey({"act": "set", "settings": {"max_tokens": 8, "temperature": 0}, "raw": True})
    asked(play, "p")
    asked(play, "q")
    asked(play, act="branch", turn=0, parent=0, at=2, token="Q")
    until(lambda: play._turns[0].path == 1)
    assert [turn.asked for turn in play._turns] == ["p"]
    asked(play, "r")
    play.obey({"act": "path", "turn": 0, "path": 0})
    assert [turn.asked for turn in play._turns] == ["p", "q"]
    other = playing(Room("none"))
    other.take(play.bundle()[MIME])
    other.obey({"act": "path", "turn": 0, "path": 1})
    assert [turn.asked for turn in other._turns] == ["p", "r"]


def test_an_adapter_that_is_kept_answers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room("abc")
    play = playing(room)
    play.obey({"act": "adapter", "name": "ghost"})
    assert "there is no adapter 'ghost'" in play.state()["failed"]
    folder = home / "adapters" / "robot"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    with_adapter: list[str] = []
    monkeypatch.setattr(Model, "with_adapter", lambda self, name: with_adapter.append(name) or self)
    play.obey({"act": "open"})
    assert room.sent[-2]["adapters"] == ["robot"]
    play.obey({"act": "adapter", "name": "robot"})
    asked(play, "hi")
    assert with_adapter == ["robot"] and play.cells()[0].startswith("%%llm -a robot")
    assert play.bundle()[MIME]["adapter"] == "robot"


def answered(room: Room) -> Any:
    return room.model.generate("p", raw=True, max_tokens=8, temperature=0)


def test_a_branch_by_order() -> None:
    room = Room("abcdef", "xyz")
    generation = answered(room)
    orders = Orders(room)
    orders.channel.send = room.send  # type: ignore[method-assign]
    order = {"do": "branch", "id": "j", "record": kept(generation), "parent": 0, "at": 2, "token": "Q"}
    orders._obey(order)
    made = until(lambda: next((each for each in room.sent if each["do"] == "record"), None))
    tree = read_kept(next(iter(value for key, value in made["bundle"].items() if "generation" in key)))
    assert tree.path(1).text.startswith("abQ") and tree.path(0).text == generation.text  # type: ignore[union-attr]


def test_an_answer_that_was_cut_goes_on_by_order() -> None:
    room = Room("abcdefghijkl")
    short = room.model.generate("p", raw=True, max_tokens=4, temperature=0)
    orders = Orders(room)
    orders.channel.send = room.send  # type: ignore[method-assign]
    orders.channel.heard = True
    record = {**kept(short), "note": "n", "view": "tokens"}
    orders._obey({"do": "more", "id": "j", "record": record, "path": 0})
    made = until(lambda: next((each for each in room.sent if each["do"] == "record"), None))
    payload = next(value for key, value in made["bundle"].items() if "generation" in key)
    whole = read_kept(payload)
    assert whole.text == "abcd" + "abcdefghijkl" and payload["note"] == "n" and payload["view"] == "tokens"
    assert [(before.text, after.text) for before, after in room.more] == [("abcd", whole.text)]
    first = next(each for each in room.sent if each["do"] == "tokens")
    assert first["from"] == 0 and first["most"] == 4 + 256


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_orders_are_checked(data: st.DataObject) -> None:
    """Whatever a page sends: an answer or a clear refusal, and the kernel goes on."""
    room = Room("abc", "def", "ghi")
    orders = Orders(room)
    orders.channel.send = room.send  # type: ignore[method-assign]
    payload = kept(answered(room))
    junk = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 9),
        st.text(max_size=3),
        st.just(payload),
        st.lists(st.none()),
    )
    order = {
        "do": data.draw(st.sampled_from(["branch", "more", "stop", "again", "record", "play", "x"])),
        "id": data.draw(st.one_of(st.just("j"), junk)),
        **{
            name: data.draw(junk)
            for name in (
                "record",
                "parent",
                "path",
                "version",
                "others",
                "at",
                "token",
                "act",
                "turn",
                "text",
                "from",
                "saved",
            )
        },
    }
    before = set(threading.enumerate())
    orders.channel._receive({"content": {"data": order}})
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    failed = [each for each in room.sent if each.get("do") == "failed"]
    assert all("this failed" not in each["what"] for each in failed), (order, failed)


def test_a_stopped_answer_is_stopped() -> None:
    room = Room("a" * 5000)
    play = playing(room)
    play.obey({"act": "set", "settings": {"max_tokens": 5000}, "raw": True})
    play.obey({"act": "send", "text": "go"})
    until(lambda: play._turns and play._turns[0].live)
    play.obey({"act": "send", "text": "again"})
    assert "being made" in play._failed
    play.obey({"act": "stop"})
    quiet(play)
    record = play._turns[0].record
    assert record and record.stop_reason == "interrupted" and len(record.tokens) < 5000


def test_a_notebook_does_not_have_a_model_fetched() -> None:
    play = playing(Room("a"))
    play.take({"settings": {}, "model": "some/body"})
    play.obey({"act": "open"})
    assert play.model is None and "held with some/body" in play.state()["failed"]


@pytest.mark.parametrize("saved", [None, 3, {"turns": [{"kept": {"schema": 9}}]}, {"settings": {"top_p": 9}}])
def test_a_saved_conversation_that_is_damaged(saved: Any) -> None:
    from llm_magics import LLMMagicsError

    with pytest.raises(LLMMagicsError):
        playing(Room("a")).take(saved)


def orders(*answers: str) -> tuple[Orders, Room]:
    room = Room(*answers)
    made = Orders(room)  # type: ignore[arg-type]
    made.channel.send = room.send  # type: ignore[method-assign]
    return made, room


def test_a_saved_playground_is_read_when_it_is_used() -> None:
    """A5: a notebook that was opened took minutes and gigabytes of the kernel."""
    made, room = orders("Hello")
    saved = {"settings": {}, "turns": [{"asked": "hi", "kept": {"data": "never looked at"}}]}
    made.channel.obey({"do": "play", "id": "p", "act": "open", "saved": saved})
    (news,) = room.sent
    assert news["unknown"] and "now" not in news and news["models"] and not made.playgrounds
    made.channel.obey({"do": "play", "id": "p", "act": "restore", "saved": {"turns": []}})
    assert made.playgrounds["p"].state()["turns"] == []
    made.channel.obey({"do": "play", "id": "p", "act": "send", "text": "hi"})
    until(lambda: made.playgrounds["p"]._turns[-1].record)
    quiet(made.playgrounds["p"])  # all news of that answer are sent
    room.sent.clear()
    made.channel.obey({"do": "play", "id": "p", "act": "open"})
    assert room.sent[1]["now"]["turns"][0]["asked"] == "hi"
    made.channel.obey({"do": "play", "id": "q", "act": "restore", "saved": saved})
    assert "no readable record" in made.playgrounds["q"].state()["failed"]
    made.channel.obey({"do": "play", "id": "r", "act": "send", "text": "hi"})
    assert room.sent[-1] == {"do": "play", "id": "r", "gone": True}


def test_a_flood_of_orders_is_refused_in_words() -> None:
    """A15: 1,002 threads and 6.9 GB of caches."""
    from llm_magics.magics.orders import MOST_JOBS

    made, room = orders("Hello")
    go_on, running = threading.Event(), []

    def work() -> None:
        running.append(1)
        go_on.wait(10)

    for n in range(200):
        made._work(f"{n}", work)
    until(lambda: len(running) == MOST_JOBS)
    refused = [message for message in room.sent if message["do"] == "failed"]
    assert len(refused) == 200 - MOST_JOBS and "orders are being followed" in refused[0]["what"]
    go_on.set()
    until(lambda: made._jobs._value == MOST_JOBS)
    made._work("again", work)
    until(lambda: len(running) == MOST_JOBS + 1)


def test_the_tokenizers_of_a_record_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A8: names that a notebook's file brings were fetched from the Hub, or opened as paths."""
    from llm_magics.lens.cut import Cut
    from llm_magics.magics.inside.acts import beside
    from llm_magics.models import beside as module

    looked: list[str] = []

    def found(name: str) -> Any:
        looked.append(name)
        return ScriptedTokenizer()

    monkeypatch.setattr(module, "_tokenizer", found)
    column = {"name": "/dev/zero", "vocab": 3, "ids": [1], "texts": ["x"], "bytes": ["00"]}
    languages = [{"name": "English", "bytes": 9, "counts": [4]}]
    picture = Cut(INFO, {"text": "hi", "columns": [column], "languages": languages})
    made = beside(picture, "new/one")
    assert looked == ["new/one"] and [each["name"] for each in made.head["columns"]] == [
        "/dev/zero",
        "new/one",
    ]
    assert len(made.head["languages"][0]["counts"]) == 2
    with pytest.raises(UsageError):
        beside(made, "new/one")
