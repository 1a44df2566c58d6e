"""What travels between the notebook and its workers: rows out, results and errors back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ... import errors
from ...core.options import SamplingOptions
from ...errors import ContextOverflow, LLMMagicsError
from ..rows.request_key import versions
from .model_spec import ModelSpec


class Row(NamedTuple):
    """A prompt with its number in the run.

    Attributes:
        number: from 0.
        ids: the token ids of the prompt.
        prompt: its text, for the record.
    """

    number: int
    ids: Sequence[int]
    prompt: str


@dataclass(frozen=True, slots=True)
class RowJob:
    """What is done with every row.

    Attributes:
        model: which model.
        options: of an answer; None where labels are chosen.
        labels: with their spellings; None where answers are generated.
        at_a_time: at most so many rows are decoded together.
        versions: of the packages that compute; a worker with others refuses the job.
    """

    model: ModelSpec
    options: SamplingOptions | None = None
    labels: Mapping[str, Sequence[str]] | None = None
    at_a_time: int = 32
    versions: tuple[str, ...] = versions()


@dataclass(frozen=True, slots=True)
class Collected:
    """What came back from the workers.

    Attributes:
        ticket: the chunk that has ended; None where rows of one that goes on came.
        rows: numbers and results, as :func:`encode_error` and the codecs of records write them.
        killed: the workers that had this chunk died.
        error: why the chunk failed, where it is no error of one row.
        seconds: of the chunk, without the loading of the model.
    """

    ticket: str | None
    rows: Sequence[tuple[int, dict[str, Any]]] = ()
    killed: bool = False
    error: LLMMagicsError | None = None
    seconds: float = 0.0


class RowWorkers(Protocol):
    """Processes that answer rows. One of Dask is in dask_workers.py."""

    @property
    def count(self) -> int:
        """Return how many processes there are now."""
        ...

    def submit(self, job: RowJob, rows: Sequence[Row]) -> str:
        """Begin a chunk of rows; return its ticket."""
        ...

    def collect(self) -> Collected:
        """Wait for the next thing that comes back.

        Raises:
            ClusterError: nothing can come back any more.
        """
        ...

    def cancel(self) -> None:
        """End every chunk that has not ended, and let go of the workers."""
        ...


def encode_error(error: LLMMagicsError) -> dict[str, Any]:
    """Return an error as plain data."""
    data = {"error": type(error).__name__, "message": error.message, "hint": error.hint, "why": error.why}
    return {**data, "over": error.over} if isinstance(error, ContextOverflow) else data


def decode_error(data: Mapping[str, Any]) -> LLMMagicsError:
    """Return the error that :func:`encode_error` wrote; one of an unknown kind is of the base class."""
    name = str(data["error"])
    kind = getattr(errors, name) if name in errors.__all__ else LLMMagicsError
    message, hint, why = (str(data[name]) for name in ("message", "hint", "why"))
    if kind is ContextOverflow:
        return ContextOverflow(message, over=int(data["over"]), hint=hint, why=why)
    if not issubclass(kind, LLMMagicsError) or kind is errors.IncompleteAnswer:
        kind = LLMMagicsError
    return kind(message, hint=hint, why=why)
