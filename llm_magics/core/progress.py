"""Progress of what takes time: told to whoever listens in this context, else shown where the user looks.

In a notebook that is an output that is empty again at the end, elsewhere a bar on stderr.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from ..sanitize import safe_print as say_line
from .output import Output, in_notebook

Item = TypeVar("Item")
Listener = Callable[[str, float | None], None]
WORTH_SAYING_S = 4.0  # what takes longer says how long
EVERY_S = 0.25  # how often a line of progress changes: more often nobody can read it
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_observers: list[Listener] = []
_warnings: ContextVar[list[str] | None] = ContextVar("warnings", default=None)


@contextmanager
def listening(listener: Listener, warnings: list[str] | None = None) -> Iterator[None]:
    """Send progress to ``listener(what, share)`` meanwhile.

    Args:
        listener: is called with the words and a share from 0 to 1, or None where that is unknown.
        warnings: takes what :func:`warn` says; None leaves it on stderr.
    """
    token, earlier = _listener.set(listener), _warnings.set(warnings)
    try:
        yield
    finally:
        _listener.reset(token)
        _warnings.reset(earlier)


@contextmanager
def quiet(warnings: list[str] | None = None) -> Iterator[None]:
    """Show no progress meanwhile."""
    with listening(lambda what, share: None, warnings):
        yield


@contextmanager
def shown_in(output: Output, warnings: list[str] | None = None) -> Iterator[None]:
    """Show progress in an output meanwhile, of which nothing stays after an error.

    Args:
        output: what shows it, and afterwards what comes of it.
        warnings: as for :func:`listening`.
    """
    try:
        with listening(throttled(output.status), warnings):
            yield
    except BaseException:
        output.clear()
        raise


@contextmanager
def displayed() -> Iterator[None]:
    """Show progress in an output of the notebook, which is empty again at the end.

    Nothing changes where somebody listens already, or where there is no notebook.
    """
    if listened_to() or not in_notebook():
        yield
        return
    output = Output()
    with shown_in(output):
        yield
    output.clear()


def observe(listener: Listener) -> None:
    """Send all progress of this process to ``listener`` too, from any thread; an empty text says it ended."""
    if listener not in _observers:
        _observers.append(listener)


def unobserve(listener: Listener) -> None:
    """End what :func:`observe` began."""
    if listener in _observers:
        _observers.remove(listener)


def finished() -> None:
    """Tell the observers that what was reported has come to its end."""
    _tell_observers("", None)


def _tell_observers(what: str, share: float | None) -> None:
    for observer in list(_observers):
        observer(what, share)


def message(text: str) -> None:
    """Report the current activity in one line."""
    _tell_observers(text, None)
    listener = _listener.get()
    if listener is None:
        say_line(text, file=sys.stderr, flush=True)
    else:
        listener(text, None)


def warn(text: str) -> None:
    """Report something that the user should also know afterwards."""
    warnings = _warnings.get()
    if warnings is None:
        say_line(text, file=sys.stderr, flush=True)
    else:
        warnings.append(text)


def listened_to() -> bool:
    """Return whether somebody listens in this context."""
    return _listener.get() is not None


def report(what: str, share: float | None) -> None:
    """Tell whoever listens. Nothing is drawn on stderr: another library draws its own bar there."""
    _tell_observers(what, share)
    if listener := _listener.get():
        listener(what, share)


def throttled(show: Callable[[str], object]) -> Listener:
    """Return a listener that shows at most four lines a second.

    What has no share is said once, and is shown at once. Of the rest nothing is shown in the beginning, so
    that what is quick shows nothing at all.
    """
    due = time.monotonic() + EVERY_S

    def listener(what: str, share: float | None) -> None:
        nonlocal due
        if share is None or time.monotonic() >= due:
            due = time.monotonic() + EVERY_S
            show(what + ("" if share is None else f" · {share:.0%}"))

    return listener


@contextmanager
def progress_bar(
    what: str, total: int, *, unit: str, initial: int = 0, leave: bool = False
) -> Iterator[Callable[[int], object]]:
    """Yield the function that is told of each step.

    Args:
        what: the activity, for the user.
        total: the value at the end, where it is known.
        unit: a noun with a plural in s, or "B" for bytes.
        initial: the value at the start.
        leave: leave the full bar on stderr.
    """
    with displayed():
        listener = _listener.get()
        if listener is None:
            from tqdm import tqdm

            with tqdm(
                total=total,
                initial=initial,
                unit=unit,
                unit_scale=unit == "B",
                desc=what,
                leave=leave,
                delay=0 if leave else 0.3,
            ) as drawn:
                yield drawn.update
            return
        done, began = initial, time.monotonic()

        def update(step: int) -> None:
            nonlocal done
            done += step
            words = (
                f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if unit == "B" else f"{done} of {total} {unit}s"
            )
            left = (time.monotonic() - began) * (total - done) / max(done - initial, 1)
            if left > WORTH_SAYING_S:
                words += f", about {left:.0f} s left" if left < 90 else f", about {left / 60:.0f} min left"
            listener(f"{what}: {words}", done / max(total, 1))
            _tell_observers(f"{what}: {words}", done / max(total, 1))

        try:
            yield update
        finally:
            finished()


def iterate(items: Iterable[Item], what: str, total: int, *, unit: str) -> Iterator[Item]:
    """Yield the items, and count them."""
    with progress_bar(what, total, unit=unit) as update:
        for item in items:
            yield item
            update(1)
