"""A picture in the making: one output that tells how far it is, then the picture itself."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ...core import progress
from ...core.output import Output
from ...sanitize import printable, safe_print
from ...views.inspection_record import InspectionRecord


class ProgressOutput:
    """Shows what takes time, where it does; then the result in its place. In a terminal as text."""

    def __init__(self, shell: Any, *, quiet: bool) -> None:
        self._notebook = getattr(shell, "kernel", None) is not None
        self._quiet, self._output = quiet, Output()
        self._warnings: list[str] = []

    @property
    def output(self) -> Output:
        """Return the output that is updated."""
        return self._output

    def capture_progress(self) -> AbstractContextManager[None]:
        """Show progress here meanwhile, in a terminal on stderr; nothing of it stays after an error."""
        if self._quiet:
            return progress.quiet(self._warnings)
        return progress.shown_in(self._output, self._warnings) if self._notebook else nullcontext()

    def show_result(self, picture: InspectionRecord, note: str) -> None:
        if self._quiet:
            return
        if not self._notebook:
            safe_print(repr(picture), flush=True)
        else:
            self._output.show(*picture._repr_mimebundle_())
        self._print(note)

    def show_text(self, text: str) -> None:
        """Print the warnings of the call and a text, in the place of the progress."""
        if self._notebook:
            self._output.clear()
        self._print(text)

    def show_html(self, text: str, page: str) -> None:
        """Show HTML of our own making in a notebook, and the text in a terminal."""
        if self._notebook:
            self._output.show({"text/plain": text, "text/html": page})
        else:
            self._print(text)

    def _print(self, text: str) -> None:
        for words in filter(None, [*self._warnings, text]):
            if not self._quiet:
                safe_print(printable(words), flush=True)
