"""Our views as widgets, for hosts that our plugin is not in: VS Code, Colab, a JupyterLab without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MODULE = Path(__file__).parents[1] / "static" / "widget.js"


def available() -> bool:
    """Whether anywidget is installed and our module was built."""
    return find_spec("anywidget") is not None and MODULE.exists()


class WidgetChannel:
    """The way to one widget, as magics/channel.py is to the plugin."""

    heard = True

    def __init__(self, kind: str, payload: dict[str, Any], obey: Callable[[dict[str, Any]], None]) -> None:
        import anywidget
        import traitlets

        class View(anywidget.AnyWidget):
            _esm = MODULE
            kind = traitlets.Unicode().tag(sync=True)
            payload = traitlets.Dict().tag(sync=True)

        self.widget = View(kind=kind, payload=payload)
        self.widget.on_msg(lambda _, order, __: obey(order) if isinstance(order, dict) else None)

    def send(self, message: dict[str, Any], data: Sequence[bytes] = (), *, as_text: bool = False) -> None:
        import base64

        if as_text:
            message = {**message, "data": [base64.b64encode(each).decode() for each in data]}
            data = ()
        self.widget.send(message, buffers=list(data))
