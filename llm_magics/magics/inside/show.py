"""A picture in the making: one output that tells how far it is, then the picture itself."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from ...clean import printable, say
from ...core import progress
from ...core.output import Output
from ...views.picture import Picture


class Making:
    """Shows what takes time, where it does; then the result in its place. In a terminal as text."""

    def __init__(self, shell: Any, *, quiet: bool) -> None:
        self._notebook = getattr(shell, "kernel", None) is not None
        self._quiet, self._output = quiet, Output()
        self._warnings: list[str] = []

    def telling(self) -> AbstractContextManager[None]:
        """Show progress here meanwhile, in a terminal on stderr; nothing of it stays after an error."""
        if self._quiet:
            return progress.quiet(self._warnings)
        return progress.shown_in(self._output, self._warnings) if self._notebook else nullcontext()

    def finish(self, picture: Picture, note: str) -> None:
        if self._quiet:
            return
        if not self._notebook:
            say(repr(picture), flush=True)
        else:
            self._output.show(*picture._repr_mimebundle_())
        for words in filter(None, [*self._warnings, note]):
            say(printable(words), flush=True)
