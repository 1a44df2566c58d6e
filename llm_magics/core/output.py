"""One output of a notebook that is updated in place."""

from __future__ import annotations

import sys
import time
from typing import Any

from ..sanitize import single_line
from .interrupt import delay_interrupt


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook. Nothing is imported to find that out."""
    ipython = sys.modules.get("IPython.core.getipython")
    return ipython is not None and getattr(ipython.get_ipython(), "kernel", None) is not None


def is_captured() -> bool:
    """Return whether ``%%capture`` catches what is displayed: it is looked at later, and not updated."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.getipython import get_ipython

    return isinstance(getattr(get_ipython(), "display_pub", None), CapturingDisplayPublisher)


class FrameClock:
    """Say when the next frame of a growing output is due.

    A long text takes longer to show: most of the time stays for the work.
    """

    def __init__(self) -> None:
        self._next = self._asked = 0.0

    def is_due(self) -> bool:
        """Return whether the next frame may be shown now."""
        self._asked = time.monotonic()
        return self._asked >= self._next

    def shown(self, pause_s: float) -> None:
        """Note that the frame that was due is shown; the next comes ``pause_s`` seconds later at least."""
        self._next = self._asked + max(pause_s, 5 * (time.monotonic() - self._asked))


class Output:
    """One output: it appears when something is first shown in it."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, bundle: dict[str, Any], metadata: dict[str, Any] | None = None) -> None:
        """Show a MIME bundle in place of what is shown now."""
        from IPython.display import display

        if self._handle is None:
            # Shown without a handle, an output could not be updated: the next one would appear beside it.
            with delay_interrupt():
                self._handle = display(bundle, metadata=metadata or {}, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # IPython has no types for it
        else:
            self._handle.update(bundle, metadata=metadata or {}, raw=True)

    def status(self, words: str) -> None:
        """Show what is being done, in one quiet line."""
        if is_captured():
            return
        words = single_line(words)
        self.show({"text/plain": words, "text/markdown": f"*{words}*"})

    def clear(self) -> None:
        """Clear what is shown.

        Jupyter has no message that removes one output, so an empty one stays.
        """
        if self._handle is not None:
            self.show({"text/plain": "", "text/html": ""})
