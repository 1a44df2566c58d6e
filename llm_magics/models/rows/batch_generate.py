"""One model, many prompts: a list or a pandas column in, a list of answers in the same order out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any, Protocol

from ...core import validation
from ...core.options import SamplingOptions
from ...core.progress import progress_bar, quiet
from ...core.records import Generation, ModelInfo
from ...engine.batch import Request
from ...errors import Interrupted, LLMMagicsError, UsageError
from ...views.record_codec import decode_record, encode_record
from .journal import Journal
from .request_key import request_key


class BatchAnswers(list[Generation | LLMMagicsError | Interrupted]):
    """What became of each prompt, in order: a :class:`Generation`, or the error that this row alone had.

    After an interrupt: the answers that were complete, those that were begun (stop_reason "interrupted"),
    and an :class:`Interrupted` error where nothing had been done yet.
    """

    @property
    def texts(self) -> list[str | None]:
        """Return the texts, None where there is an error: fit for a column."""
        return [row.text if isinstance(row, Generation) else None for row in self]

    @property
    def values(self) -> list[Any]:
        """Return the values of answers of a given form, None where there is an error: fit for a column."""
        return [row.value if isinstance(row, Generation) else None for row in self]

    @property
    def errors(self) -> dict[int, LLMMagicsError | Interrupted]:
        """Return the errors, by row number (from 0)."""
        return {number: row for number, row in enumerate(self) if not isinstance(row, Generation)}


class RowBatch(Protocol):
    """Answers to many requests: an iterator of ``(index, result)``, in the order in which they end."""

    @property
    def results(self) -> Mapping[int, Generation | LLMMagicsError]: ...

    def __iter__(self) -> Iterator[tuple[int, Generation | LLMMagicsError]]: ...

    def close(self) -> None: ...


OpenBatch = Callable[[Iterable[Request | LLMMagicsError], int], RowBatch]


def map_prompts(
    open_batch: OpenBatch,
    encode: Callable[[Any], tuple[str, list[int]]],
    prompts: Iterable[Any],
    options: SamplingOptions,
    *,
    info: ModelInfo,
    rows: int,
    progress: bool,
    answers: BatchAnswers,
    finish: Callable[[Generation], Generation] | None = None,
    journal: Journal | None = None,
    seen: Callable[[int, Any], None] | None = None,
) -> BatchAnswers:
    """Answer every prompt, several at a time.

    Args:
        open_batch: begins to answer requests, at most so many at a time, here or on other machines.
        encode: a prompt → its text and ids.
        prompts: texts, or lists of messages: any iterable of known end, such as a list or a pandas column.
        options: of every row; each has the seed to itself, so a row's answer does not depend on its place.
        info: what the model is called in the records.
        rows: at most so many at a time; fewer where memory is short.
        progress: show a bar.
        answers: filled in place, so that its holder has what was made when a KeyboardInterrupt goes through.
        finish: makes the value of a complete answer of a given form; its error is that of the row.
        journal: has the rows that were finished before, and takes each that is finished now.
        seen: told of each row that is finished: its number, and the answer or the error.

    Raises:
        UsageError: ``prompts`` is a single text or a whole table, or ``rows`` is no count.
    """
    if isinstance(prompts, (str, bytes, Mapping)) or not isinstance(prompts, Iterable):
        raise UsageError(
            f"map takes many prompts, got one {type(prompts).__name__}", hint="Pass a list of strings."
        )
    if hasattr(prompts, "columns"):
        raise UsageError(
            "map takes one column, got a table", hint='Pass the column of the prompts: table["prompt"].'
        )
    rows = validation.require_int(rows, "rows", 1)
    validation.require_instance(answers, list, "answers", hint="Pass an empty Answers().")
    asked = list(prompts)
    answers[:] = [Interrupted("the run stopped before this row", hint="Call map() again for it.")] * len(
        asked
    )
    done = seen or (lambda number, result: None)
    batch_numbers: list[int] = []  # of the rows that are computed, in the order of the batch
    keys: dict[int, str] = {}
    same: dict[str, list[int]] = {}  # rows with the same request: it is computed once

    def settle(number: int, result: Generation | LLMMagicsError) -> None:
        answers[number] = _finished(result, finish)
        done(number, answers[number])

    def requests() -> Iterator[Request | LLMMagicsError]:
        for number, prompt in enumerate(asked):
            request = _request(encode, prompt, options)
            if isinstance(request, LLMMagicsError):
                settle(number, request)
                step(1)
                continue
            if journal is not None:
                key = request_key(info, request.ids, options)
                known = _known(journal, key)
                if known is not None:
                    settle(number, known)
                    step(1)
                    continue
                if key in same:
                    same[key].append(number)
                    continue
                keys[number], same[key] = key, [number]
            batch_numbers.append(number)
            yield request

    shown = nullcontext() if progress else quiet()
    with shown, progress_bar("answering", len(asked), unit="prompt", leave=True) as step:
        batch = open_batch(requests(), max(min(rows, len(asked)), 1))
        try:
            for index, result in batch:
                number = batch_numbers[index]
                if journal is not None and isinstance(result, Generation):
                    journal.add(keys[number], encode_record(result))
                for other in same.get(keys.get(number, ""), [number]):
                    settle(other, result)
                    step(1)
        finally:
            batch.close()
            for index, result in batch.results.items():
                if isinstance(answers[batch_numbers[index]], Interrupted):
                    answers[batch_numbers[index]] = result
    return answers


def _known(journal: Journal, key: str) -> Generation | None:
    """Return the answer that the journal has of a request; None where it has none that can be read."""
    payload = journal.find(key)
    try:
        return None if payload is None else decode_generation(payload)
    except LLMMagicsError:
        return None


def decode_generation(payload: Mapping[str, Any]) -> Generation:
    """Return the answer that :func:`encode_record` wrote.

    Raises:
        UsageError: it is the record of something else.
    """
    record = decode_record(payload)
    if not isinstance(record, Generation):
        raise UsageError("a record is no answer", hint="Delete the journal.")
    return record


def _finished(
    result: Generation | LLMMagicsError, finish: Callable[[Generation], Generation] | None
) -> Generation | LLMMagicsError:
    if finish is None or not isinstance(result, Generation):
        return result
    try:
        return finish(result)
    except LLMMagicsError as error:
        return error


def _request(
    encode: Callable[[Any], tuple[str, list[int]]], prompt: Any, options: SamplingOptions
) -> Request | LLMMagicsError:
    """Return one row made ready, or what is wrong with it."""
    if not isinstance(prompt, (str, list, tuple)):
        return UsageError(
            f"a prompt must be a string or a list of messages, got {validation.format_value(prompt)}",
            hint="Drop this row, or fill it.",
        )
    try:
        text, ids = encode(prompt)
    except LLMMagicsError as error:
        return error
    return Request(ids, text, options)
