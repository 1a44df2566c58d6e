"""Progress of what takes time: a bar on stderr, or told to whoever listens in this context."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from ..clean import say as say_line

Item = TypeVar("Item")
Listener = Callable[[str, float | None], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Meanwhile ``listener(what, share)`` is told instead; the share is from 0 to 1, None where it is
    unknown.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def say(text: str) -> None:
    """One line on what is done now."""
    listener = _listener.get()
    if listener is None:
        say_line(text, file=sys.stderr, flush=True)
    else:
        listener(text, None)


def tell(what: str, share: float | None) -> None:
    """Only where somebody listens: another library draws its own bar on stderr."""
    if listener := _listener.get():
        listener(what, share)


def seldom(show: Callable[[str], object], every_s: float = 0.25) -> Listener:
    """A listener that shows what it is told at most that often, for the first time after that long."""
    last = time.monotonic()

    def listener(what: str, share: float | None) -> None:
        nonlocal last
        if time.monotonic() - last > every_s:
            last = time.monotonic()
            show(what + ("" if share is None else f" · {share:.0%}"))

    return listener


@contextmanager
def bar(what: str, total: int, *, unit: str, initial: int = 0) -> Iterator[Callable[[int], object]]:
    """Gives the function that is told of each step, in units."""
    listener = _listener.get()
    if listener is None:
        from tqdm import tqdm

        with tqdm(
            total=total, initial=initial, unit=unit, unit_scale=unit == "B", desc=what, leave=False, delay=0.3
        ) as drawn:
            yield drawn.update
        return
    done = initial

    def update(step: int) -> None:
        nonlocal done
        done += step
        words = f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if unit == "B" else f"{done} of {total} {unit}s"
        listener(f"{what}: {words}", done / max(total, 1))

    yield update


def each(items: Iterable[Item], what: str, total: int, *, unit: str) -> Iterator[Item]:
    """The items, counted."""
    with bar(what, total, unit=unit) as update:
        for item in items:
            yield item
            update(1)
