"""The messages of the panel of models: watch, load, adapt, stop, delete."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...core import progress
from ...errors import RELOAD_PAGE, LLMMagicsError, UsageError
from ...sources import cache_listing
from ..channel import Order, Transport
from ..ghost.model import is_here, not_here
from .feed import ChangeFeed
from .jobs import JobList
from .state import cache_key, panel_state

if TYPE_CHECKING:
    from ..ghost.commands import GhostCommands
    from ..session import ModelProvider
    from ..stream_sender import ActiveStreams
    from ..tuning.commands import TuningCommands

log = logging.getLogger(__name__)


class PanelCommands:
    """Answer the panel of one kernel.

    Args:
        channel: the way to the page.
        models: the model in use.
        ghost: suggestions at the cursor.
        streams: the answers.
        tuning: the tuning runs.
        work: does something in a thread, and tells a view what fails.
    """

    def __init__(
        self,
        channel: Transport,
        models: ModelProvider,
        ghost: GhostCommands,
        streams: ActiveStreams,
        tuning: TuningCommands,
        work: Callable[[str, Callable[[], None]], None],
    ) -> None:
        self._channel, self._models, self._ghost, self._work = channel, models, ghost, work
        self.jobs = JobList(streams, tuning)
        self._feed = ChangeFeed(self._state, self._send_state)

    def close(self) -> None:
        """End what watches."""
        self._feed.stop()
        progress.unobserve(self.jobs.hear_progress)

    def handle(self, id: str, action: str, order: Order) -> None:
        """Handle a message of the panel by its action."""
        actions: dict[str, Callable[[str, Order], None]] = {
            "watch": self._watch,
            "cache": self._send_cache,
            "use": self._use,
            "adapter": self._adapt,
            "stop": self._act,
            "pause": self._act,
            "resume": self._act,
            "delete": self._delete,
        }
        handler = actions.get(action)
        if handler is None:
            return self._channel.send({"type": "gone", "id": id})
        try:
            handler(id, order)
        except LLMMagicsError as error:
            self._channel.send({"type": "failed", "id": id, "what": str(error), "hint": error.hint})
        if action != "watch":
            self._feed.wake()
        return None

    def _state(self) -> dict[str, Any]:
        try:
            return panel_state(self._models, self._ghost, self.jobs.collect())
        except Exception:  # the state of a model that is being replaced: the next look has the new one
            log.exception("the state of the panel could not be read")
            return {}

    def _send_state(self, state: dict[str, Any]) -> None:
        if state:
            self._channel.send({"type": "panel", "id": "panel", "state": state})

    def _watch(self, id: str, order: Order) -> None:
        """Send the state from now on."""
        progress.observe(self.jobs.hear_progress)
        self._feed.start()

    def _send_cache(self, id: str, order: Order) -> None:
        """Send the models of the cache: sizes are read from the disk, in a thread."""
        self._work(
            id,
            lambda: self._channel.send({"type": "cache", "id": id, "cache": cache_listing.listing()}),
        )

    def _use(self, id: str, order: Order) -> None:
        """Load another model, which is on this machine."""
        name = _name(order, "name")
        if not is_here(name):
            raise not_here(name)

        def load() -> None:
            self._models.use(name)
            self._done(id)

        self._work(id, load)

    def _adapt(self, id: str, order: Order) -> None:
        """Set the adapter of the cells that state none, or remove it."""
        name = order.get("name")
        strength = order.get("strength", 1.0)
        if name is None:
            self._models.set_adapter(None)
            return self._done(id)
        text = _name(order, "name")
        if isinstance(strength, bool) or not isinstance(strength, (int, float)):
            raise UsageError(f"strength must be a number, got {strength!r:.40}", hint=RELOAD_PAGE)

        def adapt() -> None:
            self._models.set_adapter(text, float(strength))
            self._done(id)

        self._work(id, adapt)
        return None

    def _act(self, id: str, order: Order) -> None:
        """Stop, pause or resume a job."""
        job = self.jobs.find(order.get("job"))
        if job is not None:
            job.act(str(order["type"]).rpartition(".")[2])
        self._done(id)

    def _delete(self, id: str, order: Order) -> None:
        """Remove a model of the cache, but not the one in use."""
        key = _name(order, "key")
        model = self._models.loaded
        if model is not None and model.folder is not None and cache_key(model.folder) == key:
            raise UsageError("this model is in use", hint="Use another model first.")

        def delete() -> None:
            cache_listing.delete(key)
            self._send_cache(id, order)

        self._work(id, delete)

    def _done(self, id: str) -> None:
        self._channel.send({"type": "end", "id": id})
        self._feed.wake()


def _name(order: Order, field: str) -> str:
    value = order.get(field)
    if not isinstance(value, str) or not value:
        raise UsageError(f"{field} must be a string, got {value!r:.40}", hint=RELOAD_PAGE)
    return value
