"""What a view of the inside asks of the kernel: another picture of the same text, or more of its own.

Every order brings the record that the view shows, so that a kernel that was restarted can follow it too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ...core import progress
from ...core.records import Generation, Trace
from ...errors import RELOAD_PAGE, RUN_CELL, Interrupted, UsageError
from ...views.inspection_record import InspectionRecord
from ...views.record_codec import decode_record
from ..channel import Order, Transport, int_field
from ..session import ModelProvider


class InspectionCommands:
    """Handle the messages of inspection views, each in its own thread; all can be stopped.

    Args:
        channel: to the views.
        work: does something in a thread, and tells a view what fails.
    """

    def __init__(
        self, models: ModelProvider, channel: Transport, work: Callable[[str, Callable[[], None]], None]
    ) -> None:
        self._models, self._channel, self._work = models, channel, work
        self._going: dict[str, threading.Event] = {}

    def handle(self, id: str, action: str, order: Order) -> None:
        """Compute the record that a view requests, in a thread."""
        if not isinstance(order.get("record"), dict):
            raise UsageError("the message has no record", hint=RUN_CELL)
        stopped = self._going[id] = threading.Event()
        self._work(id, lambda: self._compute(id, action, order, stopped))

    def stop(self, id: str) -> bool:
        """Return whether there was such work; it ends where it next tells how far it is."""
        going = self._going.get(id)
        if going:
            going.set()
        return going is not None

    def _compute(self, id: str, action: str, order: Order, stopped: threading.Event) -> None:
        told = progress.throttled(
            lambda words: self._channel.send({"type": "status", "id": id, "text": words})
        )

        def listen(what: str, share: float | None) -> None:
            if stopped.is_set():
                raise Interrupted("stopped, as asked")
            told(what, share)

        try:
            self._channel.send({"type": "status", "id": id, "text": "asking the kernel …"})
            with progress.listening(listen):
                picture = self._make_record(action, order)
            self._channel.send({"type": "record", "id": id, "bundle": picture.mime_bundle()})
        finally:
            self._going.pop(id, None)

    def _make_record(self, action: str, order: Order) -> InspectionRecord:
        from . import catalog_actions
        from .follow_ups import FOLLOW_UPS, OPENERS, read_record

        payload: dict[str, Any] = order["record"]
        view = str(payload.get("view"))
        if view in catalog_actions.KINDS:
            return catalog_actions.run(self._models, view, action, order)
        source: InspectionRecord | Generation | Trace = (
            decode_record(payload) if payload.get("kind") in ("generation", "trace") else read_record(payload)
        )
        model = self._models.model_of(source.model)
        if action == "open":
            if isinstance(source, Generation) and "path" in order:
                source = source.path(int_field(order, "path"))  # the branch that is looked at
            wanted = OPENERS.get(str(order.get("view")))
            if wanted is None:
                raise UsageError(f"there is no view {order.get('view')!r:.40}", hint=RELOAD_PAGE)
            return wanted(model, source, order)
        result = FOLLOW_UPS.get((view, action))
        if result is None or not isinstance(source, InspectionRecord):
            raise UsageError(f"the view {view:.40} does not support {action!r:.40}", hint=RELOAD_PAGE)
        return result(model, source, order)
