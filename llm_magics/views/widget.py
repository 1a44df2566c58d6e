"""Our views as widgets, for hosts that our plugin is not in: VS Code, Colab, a JupyterLab without it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..clean import sound

MODULE = Path(__file__).parents[1] / "static" / "widget.js"


def available() -> bool:
    """Whether anywidget is installed and our module was built."""
    return find_spec("anywidget") is not None and MODULE.exists()


def in_other_hosts() -> bool:
    """VS Code and Colab: they show widgets, and our plugin is never there."""
    return "google.colab" in sys.modules or any(name.startswith("VSCODE_") for name in os.environ)


def with_view(kind: str, bundle: dict[str, Any], mime: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Data and metadata of a bundle, with its view as a widget where nothing else would show it live."""
    if not in_other_hosts() or not available():
        return bundle, {}
    return beside(WidgetChannel(kind, lambda order: None, bundle[mime]).widget, bundle)


def beside(widget: Any, bundle: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A widget's data and metadata (Colab needs what is in the second) together with other ones."""
    made = widget._repr_mimebundle_()
    data, metadata = made if isinstance(made, tuple) else (made, {})
    return {**data, **bundle}, metadata


class WidgetChannel:
    """The way to one widget, as magics/channel.py is to the plugin."""

    heard = True

    def __init__(
        self,
        kind: str,
        obey: Callable[[dict[str, Any]], None],
        payload: dict[str, Any] | None = None,
    ) -> None:
        import anywidget
        import traitlets

        class View(anywidget.AnyWidget):
            _esm = MODULE
            kind = traitlets.Unicode().tag(sync=True)
            payload = traitlets.Dict().tag(sync=True)

        self.widget = View(kind=kind, payload=sound(payload or {}))
        self.widget.on_msg(lambda _, order, __: obey(order) if isinstance(order, dict) else None)

    def send(self, message: dict[str, Any], data: Sequence[bytes] = (), *, as_text: bool = False) -> None:
        import base64

        if as_text:
            message = {**message, "data": [base64.b64encode(each).decode() for each in data]}
            data = ()
        self.widget.send(sound(message), buffers=list(data))
