"""What a view of the inside may ask of the kernel, and what becomes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics import Generation
from llm_magics.core import progress
from llm_magics.magics.orders import Orders
from llm_magics.views.kept import kept
from llm_magics.views.picture import MIME
from tests import pictures
from tests.unit.test_orders import Room, until


@pytest.fixture
def room() -> Iterator[tuple[Room, Orders]]:
    made = Room("An answer.", "Another one.")
    orders = Orders(made)
    orders.channel.send = made.send  # type: ignore[method-assign]
    yield made, orders


def asked(room: tuple[Room, Orders], record: Any, act: Any, *, id: str = "job") -> dict[str, Any]:
    """The last word on an order."""
    made, orders = room
    made.sent.clear()
    orders._obey({"do": "look", "id": id, "record": record, "act": act})
    ends = ("record", "failed", "gone")
    found: dict[str, Any] = until(lambda: next((m for m in made.sent if m.get("do") in ends), None))
    return found


def test_every_kind_is_read() -> None:
    from llm_magics.magics.inside.acts import KINDS, OPEN, read

    assert KINDS.keys() == pictures.KINDS.keys()
    for kind, make in pictures.KINDS.items():
        assert read(make().payload()).head == make().head
        assert kind in OPEN or kind in {"compare", "memory", "tree", "walk", "watch"}


def test_another_view_of_an_answer(room: tuple[Room, Orders]) -> None:
    answer = room[0].model.generate("Hi", max_tokens=5)
    told = asked(room, kept(answer), {"do": "open", "view": "tokenizers"})
    assert told["bundle"][MIME]["view"] == "tokenizers"
    told = asked(room, kept(answer), {"do": "open", "view": "causes"})
    assert told["bundle"][MIME]["view"] == "causes"
    # The layers of this engine cannot be read: that is said, and nothing else happens.
    told = asked(room, kept(answer), {"do": "open", "view": "lens"})
    assert told["do"] == "failed" and "cannot be read" in told["what"] and told["hint"]


def test_more_of_the_same(room: tuple[Room, Orders]) -> None:
    model = room[0].model
    probe = model.probe("q", ["ab"]).payload()
    told = asked(room, probe, {"do": "add", "text": "cd"})
    assert "cd" in told["bundle"]["text/plain"]
    tree = model.tree("q", samples=2, max_tokens=3).payload()
    told = asked(room, tree, {"do": "more", "samples": 1})
    assert told["bundle"]["text/plain"].startswith("3 samples")
    told = asked(room, model.attribute("abc").payload(), {"do": "why", "target": "x", "against": "y"})
    assert "why 'x' and not 'y'" in told["bundle"]["text/plain"]


@pytest.mark.parametrize(
    ("record", "act", "words"),
    [
        ({}, {"do": "open", "view": "lens"}, "no record"),
        ({"view": "lens", "schema": 1, "data": "AAAA"}, {"do": "open", "view": "lens"}, "no readable record"),
        (pictures.probe().payload(), {"do": "add", "text": ""}, "no tokens"),
        (pictures.probe().payload(), {"do": "fly"}, "no order"),
        (pictures.tree().payload(), {"do": "more", "samples": "many"}, "whole number"),
        (pictures.tree().payload(), {"do": "more", "samples": 10**9}, "samples must be"),
        (pictures.lens().payload(), {"do": "open", "view": "__import__"}, "no view"),
        (pictures.compare().payload(), {"do": "open", "view": "lens"}, "no single text"),
        (pictures.lens().payload(), {"do": "open", "view": "replay"}, "only an answer"),
        (pictures.walk().payload(), {"do": "open", "view": "probe", "token": 99}, "no step"),
    ],
)
def test_what_cannot_be_done_is_said(room: tuple[Room, Orders], record: Any, act: Any, words: str) -> None:
    told = asked(room, record, act)
    assert told["do"] == "failed" and words in told["what"]


def test_orders_of_another_shape_end_in_an_error() -> None:
    orders = Orders(Room("a"))
    with pytest.raises(Exception, match="no record to look at"):
        orders.looks.obey("x", {"record": 3, "act": None})
    assert not orders.looks.stop("nothing")


def test_work_is_stopped(room: tuple[Room, Orders]) -> None:
    made, orders = room
    going, let = threading.Event(), threading.Event()

    def slow(text: Any, **_: Any) -> Any:
        with progress.bar("working", 10, unit="token") as step:
            going.set()
            let.wait(5)
            step(1)

    made.model.attribute = slow  # type: ignore[method-assign]
    payload = pictures.causes().payload()
    orders._obey({"do": "look", "id": "long", "record": payload, "act": {"do": "why"}})
    assert going.wait(5)
    orders._obey({"do": "stop", "id": "long"})
    let.set()
    told = until(lambda: next((m for m in made.sent if m.get("do") == "failed"), None))
    assert told["id"] == "long" and "stopped" in told["what"]
    assert not orders.looks.stop("long")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(JSON, st.sampled_from(list(pictures.KINDS)), st.sampled_from(["more", "add", "why", "layer", "open"]))
def test_whatever_comes_from_a_page_ends_in_words(junk: Any, kind: str, do: str) -> None:
    made = Room("An answer.")
    orders = Orders(made)
    orders.channel.send = made.send  # type: ignore[method-assign]
    payload = pictures.KINDS[kind]().payload()
    act = {"do": do, "view": junk, "text": junk, "samples": junk, "layer": junk, "target": junk, "upto": junk}
    told = asked((made, orders), payload, act)
    assert told["do"] in ("failed", "record") and isinstance(Generation, type)
