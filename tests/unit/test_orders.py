"""What a view may ask of the kernel, and what it may not; the playground without a page."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics import Generation, Model, SamplingOptions, UsageError
from llm_magics.core.token_columns import unpack
from llm_magics.engine.scripted import ScriptedTokenizer
from llm_magics.magics import commands
from llm_magics.magics.commands import CommandRouter
from llm_magics.magics.playground.playground import Playground
from llm_magics.magics.stream_sender import ActiveStreams
from llm_magics.views.bundle import generation_bundle
from llm_magics.views.mime import GENERATION_MIME, PLAYGROUND_MIME
from llm_magics.views.record_codec import decode_record, encode_record
from tests.support.room import INFO, Room, until


def playing(room: Room) -> Playground:
    return Playground(room, room, ActiveStreams(room))


def quiet(play: Playground) -> None:
    until(lambda: not play._lock.locked() and not any(turn.stream_id for turn in play._turns))


def test_a_conversation_its_settings_and_its_progress() -> None:
    room = Room("Blue light scatters.", "It is dark.")
    play = playing(room)
    play.handle("set", {"settings": {"max_tokens": 50, "temperature": 0, "seed": 3}, "raw": True})
    play.handle("open", {})
    assert room.sent[0]["models"] and room.sent[0]["memory"]["free"] > 0
    play.handle("send", {"text": "Why?"})
    until(lambda: len(play._turns) == 1 and play._turns[0].record)
    quiet(play)
    loading = [each["now"]["loading"] for each in room.sent if each.get("now") and each["now"]["loading"]]
    assert {"what": "fetching: 0 of 0 MB", "share": 0.5} in loading
    tokens = [n for n, each in enumerate(room.sent) if each["type"] == "tokens"]
    packed, ticks = room.data[tokens[0]]
    read, _ = unpack(packed, np.zeros(len(ticks) // 4))
    assert read[0].text and room.sent[tokens[0]]["from"] == 0
    record = play._turns[0].record
    assert record and record.text == "Blue light scatters." and record.options.seed == 3
    assert play.cells() == ["%%llm -n 50 -t 0 --seed 3 --raw --tokens\nWhy?"]

    # It is kept, and another session goes on with it.
    saved = play.bundle()[PLAYGROUND_MIME]
    other = playing(Room("More."))
    other.take(saved)
    again = other._turns[0].record
    assert again and again.text == record.text and other.state()["settings"]["seed"] == 3
    assert other.state()["raw"] is True


def test_reasoning_is_folded_and_left_out_of_the_next_prompt() -> None:
    room = Room("<think>two and two</think>It is *four*.", "Yes.")
    play = playing(room)
    room.loaded = room.model
    play.handle("send", {"text": "What?"})
    until(lambda: len(play._turns) == 1 and play._turns[0].record)
    quiet(play)
    turn = play._turns[0]
    assert turn.text == "It is *four*." and "<details>" in turn.markdown
    frames = [item["text"] for item in room.sent if item["type"] == "markdown"]
    assert frames and not any("&lt;think&gt;" in text or "\\<think" in text for text in frames)


def test_the_settings_of_the_notebook_count_until_the_view_states_others() -> None:
    room = Room("Blue light scatters.")
    room.sampling = {"temperature": 0.2, "seed": 9}
    play = playing(room)
    assert play.state()["settings"]["temperature"] == 0.2
    play.handle("set", {"settings": {"temperature": 0.5}})
    shown = play.state()["settings"]
    assert (shown["temperature"], shown["seed"]) == (0.5, 9)
    play.handle("send", {"text": "Why?"})
    until(lambda: len(play._turns) == 1 and play._turns[0].record)
    quiet(play)
    record = play._turns[0].record
    assert record and (record.options.temperature, record.options.seed) == (0.5, 9)


def test_an_answer_that_goes_on_stays_unfolded() -> None:
    """The payload says whether the reasoning is in a fold; what takes its place is shown in the same way."""
    generation = Room("<think>hm</think>Yes, it is.").model.generate("?", raw=True)
    for fold in (True, False):
        payload = generation_bundle(generation, fold=fold, id="a")[GENERATION_MIME]
        again = commands._bundle_like(generation, payload)
        assert ("<details>" in again["text/markdown"]) is fold
        assert again[GENERATION_MIME]["prose"] == payload["prose"]


def test_what_cannot_be_done_says_so() -> None:
    room = Room("One.")
    play = playing(room)
    for action, order, what in [
        ("send", {"text": "  "}, "prompt is empty"),
        ("set", {"settings": {"top_p": 7}}, "top_p"),
        ("again", {"turn": 4}, "turn 4 does not exist"),
        ("branch", {"turn": True}, "turn must be an integer"),
    ]:
        play.handle(action, order)
        assert what in room.sent[-1]["now"]["failed"]
    play.handle("model", {"name": "none/such"})
    until(lambda: "no such model" in str(room.sent[-1].get("now", {}).get("refused")))
    assert play.model is None  # what answers stays what answered
    play.handle("nonsense", {})
    assert play.state()["settings"]["top_p"] == 0.95


def asked(play: Playground, text: str = "", act: str = "send", **order: Any) -> None:
    play.handle(act, {"text": text, **order})
    until(lambda: all(turn.record for turn in play._turns) and not play._lock.locked())


def shown(play: Playground) -> list[tuple[str, str, tuple[int, int]]]:
    turns = zip(play._turns, play.state()["turns"], strict=True)
    return [(turn.prompt, turn.text, tuple(each["versions"])) for turn, each in turns]


def test_nothing_is_lost_by_another_answer_or_question() -> None:
    """A7: Send again and Regenerate threw away what followed."""
    room = Room("one.", "two.", "three.", "four.", "five.", "six.")
    play = playing(room)
    play.handle("set", {"settings": {"max_tokens": 50, "temperature": 0}, "raw": True})
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
    play.handle("version", {"turn": 1, "version": 0})
    assert [each[:2] for each in shown(play)] == [each[:2] for each in first]
    told = [each["turn"] for each in room.sent if "kept" in each]
    assert told == [0, 1, 2] and room.sent[-1]["bundle"]

    # All of it is in the notebook, and another session has it too.
    saved = play.bundle()[PLAYGROUND_MIME]
    assert saved["failed"] == "" and len(saved["others"]) == 6
    other = playing(Room("none"))
    other.take(saved)
    assert shown(other) == shown(play)
    other.handle("version", {"turn": 1, "version": 2})
    assert shown(other) == third
    other.handle("version", {"turn": 1, "version": 7})
    assert (
        "version 8 does not exist" in other.state()["failed"]
        and other.bundle()[PLAYGROUND_MIME]["failed"] == ""
    )

    play.handle("clear", {})
    assert play._turns == [] and play.state()["undo"]
    play.handle("undo", {})
    assert [each[:2] for each in shown(play)] == [each[:2] for each in first] and not play.state()["undo"]


def test_a_turn_that_was_cut_goes_on() -> None:
    play = playing(Room("abcdefgh"))
    play.handle("set", {"settings": {"max_tokens": 4, "temperature": 0}, "raw": True})
    asked(play, "p")
    asked(play, "q")
    short = play._turns[0].text
    play.handle("more", {"turn": 0})
    until(lambda: len(play._turns[0].text) > len(short) and not play._lock.locked())
    assert play._turns[0].text.startswith(short) and len(play._turns) == 2
    assert play.state()["turns"][0]["more"] is False


def test_a_turn_that_failed_keeps_what_follows_it() -> None:
    """Where there were versions, the notebook lost what was asked after an answer that failed."""
    play = playing(Room("one.", "two.", "three."))
    play.handle("set", {"settings": {"max_tokens": 50, "temperature": 0}, "raw": True})
    asked(play, "a")
    asked(play, act="again", turn=0)
    asked(play, "b")
    play._turns[1].record, play._turns[1].error = None, "it failed"
    play.handle("send", {"text": "c"})
    until(lambda: play._turns[2].record and not play._lock.locked())
    other = playing(Room("none"))
    other.take(play.bundle()[PLAYGROUND_MIME])
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
    play.handle("set", {"settings": {"max_tokens": 8, "temperature": 0}, "raw": True})
    asked(play, "p")
    asked(play, "q")
    asked(play, act="branch", turn=0, parent=0, at=2, token="Q")
    until(lambda: play._turns[0].path == 1)
    assert [turn.prompt for turn in play._turns] == ["p"]
    asked(play, "r")
    play.handle("path", {"turn": 0, "path": 0})
    assert [turn.prompt for turn in play._turns] == ["p", "q"]
    other = playing(Room("none"))
    other.take(play.bundle()[PLAYGROUND_MIME])
    other.handle("path", {"turn": 0, "path": 1})
    assert [turn.prompt for turn in other._turns] == ["p", "r"]


def test_an_adapter_that_is_kept_answers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room("abc")
    play = playing(room)
    play.handle("adapter", {"name": "ghost"})
    assert "unknown adapter 'ghost'" in play.state()["failed"]
    folder = home / "adapters" / "robot"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    with_adapter: list[tuple[str, float]] = []
    monkeypatch.setattr(
        Model, "with_adapter", lambda self, name, strength: with_adapter.append((name, strength)) or self
    )
    play.handle("open", {})
    assert room.sent[-2]["adapters"] == ["robot"]
    play.handle("adapter", {"name": "robot"})
    asked(play, "hi")
    assert with_adapter == [("robot", 1.0)] and play.cells()[0].startswith("%%llm -a robot")
    assert play.bundle()[PLAYGROUND_MIME]["adapter"] == "robot"
    play.handle("adapter", {"name": "robot", "strength": 0.5})
    asked(play, "again")
    assert with_adapter[-1] == ("robot", 0.5) and play.cells()[0].startswith("%%llm -a robot:0.5")
    play.handle("adapter", {"name": "robot", "strength": -3})
    assert "strength" in play.state()["failed"] and play.state()["strength"] == 0.5
    other = playing(Room("x"))
    other.take(play.bundle()[PLAYGROUND_MIME])
    assert other.strength == 0.5


def test_two_models_answer_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_magics.models.loading import load

    room = Room("Blue light scatters.")
    other = Room("Blue is scattered.").model
    loaded: list[tuple[str, str]] = []
    monkeypatch.setattr(load, "load", lambda name, precision: loaded.append((name, precision)) or other)
    play = playing(room)
    play.handle("compare", {"name": "tiny:int4"})
    quiet(play)
    asked(play, "Why?")
    side = play._turns[0].side
    assert ("tiny", "int4") in loaded and side["view"] == "side_by_side"
    frames = [message["side"] for message in room.sent if message.get("side")]
    assert frames[-1] == side
    assert play._turns[0].record.text == "Blue light scatters."
    # Both stay with the notebook; another session shows them, and downloads nothing for it.
    saved = play.bundle()[PLAYGROUND_MIME]
    again = playing(Room("More."))
    again.take(saved)
    assert again._turns[0].side == side and again.compared == ""
    play.handle("compare", {"name": ""})
    asked(play, "And now?")
    assert play._turns[1].side is None and play._turns[0].side == side


def test_both_answers_are_stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from llm_magics.models.loading import load

    room, other = Room("a" * 2000), Room("b" * 2000).model
    for model in (room.model, other):
        model.engine.pause = 0.01  # type: ignore[attr-defined]
    monkeypatch.setattr(load, "load", lambda name, precision: other)
    play = playing(room)
    play.handle("set", {"settings": {"max_tokens": 1500}, "raw": True})
    play.handle("compare", {"name": "other"})
    quiet(play)
    play.handle("send", {"text": "go"})
    until(lambda: any(message.get("side") for message in room.sent))
    play.handle("stop", {})
    quiet(play)
    assert play._turns[0].record.stop_reason == "interrupted" and len(play._turns[0].record.tokens) < 1500


def test_stars_stay_with_the_notebook() -> None:
    play = playing(Room("abc", "def"))
    asked(play, "one")
    play.handle("star", {"turn": 0, "path": 0})
    assert play.state()["turns"][0]["stars"] == [0]
    play.handle("star", {"turn": 0, "path": 7})
    assert "has no such branch" in play.state()["failed"]
    play.handle("again", {"turn": 0})  # another version: the first one is not looked at
    quiet(play)
    assert play.state()["turns"][0]["stars"] == []
    other = playing(Room("x"))
    other.take(play.bundle()[PLAYGROUND_MIME])
    other.handle("version", {"turn": 0, "version": 0})
    assert other.state()["turns"][0]["stars"] == [0]
    play.handle("version", {"turn": 0, "version": 0})
    play.handle("star", {"turn": 0, "path": 0})
    assert play.state()["turns"][0]["stars"] == []


def test_a_conversation_is_imported() -> None:
    play = playing(Room("abc"))
    asked(play, "one")
    saved = play.bundle()[PLAYGROUND_MIME]
    other = playing(Room("def"))
    other.handle("import", {"saved": saved})
    assert [turn.prompt for turn in other._turns] == ["one"] and other.id != saved["id"]
    assert other._turns[0].record.text == "abc"
    for wrong in (None, [], {"turns": 3}, {"messages": []}):
        other.handle("import", {"saved": wrong})
        assert "holds no conversation" in other.state()["failed"]
    assert len(other._turns) == 1


def answered(room: Room) -> Any:
    return room.model.generate("p", raw=True, max_tokens=8, temperature=0)


def test_a_branch_by_order() -> None:
    room = Room("abcdef", "xyz")
    generation = answered(room)
    orders = CommandRouter(room, room.answer_extended)
    orders.channel.send = room.send  # type: ignore[method-assign]
    order = {
        "type": "generation.branch",
        "id": "j",
        "record": encode_record(generation),
        "parent": 0,
        "at": 2,
        "token": "Q",
    }
    orders.handle(order)
    made = until(lambda: next((each for each in room.sent if each["type"] == "record"), None))
    tree = decode_record(next(iter(value for key, value in made["bundle"].items() if "generation" in key)))
    assert tree.path(1).text.startswith("abQ") and tree.path(0).text == generation.text  # type: ignore[union-attr]


def test_an_answer_that_was_cut_goes_on_by_order() -> None:
    room = Room("abcdefghijkl")
    short = room.model.generate("p", raw=True, max_tokens=4, temperature=0)
    orders = CommandRouter(room, room.answer_extended)
    orders.channel.send = room.send  # type: ignore[method-assign]
    orders.channel.connected = True
    record = {**encode_record(short), "note": "n", "view": "tokens"}
    orders.handle({"type": "generation.extend", "id": "j", "record": record, "path": 0})
    made = until(lambda: next((each for each in room.sent if each["type"] == "record"), None))
    payload = next(value for key, value in made["bundle"].items() if "generation" in key)
    whole = decode_record(payload)
    assert whole.text == "abcd" + "abcdefghijkl" and payload["note"] == "n" and payload["view"] == "tokens"
    assert [(before.text, after.text) for before, after in room.more] == [("abcd", whole.text)]
    first = next(each for each in room.sent if each["type"] == "tokens")
    assert first["from"] == 0 and first["most"] == 4 + 256


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_orders_are_checked(data: st.DataObject) -> None:
    """Whatever a page sends: an answer or a clear refusal, and the kernel goes on."""
    room = Room("abc", "def", "ghi")
    orders = CommandRouter(room, room.answer_extended)
    orders.channel.send = room.send  # type: ignore[method-assign]
    payload = encode_record(answered(room))
    junk = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 9),
        st.text(max_size=3),
        st.just(payload),
        st.lists(st.none()),
    )
    order = {
        "type": data.draw(
            st.sampled_from(
                [
                    "generation.branch",
                    "generation.extend",
                    "stream.stop",
                    "stream.resend",
                    "stream.record",
                    "playground.send",
                    "x",
                ]
            )
        ),
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
                "view",
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
    failed = [each for each in room.sent if each.get("type") == "failed"]
    assert all("an internal error" not in each["what"] for each in failed), (order, failed)


def test_a_stopped_answer_is_stopped() -> None:
    room = Room("a" * 5000)
    play = playing(room)
    play.handle("set", {"settings": {"max_tokens": 5000}, "raw": True})
    play.handle("send", {"text": "go"})
    until(lambda: play._turns and play._turns[0].stream_id)
    play.handle("send", {"text": "again"})
    assert "being generated" in play._failed
    play.handle("stop", {})
    quiet(play)
    record = play._turns[0].record
    assert record and record.stop_reason == "interrupted" and len(record.tokens) < 5000


def test_a_notebook_does_not_have_a_model_fetched() -> None:
    play = playing(Room("a"))
    play.take({"settings": {}, "model": "qwen3-8b"})  # known by name, and not here
    assert play.model is None and "used qwen3-8b" in play._failed
    play.take({"settings": {}, "model": "some/body"})
    play.handle("open", {})
    assert play.model is None and "used some/body" in play.state()["failed"]


@pytest.mark.parametrize("saved", [None, 3, {"turns": [{"kept": {"schema": 9}}]}, {"settings": {"top_p": 9}}])
def test_a_saved_conversation_that_is_damaged(saved: Any) -> None:
    from llm_magics import LLMMagicsError

    with pytest.raises(LLMMagicsError):
        playing(Room("a")).take(saved)


def orders(*answers: str) -> tuple[CommandRouter, Room]:
    room = Room(*answers)
    made = CommandRouter(room, room.answer_extended)  # type: ignore[arg-type]
    made.channel.send = room.send  # type: ignore[method-assign]
    return made, room


def test_a_saved_playground_is_read_when_it_is_used() -> None:
    """A5: a notebook that was opened took minutes and gigabytes of the kernel."""
    made, room = orders("Hello")
    saved = {"settings": {}, "turns": [{"asked": "hi", "kept": {"data": "never looked at"}}]}
    made.channel.handle({"type": "playground.open", "id": "p", "saved": saved})
    (news,) = room.sent
    assert news["unknown"] and "now" not in news and news["models"] and not made.playgrounds
    made.channel.handle({"type": "playground.restore", "id": "p", "saved": {"turns": []}})
    assert made.playgrounds["p"].state()["turns"] == []
    made.channel.handle({"type": "playground.send", "id": "p", "text": "hi"})
    until(lambda: made.playgrounds["p"]._turns[-1].record)
    quiet(made.playgrounds["p"])  # all news of that answer are sent
    room.sent.clear()
    made.channel.handle({"type": "playground.open", "id": "p"})
    assert room.sent[1]["now"]["turns"][0]["asked"] == "hi"
    made.channel.handle({"type": "playground.restore", "id": "q", "saved": saved})
    assert "no readable record" in made.playgrounds["q"].state()["failed"]
    made.channel.handle({"type": "playground.send", "id": "r", "text": "hi"})
    assert room.sent[-1] == {"type": "playground", "id": "r", "gone": True}


def test_a_flood_of_orders_is_refused_in_words() -> None:
    """A15: 1,002 threads and 6.9 GB of caches."""
    from llm_magics.magics.commands import MOST_JOBS

    made, room = orders("Hello")
    go_on, running = threading.Event(), []

    def work() -> None:
        running.append(1)
        go_on.wait(10)

    for n in range(200):
        made._run_in_thread(f"{n}", work)
    until(lambda: len(running) == MOST_JOBS)
    refused = [message for message in room.sent if message["type"] == "failed"]
    assert len(refused) == 200 - MOST_JOBS and "requests are running" in refused[0]["what"]
    go_on.set()
    until(lambda: made._jobs._value == MOST_JOBS)
    made._run_in_thread("again", work)
    until(lambda: len(running) == MOST_JOBS + 1)


def test_the_tokenizers_of_a_record_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A8: names that a notebook's file brings were fetched from the Hub, or opened as paths."""
    from llm_magics.inspection.tokenization import Tokenization
    from llm_magics.magics.inspection.follow_ups import add_tokenizer
    from llm_magics.models import compare as module

    looked: list[str] = []

    def found(name: str) -> Any:
        looked.append(name)
        return ScriptedTokenizer()

    monkeypatch.setattr(module, "_load_tokenizer", found)
    column = {"name": "/dev/zero", "vocab": 3, "ids": [1], "texts": ["x"], "bytes": ["00"]}
    languages = [{"name": "English", "bytes": 9, "counts": [4]}]
    picture = Tokenization(INFO, {"text": "hi", "columns": [column], "languages": languages})
    made = add_tokenizer(picture, "new/one")
    assert looked == ["new/one"] and [each["name"] for each in made.head["columns"]] == [
        "/dev/zero",
        "new/one",
    ]
    assert len(made.head["languages"][0]["counts"]) == 2
    with pytest.raises(UsageError):
        add_tokenizer(made, "new/one")


