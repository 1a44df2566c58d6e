"""What answers prompts: a model on this machine, or one behind a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ..core.records import Generation, ModelInfo, Token

if TYPE_CHECKING:
    from ..errors import LLMMagicsError
    from ..inspection.answers.choices import Choice
    from .prompts import Prompt
    from .rows.batch_generate import BatchAnswers


class AnswerStream(Protocol):
    """The tokens of one answer, as they come."""

    @property
    def generation(self) -> Generation:
        """Return what there is so far."""
        ...

    @property
    def room(self) -> int:
        """Return how many more tokens the answer may have."""
        ...

    def __iter__(self) -> Iterator[Token]: ...

    def close(self) -> None:
        """Stop, from any thread."""
        ...


class LanguageModel(Protocol):
    """The parts of a model that cells which answer need; inspections need a :class:`Model`."""

    info: ModelInfo
    sampling_defaults: dict[str, Any]

    @property
    def name(self) -> str: ...

    @property
    def last(self) -> Generation | None: ...

    @property
    def context_length(self) -> int:
        """Return tokens; 0 where it is not known."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return the tokens of a text; about, where the tokenizer is not here."""
        ...

    def count_prompt(self, prompt: Prompt, *, system: str | None = None, raw: bool = False) -> int:
        """Return the tokens of a whole prompt; about, where the tokenizer is not here."""
        ...

    def stream(
        self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any
    ) -> AnswerStream: ...

    def generate(
        self, prompt: Prompt, *, system: str | None = None, raw: bool = False, **options: Any
    ) -> Generation: ...

    def choose(
        self, prompt: Prompt, choices: Any, *, system: str | None = None, raw: bool = False
    ) -> Choice: ...

    def map(
        self,
        prompts: Iterable[Any],
        *,
        system: str | None = None,
        raw: bool = False,
        answers: BatchAnswers | None = None,
        keep: bool | str | Path | None = None,
        fresh: bool = False,
        on: Any = None,
        **options: Any,
    ) -> BatchAnswers: ...

    def choose_rows(
        self,
        prompts: Iterable[Any],
        choices: Mapping[str, list[str]],
        *,
        system: str | None = None,
        raw: bool = False,
        keep: bool | str | Path | None = None,
        fresh: bool = False,
        on: Any = None,
    ) -> Iterator[tuple[int, Choice | LLMMagicsError]]: ...
