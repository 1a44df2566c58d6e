"""The answers of two models to one prompt, generated in turns and shown side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ...core.records import Generation, Token
from ...views.mime import INSPECTION_MIME
from ..answers.columns import Columns
from ..stream_sender import ActiveStream

if TYPE_CHECKING:
    from ...engine.generate import Stream


class _Followed:
    """A stream that also tells the view of its tokens.

    Args:
        stream: the answer.
        live: sends its tokens.
    """

    def __init__(self, stream: Stream, live: ActiveStream) -> None:
        self._stream, self._live = stream, live

    @property
    def generation(self) -> Generation:
        return self._stream.generation

    def close(self) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[Token]:
        for token in self._stream:
            self._live.add([token])
            yield token


class _Shown:
    """An output that hands over the record of each frame."""

    def __init__(self, show: Callable[[dict[str, Any]], None]) -> None:
        self._show = show

    def show(self, bundle: dict[str, Any], *_: Any) -> None:
        self._show(bundle[INSPECTION_MIME])


def generate_both(
    stream: Stream, other: Stream, live: ActiveStream, show: Callable[[dict[str, Any]], None]
) -> None:
    """Generate both answers to their ends.

    Args:
        stream: the answer of the playground's model.
        other: that of the compared model.
        live: sends the tokens of the first.
        show: is given the record of both, a few times a second and at the end.

    Raises:
        LLMMagicsError: both failed; of the first.
    """
    Columns(_Shown(show), [_Followed(stream, live), other], ["", ""]).run()
