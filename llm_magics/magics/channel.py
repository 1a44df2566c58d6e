"""The way between the kernel and the views of a notebook: two comms, each one way.

``control`` carries a view's orders, and the kernel never sends on it: a comm's messages are handled where the
kernel last sent on it from, and an order must be heard while a cell runs. ``stream`` carries what happens.
Both have fixed ids, so that a page that is loaded again finds them; a view says "hello" when it is there, and
until then nothing is sent.
"""

from __future__ import annotations

import base64
import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from ..errors import RELOAD_PAGE, UsageError
from ..sanitize import replace_surrogates

TARGET = "llm-magics"
CONTROL, STREAM = f"{TARGET}-control", f"{TARGET}-stream"
Order = dict[str, Any]

log = logging.getLogger(__name__)


class Transport(Protocol):
    """A way to views: :class:`Channel`, or a widget's."""

    connected: bool

    def send(self, message: dict[str, Any], data: Sequence[bytes] = (), *, as_text: bool = False) -> None: ...


class Channel:
    """The two comms of one kernel.

    Attributes:
        heard: whether a front end with our views has said hello.
        obey: is given each other order.
    """

    def __init__(self, handle: Callable[[Order], None]) -> None:
        self.connected, self.handle = False, handle
        self._stream: Any = None
        self._control: Any = None

    def open(self) -> None:
        """Make the comms, and ask who is there. Only in a kernel."""
        from comm import create_comm, get_comm_manager

        manager = get_comm_manager()
        self._control, self._stream = (
            create_comm(target_name=TARGET, comm_id=id, primary=False) for id in (CONTROL, STREAM)
        )
        for item in (self._control, self._stream):
            manager.register_comm(item)
        self._control.on_msg(self._receive)
        self.send({"type": "here"})

    def close(self) -> None:
        if self._stream is None:
            return
        from comm import get_comm_manager

        for item in (self._control, self._stream):
            get_comm_manager().comms.pop(item.comm_id, None)
        self._stream = self._control = None
        self.connected = False

    def send(self, message: dict[str, Any], data: Sequence[bytes] = (), *, as_text: bool = False) -> None:
        """Tell the views; from any thread.

        Args:
            message: a JSON object with a ``type``.
            data: binary; ``as_text`` for a host that loses it on the way.
            as_text: whether the binary data is sent as base64.
        """
        if self._stream is None:
            return
        if as_text:
            message = {**message, "data": [base64.b64encode(item).decode() for item in data]}
            data = ()
        self._stream.send(replace_surrogates(message), buffers=list(data))

    def _receive(self, message: dict[str, Any]) -> None:
        order = message["content"]["data"]
        if not isinstance(order, dict):
            return
        if order.get("type") == "hello":
            self.connected = True
            return
        try:
            self.handle(order)
        except Exception:  # what comes from outside must not end the thread that hears it
            log.exception("an order of a view could not be followed")


def int_field(order: Order, name: str) -> int:
    """Return a whole number of an order, which comes from a page.

    Raises:
        UsageError: it is none.
    """
    value = order.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} must be an integer, got {value!r:.40}", hint=RELOAD_PAGE)
    return value


def new_id() -> str:
    return uuid.uuid4().hex[:12]
