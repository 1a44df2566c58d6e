"""An answer with at most so many tokens of reasoning: then the tag that ends it is put behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...core.reasoning import split_reasoning
from ...core.records import Generation, Token
from ...engine.answer import Answer

if TYPE_CHECKING:
    from ...engine.generate import Stream
    from ...models.model import Model


class BoundedReasoning:
    """A stream that ends the model's reasoning after ``most`` tokens; otherwise as :class:`Stream`.

    Args:
        model: of the stream.
        stream: the answer.
        most: tokens of reasoning.
    """

    def __init__(self, model: Model, stream: Stream, most: int) -> None:
        self._model, self._most = model, most
        self._stream = stream
        self._tokens = self._bounded()

    @property
    def answer(self) -> Answer:
        return self._stream.answer

    @property
    def generation(self) -> Generation:
        return self._stream.generation

    @property
    def room(self) -> int:
        return self._stream.room

    @property
    def prompt_tokens(self) -> int:
        return self._stream.prompt_tokens

    def close(self) -> None:
        self._stream.close()

    def __iter__(self) -> Iterator[Token]:
        return self._tokens

    def _bounded(self) -> Iterator[Token]:
        text, count, prompt = "", 0, self._stream.generation.prompt
        for token in self._stream:
            yield token
            text, count = text + token.text, count + 1
            if count == self._most:
                split = split_reasoning(text, prompt)
                if split.end and not split.closed:
                    break
        else:
            return
        self._stream.close()
        before = self._stream.generation
        # The tag is part of the record, as own words in a branch are.
        self._stream = self._model.stream_branch(before, len(before.tokens), f"\n{split.end}\n\n")
        yield from self._stream.generation.tokens[len(before.tokens) :]
        yield from self._stream
