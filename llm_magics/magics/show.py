"""The answer as it comes: one output that is updated, then replaced by the bundle that the notebook keeps."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any, Protocol

from ..clean import printable
from ..core.records import Generation
from ..views import fallback, static
from ..views.bundle import generation_bundle, tokens_bundle
from ..views.markdown import safe, warm

FRAME_S = 0.05  # at most 20 updates a second: more would flood the IOPub channel and nobody sees them


class View(Protocol):
    def status(self, text: str) -> None: ...
    def add(self, piece: str) -> None: ...
    def finish(self, generation: Generation, note: str = "", *, tokens: bool = False) -> None: ...


def view_for(ipython: Any, *, quiet: bool) -> View:
    """The view that suits the front end: a kernel's, a terminal's, or none."""
    if quiet:
        return Silent()
    return Notebook() if getattr(ipython, "kernel", None) is not None else Terminal()


class Notebook:
    """One display, re-rendered in place."""

    def __init__(self) -> None:
        # The parser is imported while the model is loaded: the first frame need not wait for it.
        threading.Thread(target=warm, daemon=True).start()
        self._handle: Any = None
        self._text = ""
        self._next = 0.0  # the time of the next frame

    def status(self, text: str) -> None:
        self._show({"text/plain": text, "text/markdown": f"*{text}*"})

    def add(self, piece: str) -> None:
        self._text += piece
        now = time.monotonic()
        if self._text.strip() and now >= self._next:
            self._show({"text/plain": printable(self._text), "text/markdown": safe(self._text)})
            # A long text takes longer to show: most of the time stays for the answer.
            self._next = now + max(FRAME_S, 5 * (time.monotonic() - now))

    def finish(self, generation: Generation, note: str = "", *, tokens: bool = False) -> None:
        self._show((tokens_bundle if tokens else generation_bundle)(generation, note))

    def _show(self, bundle: dict[str, Any]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython has no types for it
        else:
            self._handle.update(bundle, raw=True)


class Terminal:
    """Plain text, piece by piece."""

    def status(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)

    def add(self, piece: str) -> None:
        print(printable(piece), end="", flush=True)

    def finish(self, generation: Generation, note: str = "", *, tokens: bool = False) -> None:
        if tokens:
            print("\n\n" + fallback.plain(generation), end="")
        words = (static.ending(generation), printable(note))
        print("".join(f"\n{word}" for word in words if word), flush=True)


class Silent:
    """Shows nothing."""

    def status(self, text: str) -> None: ...
    def add(self, piece: str) -> None: ...
    def finish(self, generation: Generation, note: str = "", *, tokens: bool = False) -> None: ...