def test_a_prompt_right_behind_the_end_of_an_answer_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The view offers the next prompt while the conversation of the last one is still written."""
    room = Room("One.", "Two.")
    play, really = playing(room), Playground._save
    monkeypatch.setattr(Playground, "_save", lambda self: (time.sleep(0.3), really(self)))
    play.handle("send", {"text": "a"})

    def is_offered() -> bool:
        states = [message["now"] for message in room.sent if message.get("now")]
        turns = states[-1]["turns"] if states else []
        return bool(turns and play._turns[0].record) and not any(turn["live"] for turn in turns)

    until(is_offered)
    play.handle("send", {"text": "b"})
    until(lambda: len(play._turns) == 2 and play._turns[1].record)
    assert not any("being generated" in str(message.get("now")) for message in room.sent)


def test_the_schema_of_the_answers() -> None:
    play = playing(Room("x"))
    play.handle("set", {"settings": {}, "form": "name, age int"})
    assert play.state()["form"] == "name, age int" and play.state()["failed"] == ""
    for wrong, said in (("Review", "one word"), ('{"type": "nothing"}', ""), ("{", ""), ("a int, a int", "")):
        play.handle("set", {"settings": {"seed": 4}, "form": wrong})
        state = play.state()
        assert state["form"] == wrong and state["failed"] and said in state["failed"], wrong
        assert state["settings"]["seed"] == 4
    # A wrong schema of a notebook's file is kept for its reader, and refused when something is asked.
    saved = play.bundle()[PLAYGROUND_MIME]
    other = playing(Room("x"))
    other.take(saved)
    assert other.state()["form"] == "a int, a int"
    other.handle("send", {"text": "Why?"})
    until(lambda: other._turns and other._turns[0].error)


def test_a_schema_is_written_into_the_cells() -> None:
    from llm_magics.magics.playground.cells import conversation
    from llm_magics.magics.playground.versions import Turn
    from llm_magics.structured.form import answer_form

    form = answer_form(schema="name, age int")
    assert form is not None
    options = SamplingOptions(max_tokens=50, grammar=form.grammar)
    turn = Turn("Who?")
    turn.record = Generation("{}", (), "stop", "Who?", model=INFO, options=options)
    told = {"model": None, "adapter": "", "system": "", "raw": False}
    same = conversation([turn], **told, schema="name, age int")
    assert same == ['%%llm --schema "name, age int" -n 50 --tokens\nWho?']
    (other,) = conversation([turn], **told, schema="name, age float")
    assert other.startswith("import llm_magics as lm") and "grammar=" in other and "--schema" not in other


def test_a_record_that_is_asked_for_while_it_is_made() -> None:
    """Another page's question had no answer, and after three of them it asked no more."""
    room = Room("abc")
    orders = CommandRouter(room, room.answer_extended)
    orders.channel.send = room.send  # type: ignore[method-assign]
    live = orders.streams.begin("an answer", 8, lambda: None)
    question = {"type": "stream.record", "id": live.id}
    orders.handle(question)
    assert room.sent[-1] == {"type": "known", "id": live.id}
    live.bundle = {"text/plain": "all of it"}
    orders.handle(question)
    assert room.sent[-1] == {"type": "record", "id": live.id, "bundle": live.bundle}
    orders.handle({**question, "id": "never heard of"})
    assert room.sent[-1]["type"] == "gone"
