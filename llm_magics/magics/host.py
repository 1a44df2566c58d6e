"""Where a view of ours is shown: by the plugin, as a widget, or as it stands."""

from __future__ import annotations

from typing import Any, Protocol

from ..errors import UsageError
from ..views.widget import WidgetChannel, available, beside
from .channel import whole
from .live import Lives
from .orders import Orders
from .playground import Models, Playground


class Magics(Models, Protocol):
    """What a notebook has of ours."""

    shell: Any
    orders: Orders
    lives: Lives
    playgrounds: dict[str, Playground]


def cell_of(shell: Any) -> str | None:
    """The id that the front end gave the cell that runs; nbclient and papermill give none."""
    parent = shell.get_parent() if hasattr(shell, "get_parent") else None
    found = (parent or {}).get("metadata", {}).get("cellId")
    return found if isinstance(found, str) else None


def playground(model: str | None = None) -> PlaygroundView:
    """A playground: a conversation, its settings, and the tokens of every answer.

    A cell that is run again has the same one.

    Args:
        model: a name as :func:`load` takes; None takes the one that is loaded, else the default model.

    Raises:
        UsageError: this is no notebook.
    """
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        raise UsageError("a playground needs a notebook", hint="run it in JupyterLab")
    if "LLMMagics" not in shell.magics_manager.registry:
        shell.run_line_magic("load_ext", "llm_magics")
    found: PlaygroundView = shell.magics_manager.registry["LLMMagics"].playground(model)
    return found


class PlaygroundView:
    """A playground as a cell's last value."""

    def __init__(self, magics: Magics, model: str | None) -> None:
        cell = cell_of(magics.shell)
        found = magics.playgrounds.get(cell) if cell else None
        if found is None:
            by_plugin = magics.orders.channel.heard or cell is None or not available()
            found = (
                Playground(magics.orders.channel, magics, magics.lives) if by_plugin else _as_widget(magics)
            )
        found.model = model or found.model
        if cell:
            magics.playgrounds[cell] = found
        magics.orders.playgrounds[found.id] = found
        self.playground = found

    def __repr__(self) -> str:
        return f"<Playground {self.playground.id}>"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        bundle, widget = self.playground.bundle(), self.playground.widget
        return beside(widget, {"text/plain": bundle["text/plain"]}) if widget else bundle


def _as_widget(magics: Magics) -> Playground:
    """A playground with a way of its own to its view."""

    def obey(order: dict[str, Any]) -> None:
        live = lives.find(order.get("id"))
        if order.get("do") == "again" and live:
            live.again(whole(order, "from"), as_text=bool(order.get("text")))
        elif order.get("do") == "play":
            found.obey(order)

    channel = WidgetChannel("playground", obey)
    lives = Lives(channel)
    found = Playground(channel, magics, lives)
    found.widget = channel.widget
    channel.widget.payload = found.state()
    return found
