"""What runs a magic, and where its view is shown: by the plugin, as a widget, or as it stands."""

from __future__ import annotations

import dis
import sys
from types import FrameType
from typing import Any, Protocol

from ..errors import UsageError
from ..views.widget import WidgetChannel, available, beside
from .channel import whole
from .live import Lives
from .orders import Orders
from .playground.playground import Models, Playground

_RUNNERS = ("run_line_magic", "run_cell_magic")
# What follows a call whose value is thrown away, or shown as the cell's last value.
_UNUSED = ("POP_TOP", "PRINT_EXPR")


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


def caller() -> FrameType | None:
    """The code that runs the magic that is running; None where it was called as a function."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name not in _RUNNERS:
        frame = frame.f_back
    return None if frame is None else frame.f_back


def value_is_used(frame: FrameType | None) -> bool:
    """Whether that code assigns, passes on or returns what the magic gives back.

    IPython shows what a magic returns where the magic is a cell's last expression. An answer is on the screen
    already then, so it is returned only where the calling code takes it: ``a = %llm …``.
    """
    if frame is None:
        return True
    behind = (each for each in dis.get_instructions(frame.f_code) if each.offset > frame.f_lasti)
    following = next((each for each in behind if each.opname not in ("CACHE", "NOP", "EXTENDED_ARG")), None)
    if following is None:
        return True
    printed = following.opname == "CALL_INTRINSIC_1" and following.arg == 1  # Python 3.12: INTRINSIC_PRINT
    return following.opname not in _UNUSED and not printed


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
