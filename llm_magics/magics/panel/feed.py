"""Tell the panel what has changed: about once a second, and only then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

EVERY_S = 1.0


class ChangeFeed:
    """Compute a state again and again in a thread, and send it where it is another one.

    Args:
        state: computes it; what it raises ends nothing.
        send: is given each new state.
    """

    def __init__(self, state: Callable[[], dict[str, Any]], send: Callable[[dict[str, Any]], None]) -> None:
        self._state, self._send = state, send
        self._stop: threading.Event | None = None
        self._wake = threading.Event()
        self._last: dict[str, Any] | None = None

    def start(self) -> None:
        """Begin, or send the state again to a page that was loaded meanwhile."""
        self._last = None
        self._wake.set()
        if self._stop is None:
            self._stop = threading.Event()
            threading.Thread(target=self._run, args=(self._stop,), daemon=True).start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread."""
        if self._stop is not None:
            self._stop.set()
            self._wake.set()
            self._stop = None

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self._wake.clear()
            state = self._state()
            if state != self._last and not stop.is_set():
                self._last = state
                self._send(state)
            self._wake.wait(EVERY_S)
