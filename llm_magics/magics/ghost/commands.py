"""Ghost text for the editors of a notebook: the page starts and stops it, and a cell that runs stops it."""

from __future__ import annotations

import contextvars
import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...core import progress
from ...errors import LLMMagicsError, UsageError
from ...sanitize import single_line
from ..channel import Channel, Order
from .context import MOST_SUFFIX, join_context
from .model import GhostModel

if TYPE_CHECKING:
    from ...models.completion import Completion
    from .terminal import TerminalGhost

log = logging.getLogger(__name__)
MOST_TOKENS = 200
_EVERY_S = 0.04  # between two messages of one completion


class GhostCommands:
    """Answer the requests of editors, one at a time: a new one stops the one before.

    Args:
        channel: the way to the page.
        model: returns the model of ghost text.

    Attributes:
        latencies: seconds to the first word of the newest requests.
        terminal: the ghost text of a terminal, or None.
    """

    def __init__(self, channel: Channel, model: GhostModel) -> None:
        self._channel, self.model = channel, model
        self._job: tuple[str, Completion | None] | None = None
        self._lock = threading.Lock()
        self._busy = False  # whether a cell runs
        self.latencies: list[float] = []
        self.terminal: TerminalGhost | None = None

    def watch(self, shell: Any, *, busy: bool = False) -> None:
        """Yield to the cells of the user from now on; ``busy``: one runs already."""
        self._busy = busy
        shell.events.register("pre_run_cell", self._cell_begins)
        shell.events.register("post_run_cell", self._cell_ends)

    def unwatch(self, shell: Any) -> None:
        """End what :meth:`watch` began, and the request that is answered."""
        for event, handler in (("pre_run_cell", self._cell_begins), ("post_run_cell", self._cell_ends)):
            with suppress(ValueError):
                shell.events.unregister(event, handler)
        self.stop()
        if self.terminal is not None:
            self.terminal.turn_off()

    def _cell_begins(self, info: Any = None) -> None:
        self._busy = True
        self.stop()

    def _cell_ends(self, result: Any = None) -> None:
        self._busy = False

    def handle(self, id: str, action: str, order: Order) -> None:
        """Handle a message of the page: "start" or "stop"."""
        if action == "start":
            self._start(id, order)
        elif action == "stop" and self._job is not None and self._job[0] == id:
            self.stop()

    def stop(self) -> None:
        """Stop the request that is answered."""
        with self._lock:
            job, self._job = self._job, None
        if job is not None and job[1] is not None:
            job[1].close()

    def _start(self, id: str, order: Order) -> None:
        self.stop()
        if self._busy and order.get("automatic"):  # the cell that runs needs the cores
            return self._channel.send({"type": "ghost", "id": id, "text": "", "done": True})
        with self._lock:
            self._job = (id, None)
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._answer, id, order), daemon=True).start()
        return None

    def _answer(self, id: str, order: Order) -> None:
        """Complete the text at the cursor, and send it as it grows."""
        try:
            with progress.quiet():
                self._complete(id, order)
        except LLMMagicsError as error:
            self._channel.send({"type": "failed", "id": id, "what": str(error), "hint": error.hint})
        except Exception as error:
            log.exception("a request for ghost text failed")
            what = f"an internal error occurred: {error}"
            self._channel.send({"type": "failed", "id": id, "what": what, "hint": "Restart the kernel."})

    def _complete(self, id: str, order: Order) -> None:
        from ...models.completion import Completion, Cursor

        began = time.perf_counter()
        most = order.get("max_tokens")
        most = min(max(most, 1), MOST_TOKENS) if isinstance(most, int) else 24
        prefix = join_context(_texts(order.get("above")), _text(order, "prefix"))
        cursor = Cursor(prefix, _text(order, "suffix")[:MOST_SUFFIX], bool(order.get("code", True)))
        model = self.model.use(_text(order, "model"))
        completion = Completion(model, cursor, max_tokens=most)
        with self._lock:
            if self._job is None or self._job[0] != id:
                return None  # stopped while the model was loaded
            self._job = (id, completion)
        if order.get("warm"):  # only the KV cache is filled, for the request that follows
            next(iter(completion), None)
            return completion.close()
        send = self._sender(id, single_line(model.name), completion)
        told, latency = -math.inf, 0.0
        for _ in completion:
            now = time.perf_counter()
            if not latency:
                latency = now - began
                self.latencies = [*self.latencies[-99:], latency]
            if now - told >= _EVERY_S:
                told = now
                send(latency, False)
        send(latency, True)
        return None

    def _sender(self, id: str, name: str, completion: Completion) -> Callable[[float, bool], None]:
        """Return what sends the text so far, with the surprisal of each of its tokens in bits."""

        def send(latency: float, done: bool) -> None:
            if self._job is None or self._job[0] != id:
                return
            tokens = [(token.text, round(-token.logprob / math.log(2), 2)) for token in completion.tokens]
            self._channel.send(
                {
                    "type": "ghost",
                    "id": id,
                    "text": completion.text,
                    "tokens": tokens,
                    "done": done,
                    "ms": round(latency * 1000),
                    "model": name,
                }
            )

        return send


def _text(order: Order, name: str) -> str:
    value = order.get(name, "")
    if not isinstance(value, str):
        raise UsageError(f"{name} must be a string, got {value!r:.40}", hint="Load the page again.")
    return value


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
