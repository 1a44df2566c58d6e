"""What a view of the inside asks of the kernel: another picture of the same text, or more of its own.

Every order brings the record that the view shows, so that a kernel that was restarted can follow it too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ...core import progress
from ...core.records import Generation, ModelInfo, Trace
from ...errors import Interrupted, UsageError
from ...views.kept import read_kept
from ...views.picture import Picture
from ..channel import Order, Sender, whole

if TYPE_CHECKING:
    from ...models.model import Model


class Models(Protocol):
    def model_of(self, info: ModelInfo) -> Model: ...


class Looks:
    """Follows these orders, each in a thread of its own; all can be stopped.

    Args:
        channel: to the views.
        work: does something in a thread, and tells a view what fails.
    """

    def __init__(
        self, models: Models, channel: Sender, work: Callable[[str, Callable[[], None]], None]
    ) -> None:
        self._models, self._channel, self._work = models, channel, work
        self._going: dict[str, threading.Event] = {}

    def obey(self, id: str, order: Order) -> None:
        payload, act = order.get("record"), order.get("act")
        if not isinstance(payload, dict) or not isinstance(act, dict):
            raise UsageError("there is no record to look at", hint="run the cell again")
        stopped = self._going[id] = threading.Event()
        self._work(id, lambda: self._make(id, payload, act, stopped))

    def stop(self, id: str) -> bool:
        """Whether there was such work; it ends where it next tells how far it is."""
        going = self._going.get(id)
        if going:
            going.set()
        return going is not None

    def _make(self, id: str, payload: dict[str, Any], act: dict[str, Any], stopped: threading.Event) -> None:
        told = progress.seldom(lambda words: self._channel.send({"do": "status", "id": id, "text": words}))

        def listen(what: str, share: float | None) -> None:
            if stopped.is_set():
                raise Interrupted("stopped, as asked")
            told(what, share)

        try:
            self._channel.send({"do": "status", "id": id, "text": "asking the model …"})
            with progress.listening(listen):
                picture = self._picture(payload, act)
            self._channel.send({"do": "record", "id": id, "bundle": picture.bundle()})
        finally:
            self._going.pop(id, None)

    def _picture(self, payload: dict[str, Any], act: dict[str, Any]) -> Picture:
        from .acts import ACTS, OPEN, read  # the views' rooms are imported when one is asked for

        view, do = str(payload.get("view")), str(act.get("do"))
        source: Picture | Generation | Trace = (
            read_kept(payload) if payload.get("kind") in ("generation", "trace") else read(payload)
        )
        model = self._models.model_of(source.model)
        if do == "open":
            if isinstance(source, Generation) and "path" in act:
                source = source.path(whole(act, "path"))  # the branch that is looked at
            wanted = OPEN.get(str(act.get("view")))
            if wanted is None:
                raise UsageError(f"there is no view {act.get('view')!r:.40}", hint="load the page again")
            return wanted(model, source, act)
        found = ACTS.get((view, do))
        if found is None or not isinstance(source, Picture):
            raise UsageError(f"there is no order {do!r:.40} of {view:.40}", hint="load the page again")
        return found(model, source, act)
