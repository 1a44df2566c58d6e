"""What must not be cut in two: a KeyboardInterrupt that comes meanwhile is raised at its end."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def whole() -> Iterator[None]:
    """Hold back an interrupt until the block is done. For a few milliseconds' work, in the main thread; in
    others no signal comes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    came: list[FrameType | None] = []
    if not callable(before):
        yield
        return
    signal.signal(signal.SIGINT, lambda _, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(signal.SIGINT, came[0])
