"""Several answers in one output of a notebook, generated token by token in turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from ...core import progress
from ...core.output import FrameClock, Output
from ...core.records import Generation, Token
from ...errors import LLMMagicsError
from ...inspection.answers.side_by_side import SideBySide, side_by_side

FRAME_S = 0.25


class TokenStream(Protocol):
    """A stream of tokens that can be stopped."""

    @property
    def generation(self) -> Generation: ...
    def close(self) -> None: ...
    def __iter__(self) -> Iterator[Token]: ...


class FrameOutput(Protocol):
    """Show frames."""

    def show(self, bundle: dict[str, Any], *metadata: Any) -> None: ...


class ColumnView:
    """What an answer that stands in a column shows by itself: the progress of loading its model."""

    id = ""

    def __init__(self, output: Output) -> None:
        self._output = output

    def loading(self, warnings: list[str]) -> AbstractContextManager[None]:
        return progress.shown_in(self._output, warnings)

    def status(self, text: str) -> None:
        self._output.status(text)

    def begin(self, stream: TokenStream, note: str) -> None: ...
    def add(self, token: Token) -> None: ...
    def remark(self, text: str) -> None: ...
    def finish(self, generation: Generation, *, tokens: bool = False) -> None: ...


class Columns:
    """Generate answers in turns, and show them side by side in one output.

    Args:
        output: where they are shown.
        streams: of the answers.
        notes: a remark on each answer; empty for none.

    Attributes:
        interrupted: whether the user stopped them.
    """

    def __init__(self, output: FrameOutput, streams: Sequence[TokenStream], notes: Sequence[str]) -> None:
        self._output, self._streams, self._notes = output, streams, notes
        self._running = [True] * len(streams)
        self._errors: list[LLMMagicsError | None] = [None] * len(streams)
        self._frames = FrameClock()
        self.interrupted = False

    def run(self) -> list[Generation]:
        """Generate all answers to their ends. One that fails leaves the others alone.

        Raises:
            LLMMagicsError: all of them failed; of the first.
        """
        iterators = [iter(stream) for stream in self._streams]
        try:
            while any(self._running):
                for number, tokens in enumerate(iterators):
                    if self._running[number]:
                        self._running[number] = self._advance(number, tokens)
                self._show_frame()
        except KeyboardInterrupt:
            self.interrupted = True
            for stream in self._streams:
                stream.close()
        self._running = [False] * len(self._streams)
        self._output.show(*self.record()._repr_mimebundle_())
        first = self._errors[0]
        if first is not None and all(self._errors):
            raise first
        return [stream.generation for stream in self._streams]

    def record(self) -> SideBySide:
        """Return the answers so far."""
        return side_by_side(
            [stream.generation for stream in self._streams],
            running=self._running,
            errors=["" if error is None else error.message for error in self._errors],
            notes=self._notes,
        )

    def _advance(self, number: int, tokens: Iterator[Token]) -> bool:
        """Generate the next token of an answer; return whether the answer goes on."""
        try:
            next(tokens)
        except StopIteration:
            return False
        except LLMMagicsError as error:
            self._errors[number] = error
            return False
        return True

    def _show_frame(self) -> None:
        """Show what there is, a few times a second."""
        if self._frames.is_due():
            self._output.show(self.record().mime_bundle())
            self._frames.shown(FRAME_S)
