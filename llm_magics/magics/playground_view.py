"""What runs a magic, and where its view is shown: by the plugin, as a widget, or as it stands."""

from __future__ import annotations

import dis
import sys
from types import FrameType
from typing import Any, Protocol

from ..errors import UsageError
from ..views.widget import WidgetChannel, available, merge_bundles
from .channel import int_field
from .commands import CommandRouter
from .playground.playground import Playground
from .session import ModelSession
from .stream_sender import ActiveStreams

_RUNNERS = ("run_line_magic", "run_cell_magic")
# What follows a call with a value that is dropped, or shown as the cell's last value.
_UNUSED = ("POP_TOP", "PRINT_EXPR")


class Magics(Protocol):
    """The parts of the magics that a playground needs."""

    shell: Any
    models: ModelSession
    commands: CommandRouter
    streams: ActiveStreams
    playgrounds: dict[str, Playground]


def cell_of(shell: Any) -> str | None:
    """Return the id that the front end gave the cell that runs; nbclient and papermill give none."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    result = (parent or {}).get("metadata", {}).get("cellId")
    return result if isinstance(result, str) else None


def caller() -> FrameType | None:
    """Return the code that runs the magic that is running; None where it was called as a function."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name not in _RUNNERS:
        frame = frame.f_back
    return None if frame is None else frame.f_back


def value_is_used(frame: FrameType | None) -> bool:
    """Return whether that code assigns, passes on or returns what the magic gives back.

    IPython shows what a magic returns where the magic is a cell's last expression. An answer is on the screen
    already then, so it is returned only where the calling code takes it: ``a = %llm …``.
    """
    if frame is None:
        return True
    behind = (item for item in dis.get_instructions(frame.f_code) if item.offset > frame.f_lasti)
    following = next((item for item in behind if item.opname not in ("CACHE", "NOP", "EXTENDED_ARG")), None)
    if following is None:
        return True
    printed = following.opname == "CALL_INTRINSIC_1" and following.arg == 1  # Python 3.12: INTRINSIC_PRINT
    return following.opname not in _UNUSED and not printed


def playground(model: str | None = None) -> PlaygroundView:
    """Return a playground: a conversation, its settings, and the tokens of every answer.

    A cell that is run again has the same one.

    Args:
        model: a name as :func:`load` takes; None takes the one that is loaded, else the default model.

    Raises:
        UsageError: this is no notebook.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise UsageError("a playground needs a notebook", hint="Run it in JupyterLab.")
    if "LLMMagics" not in shell.magics_manager.registry:
        shell.run_line_magic("load_ext", "llm_magics")
    result: PlaygroundView = shell.magics_manager.registry["LLMMagics"].playground(model)
    return result


class PlaygroundView:
    """A playground as a cell's last value."""

    def __init__(self, magics: Magics, model: str | None) -> None:
        cell = cell_of(magics.shell)
        result = magics.playgrounds.get(cell) if cell else None
        if result is None:
            by_plugin = magics.commands.channel.connected or cell is None or not available()
            result = (
                Playground(magics.commands.channel, magics.models, magics.streams)
                if by_plugin
                else _as_widget(magics)
            )
        result.model = model or result.model
        if cell:
            magics.playgrounds[cell] = result
        magics.commands.playgrounds[result.id] = result
        self.playground = result

    def __repr__(self) -> str:
        return f"<Playground {self.playground.id}>"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        bundle, widget = self.playground.bundle(), self.playground.widget
        return merge_bundles(widget, {"text/plain": bundle["text/plain"]}) if widget else bundle


def _as_widget(magics: Magics) -> Playground:
    """Return a playground with a way of its own to its view."""

    def handle(order: dict[str, Any]) -> None:
        kind = str(order.get("type"))
        live = streams.find(order.get("id"))
        if kind == "stream.resend" and live:
            live.resend(int_field(order, "from"), as_text=bool(order.get("text")))
        elif kind.startswith("playground."):
            result.handle(kind.removeprefix("playground."), order)

    channel = WidgetChannel("playground", handle)
    streams = ActiveStreams(channel)
    result = Playground(channel, magics.models, streams)
    result.widget = channel.widget
    channel.widget.payload = dict(result.state())
    return result
