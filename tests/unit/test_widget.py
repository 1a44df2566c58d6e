"""Answers as widgets, where our plugin is not: they branch by a comm of their own."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from llm_magics.magics.commands import CommandRouter
from llm_magics.views import widget
from llm_magics.views.bundle import tokens_bundle
from llm_magics.views.mime import GENERATION_MIME
from llm_magics.views.record_codec import decode_record
from tests.support.room import Room, until


class FakeWidget:
    live = False

    def _repr_mimebundle_(self) -> dict[str, Any]:
        return {"application/vnd.jupyter.widget-view+json": {}}


class FakeChannel:
    """A widget's comm without a page."""

    connected = True
    made: ClassVar[list[FakeChannel]] = []

    def __init__(self, kind: str, handle: Any, payload: Any = None) -> None:
        self.kind, self.handle, self.payload = kind, handle, payload
        self.widget, self.sent = FakeWidget(), []
        FakeChannel.made.append(self)

    def send(self, message: dict[str, Any], data: Any = (), *, as_text: bool = False) -> None:
        self.sent.append(message)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("VSCODE_PID", "1")
    monkeypatch.setattr(widget, "WidgetChannel", FakeChannel)
    monkeypatch.setattr(widget, "available", lambda: True)
    monkeypatch.setattr(FakeChannel, "made", [])
    yield FakeChannel.made
    widget.set_router(None)


def test_an_answer_branches_by_its_own_comm(host: list[FakeChannel]) -> None:
    room = Room("abcdef", "xyz")
    widget.set_router(lambda channel: CommandRouter(room, room.answer_extended, channel).handle)
    answer = room.model.generate("p", raw=True, max_tokens=8, temperature=0)
    data, _ = widget.attach_widget("tokens", tokens_bundle(answer), GENERATION_MIME)
    assert "application/vnd.jupyter.widget-view+json" in data
    (channel,) = host
    assert channel.widget.live
    order = {"type": "generation.branch", "id": "j", "parent": 0, "at": 2, "token": "Q"}
    channel.handle({**order, "record": channel.payload})
    made = until(lambda: next((each for each in channel.sent if each["type"] == "record"), None))
    tree = decode_record(made["bundle"][GENERATION_MIME])
    assert tree.path(1).text.startswith("abQ")  # type: ignore[union-attr]
    channel.handle({"type": "nonsense", "id": "k"})
    assert channel.sent[-1] == {"type": "gone", "id": "k"}
    assert room.sent == []  # nothing goes to the page


def test_without_a_kernel_a_widget_only_shows(host: list[FakeChannel]) -> None:
    room = Room("abc")
    answer = room.model.generate("p", raw=True, max_tokens=4, temperature=0)
    widget.attach_widget("tokens", tokens_bundle(answer), GENERATION_MIME)
    (channel,) = host
    channel.handle({"type": "generation.branch", "id": "j"})
    assert not channel.widget.live and channel.sent == []
