"""Our views as widgets, for hosts that our plugin is not in: VS Code, Colab, a JupyterLab without it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..sanitize import replace_surrogates

MODULE = Path(__file__).parents[1] / "static" / "widget.js"
Order = dict[str, Any]
# Makes what handles the messages of a widget; the magics set it where a kernel can answer.
_router: Callable[[WidgetChannel], Callable[[Order], None]] | None = None


def set_router(router: Callable[[WidgetChannel], Callable[[Order], None]] | None) -> None:
    """Set what makes the handler of a widget's messages; None for no kernel that answers."""
    global _router
    _router = router


def available() -> bool:
    """Return whether anywidget is installed and our module was built."""
    return find_spec("anywidget") is not None and MODULE.exists()


def needs_widget() -> bool:
    """Return whether the host is VS Code or Colab, which show widgets and never have our plugin."""
    return "google.colab" in sys.modules or any(name.startswith("VSCODE_") for name in os.environ)


def attach_widget(kind: str, bundle: dict[str, Any], mime: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return data and metadata of a bundle.

    With its view as a widget where nothing else would show it live.
    """
    if not needs_widget() or not available():
        return bundle, {}
    handlers: list[Callable[[Order], None]] = []
    channel = WidgetChannel(kind, lambda order: handlers[0](order) if handlers else None, bundle[mime])
    if _router is not None and kind == "tokens":
        handlers.append(_router(channel))
        channel.widget.live = True
    return merge_bundles(channel.widget, bundle)


def merge_bundles(widget: Any, bundle: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a widget's data and metadata (Colab needs what is in the second) together with other ones."""
    output = widget._repr_mimebundle_()
    data, metadata = output if isinstance(output, tuple) else (output, {})
    return {**data, **bundle}, metadata


class WidgetChannel:
    """The way to one widget, as magics/channel.py is to the plugin."""

    connected = True

    def __init__(
        self,
        kind: str,
        handle: Callable[[dict[str, Any]], None],
        payload: dict[str, Any] | None = None,
    ) -> None:
        import anywidget
        import traitlets

        class View(anywidget.AnyWidget):
            _esm = MODULE
            kind = traitlets.Unicode().tag(sync=True)
            payload = traitlets.Dict().tag(sync=True)
            live = traitlets.Bool(False).tag(sync=True)  # whether a kernel answers its messages

        self.widget = View(kind=kind, payload=replace_surrogates(payload or {}))
        self.widget.on_msg(lambda _, order, __: handle(order) if isinstance(order, dict) else None)

    def send(self, message: dict[str, Any], data: Sequence[bytes] = (), *, as_text: bool = False) -> None:
        import base64

        if as_text:
            message = {**message, "data": [base64.b64encode(item).decode() for item in data]}
            data = ()
        self.widget.send(replace_surrogates(message), buffers=list(data))
