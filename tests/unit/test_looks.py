"""What a view of the inside may ask of the kernel, and what becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics.core import progress
from llm_magics.magics.commands import CommandRouter
from llm_magics.views.mime import INSPECTION_MIME
from llm_magics.views.record_codec import encode_record
from tests.support import pictures
from tests.support.room import Room, until


@pytest.fixture
def room() -> Iterator[tuple[Room, CommandRouter]]:
    made = Room("An answer.", "Another one.")
    orders = CommandRouter(made, made.answer_extended)
    orders.channel.send = made.send  # type: ignore[method-assign]
    yield made, orders


def asked(room: tuple[Room, CommandRouter], record: Any, act: Any, *, id: str = "job") -> dict[str, Any]:
    """The last word on an order."""
    made, orders = room
    made.sent.clear()
    orders.handle({**act, "id": id, "record": record})
    ends = ("record", "failed", "gone")
    found: dict[str, Any] = until(lambda: next((m for m in made.sent if m.get("type") in ends), None))
    return found


def test_every_kind_is_read() -> None:
    from llm_magics.magics.inspection.follow_ups import KINDS, OPENERS, read_record

    assert KINDS.keys() == pictures.KINDS.keys()
    for kind, make in pictures.KINDS.items():
        assert read_record(make().to_payload()).head == make().head
        assert kind in OPENERS or kind in {
            "card",
            "choices",
            "compare",
            "decisions",
            "evaluation",
            "fix",
            "memory",
            "models",
            "rows",
            "side_by_side",
            "tree",
            "verify",
            "walk",
            "watch",
        }


def test_another_view_of_an_answer(room: tuple[Room, CommandRouter]) -> None:
    answer = room[0].model.generate("Hi", max_tokens=5)
    told = asked(room, encode_record(answer), {"type": "inspection.open", "view": "tokenizers"})
    assert told["bundle"][INSPECTION_MIME]["view"] == "tokenizers"
    told = asked(room, encode_record(answer), {"type": "inspection.open", "view": "causes"})
    assert told["bundle"][INSPECTION_MIME]["view"] == "causes"
    # The layers of this engine cannot be read: that is said, and nothing else happens.
    told = asked(room, encode_record(answer), {"type": "inspection.open", "view": "lens"})
    assert told["type"] == "failed" and "exported ONNX graph" in told["what"] and told["hint"]


def test_more_of_the_same(room: tuple[Room, CommandRouter]) -> None:
    model = room[0].model
    probe = model.probe("q", ["ab"]).to_payload()
    told = asked(room, probe, {"type": "inspection.add", "text": "cd"})
    assert "cd" in told["bundle"]["text/plain"]
    tree = model.sample_tree("q", samples=2, max_tokens=3).to_payload()
    told = asked(room, tree, {"type": "inspection.extend", "samples": 1})
    assert told["bundle"]["text/plain"].startswith("3 samples")
    told = asked(
        room,
        model.attribution("abc").to_payload(),
        {"type": "inspection.target", "target": "x", "against": "y"},
    )
    assert "why 'x' and not 'y'" in told["bundle"]["text/plain"]


@pytest.mark.parametrize(
    ("record", "act", "words"),
    [
        ({}, {"type": "inspection.open", "view": "lens"}, "no record"),
        (
            {"view": "lens", "schema": 1, "data": "AAAA"},
            {"type": "inspection.open", "view": "lens"},
            "no readable record",
        ),
        (pictures.probe().to_payload(), {"type": "inspection.add", "text": ""}, "no tokens"),
        (pictures.probe().to_payload(), {"type": "inspection.fly"}, "does not support"),
        (
            pictures.tree().to_payload(),
            {"type": "inspection.extend", "samples": "many"},
            "must be an integer",
        ),
        (pictures.tree().to_payload(), {"type": "inspection.extend", "samples": 10**9}, "samples must be"),
        (pictures.lens().to_payload(), {"type": "inspection.open", "view": "__import__"}, "no view"),
        (pictures.compare().to_payload(), {"type": "inspection.open", "view": "lens"}, "more than one text"),
        (pictures.lens().to_payload(), {"type": "inspection.open", "view": "replay"}, "only an answer"),
        (
            pictures.walk().to_payload(),
            {"type": "inspection.open", "view": "probe", "token": 99},
            "step does not exist",
        ),
    ],
)
def test_what_cannot_be_done_is_said(
    room: tuple[Room, CommandRouter], record: Any, act: Any, words: str
) -> None:
    told = asked(room, record, act)
    assert told["type"] == "failed" and words in told["what"]


def test_orders_of_another_shape_end_in_an_error() -> None:
    room = Room("a")
    orders = CommandRouter(room, room.answer_extended)
    with pytest.raises(Exception, match="has no record"):
        orders.inspection.handle("x", "open", {"record": 3})
    assert not orders.inspection.stop("nothing")


def test_work_is_stopped(room: tuple[Room, CommandRouter]) -> None:
    made, orders = room
    going, let = threading.Event(), threading.Event()

    def slow(text: Any, **_: Any) -> Any:
        with progress.progress_bar("working", 10, unit="token") as step:
            going.set()
            let.wait(5)
            step(1)

    made.model.attribution = slow  # type: ignore[method-assign]
    payload = pictures.causes().to_payload()
    orders.handle({"type": "inspection.target", "id": "long", "record": payload})
    assert going.wait(5)
    orders.handle({"type": "stream.stop", "id": "long"})
    let.set()
    told = until(lambda: next((m for m in made.sent if m.get("type") == "failed"), None))
    assert told["id"] == "long" and "stopped" in told["what"]
    assert not orders.inspection.stop("long")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    JSON, st.sampled_from(list(pictures.KINDS)), st.sampled_from(["extend", "add", "target", "layer", "open"])
)
def test_whatever_comes_from_a_page_ends_in_words(junk: Any, kind: str, do: str) -> None:
    made = Room("An answer.")
    orders = CommandRouter(made, made.answer_extended)
    orders.channel.send = made.send  # type: ignore[method-assign]
    payload = pictures.KINDS[kind]().to_payload()
    act = {
        "type": f"inspection.{do}",
        "view": junk,
        "text": junk,
        "samples": junk,
        "layer": junk,
        "target": junk,
        "upto": junk,
    }
    told = asked((made, orders), payload, act)
    assert told["type"] in ("failed", "record")


def test_the_views_of_the_catalog_ask_for_cards_and_downloads(
    room: tuple[Room, CommandRouter], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path))
    payload = pictures.models().to_payload()
    told = asked(room, payload, {"type": "inspection.open", "view": "card", "name": "gpt2"})
    assert told["bundle"][INSPECTION_MIME]["view"] == "card" and "GPT-2" in told["bundle"]["text/plain"]
    told = asked(room, payload, {"type": "inspection.pull", "name": "gpt2"})
    assert room[0].pulled == ["gpt2"] and told["bundle"][INSPECTION_MIME]["view"] == "models"
    told = asked(room, pictures.card().to_payload(), {"type": "inspection.pull", "name": "gpt2"})
    assert told["bundle"][INSPECTION_MIME]["view"] == "card"
    # A notebook's file may name any model: none but those of the catalog is downloaded.
    for name in ("org/other", "../model.gguf", 3, None):
        told = asked(room, payload, {"type": "inspection.pull", "name": name})
        assert told["type"] == "failed" and told["hint"]
    assert room[0].pulled == ["gpt2", "gpt2"]
    assert asked(room, payload, {"type": "inspection.odd", "name": "gpt2"})["type"] == "failed"


def test_the_words_that_decided_on_a_label(room: tuple[Room, CommandRouter]) -> None:
    from llm_magics.inspection.answers.choices import Choices
    from llm_magics.magics.inspection.follow_ups import read_record

    choice = room[0].model.choose("Is it blue? yes or no", ["yes", "no"])
    payload = choice.record.to_payload()
    told = asked(room, payload, {"type": "inspection.open", "view": "causes", "label": 1})
    record = read_record(told["bundle"][INSPECTION_MIME])
    ids = choice.record.head["labels"][1]["spellings"][0]["ids"]
    assert record.head["target"] == ids[0] and record.head["ids"] == choice.record.head["prompt_ids"]
    for wrong in ({"label": 2}, {"label": -1}):
        assert (
            asked(room, payload, {"type": "inspection.open", "view": "causes", **wrong})["type"] == "failed"
        )
    old = Choices(choice.record.model, {**choice.record.head, "prompt_ids": None}, choice.record.arrays)
    order = {"type": "inspection.open", "view": "causes", "label": 0}
    assert "no prompt" in asked(room, old.to_payload(), order)["what"]
