"""A picture in the making: one output that tells how far it is, then the picture itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...clean import line, printable, say
from ...sources import progress
from ...views.picture import Picture


class Making:
    """Shows what takes time, where it does; then the result in its place. In a terminal as text."""

    def __init__(self, shell: Any, *, quiet: bool) -> None:
        self._notebook = getattr(shell, "kernel", None) is not None
        self._quiet, self._handle = quiet, None

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Meanwhile progress is told here. Elsewhere a bar on stderr does it."""
        if self._quiet or not self._notebook:
            yield
            return
        with progress.listening(progress.seldom(self._tell)):
            yield

    def _tell(self, words: str) -> None:
        self._show({"text/plain": line(words), "text/markdown": f"*{line(words)}*"}, {})

    def finish(self, picture: Picture, note: str) -> None:
        if self._quiet:
            return
        if not self._notebook:
            say(repr(picture), flush=True)
        else:
            self._show(*picture._repr_mimebundle_())
        if note:
            say(printable(note), flush=True)

    def _show(self, bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(bundle, metadata=metadata, raw=True, display_id=True)  # type: ignore[no-untyped-call]  # no types
        else:
            self._handle.update(bundle, metadata=metadata, raw=True)
