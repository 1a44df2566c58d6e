"""The answer as it comes: one output that is updated, then replaced by the bundle that the notebook keeps."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from ..core.records import Generation
from ..views import static
from ..views.bundle import generation_bundle

FRAME_S = 0.05  # at most 20 updates a second: more would flood the IOPub channel and nobody sees them


class View(Protocol):
    def status(self, text: str) -> None: ...
    def add(self, piece: str) -> None: ...
    def finish(self, generation: Generation) -> None: ...


def view_for(ipython: Any, *, quiet: bool) -> View:
    """The view that suits the front end: a kernel's, a terminal's, or none."""
    if quiet:
        return Silent()
    return Notebook() if getattr(ipython, "kernel", None) is not None else Terminal()


class Notebook:
    """One display, re-rendered in place."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._text = ""
        self._shown_at = 0.0

    def status(self, text: str) -> None:
        self._show({"text/plain": text, "text/markdown": f"*{text}*"})

    def add(self, piece: str) -> None:
        self._text += piece
        now = time.monotonic()
        if self._text.strip() and now - self._shown_at >= FRAME_S:
            self._shown_at = now
            self._show({"text/plain": self._text, "text/markdown": static.markdown_safe(self._text)})

    def finish(self, generation: Generation) -> None:
        self._show(generation_bundle(generation))

    def _show(self, bundle: dict[str, Any]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython has no types for it
        else:
            self._handle.update(bundle, raw=True)


class Terminal:
    """Plain text, piece by piece."""

    def status(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def add(self, piece: str) -> None:
        print(_printable(piece), end="", flush=True)

    def finish(self, generation: Generation) -> None:
        word = static.ending(generation)
        print(f"\n{word}" if word else "", flush=True)


class Silent:
    """Shows nothing."""

    def status(self, text: str) -> None: ...
    def add(self, piece: str) -> None: ...
    def finish(self, generation: Generation) -> None: ...


def _printable(text: str) -> str:
    """A model's text must not drive the terminal: control characters but line break and tab are left out."""
    return "".join(char for char in text if char in "\n\t" or (char >= " " and not "\x7f" <= char <= "\x9f"))
