"""Choose where the view of a playground is shown: by the plugin, as a widget, or as it stands."""

from __future__ import annotations

from typing import Any, Protocol

from ..errors import UsageError
from ..views.widget import WidgetChannel, available, merge_bundles
from .channel import int_field
from .commands import CommandRouter
from .parsing.calling_code import cell_of
from .playground.playground import Playground
from .session import ModelSession
from .stream_sender import ActiveStreams


class Magics(Protocol):
    """The parts of the magics that a playground needs."""

    shell: Any
    models: ModelSession
    commands: CommandRouter
    streams: ActiveStreams
    playgrounds: dict[str, Playground]


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
