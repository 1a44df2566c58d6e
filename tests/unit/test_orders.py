"""What a view may ask of the kernel, and what it may not; the playground without a page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics import Model, ModelInfo, UsageError
from llm_magics.core.columns import unpack
from llm_magics.engine.scripted import ScriptedEngine, ScriptedTokenizer
from llm_magics.magics.live import Lives
from llm_magics.magics.orders import Orders
from llm_magics.magics.playground import Playground
from llm_magics.sources import progress
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
    until(lambda: "no such model" in str(room.sent[-1].get("now", {}).get("failed")))
    play.obey({"act": "nonsense"})
    assert play.state()["settings"]["top_p"] == 0.95


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
        "do": data.draw(st.sampled_from(["branch", "stop", "again", "record", "play", "x"])),
        "id": data.draw(st.one_of(st.just("j"), junk)),
        **{
            name: data.draw(junk)
            for name in ("record", "parent", "at", "token", "act", "turn", "text", "from", "saved")
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
