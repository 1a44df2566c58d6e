"""A picture in the making: one output that tells how far it is, then the picture itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...clean import line, printable
from ...sources import progress
from ...views.picture import Picture

_EVERY_S = 0.25


class Making:
    """Shows what takes time, where it does; then the result in its place. In a terminal as text."""

    def __init__(self, shell: Any, *, quiet: bool) -> None:
        self._notebook = getattr(shell, "kernel", None) is not None
        self._quiet, self._handle = quiet, None
        self._next = time.monotonic() + _EVERY_S

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Meanwhile progress is told here. Elsewhere a bar on stderr does it."""
        if self._quiet or not self._notebook:
            yield
            return
        with progress.listening(self._tell):
            yield

    def _tell(self, what: str, share: float | None) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _EVERY_S
        words = line(what) + ("" if share is None else f" · {share:.0%}")
        self._show({"text/plain": words, "text/markdown": f"*{words}*"}, {})

    def finish(self, picture: Picture, note: str) -> None:
        if self._quiet:
            return
        if not self._notebook:
            print(repr(picture), flush=True)
        else:
            self._show(*picture._repr_mimebundle_())
        if note:
            print(printable(note), flush=True)

    def _show(self, bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(bundle, metadata=metadata, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # no types
        else:
            self._handle.update(bundle, metadata=metadata, raw=True)
