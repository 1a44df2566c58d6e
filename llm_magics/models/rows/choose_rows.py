"""The likeliest label of each of many prompts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...core.options import SamplingOptions
from ...core.records import ModelInfo
from ...core.validation import format_value
from ...engine.batch import Request
from ...engine.runtime import Runtime
from ...errors import LLMMagicsError, UsageError
from ...inspection.answers.choices import Choice, Choices, choose
from ...inspection.reading.batch_score import ContinuationReader
from .journal import Journal
from .request_key import request_key

Labels = dict[str, list[str]]
LabelRequests = Callable[[Iterable[Request]], Iterable[tuple[int, Choices | LLMMagicsError]]]


def choose_rows(
    label_requests: LabelRequests,
    info: ModelInfo,
    encode: Callable[[Any], tuple[str, list[int]]],
    prompts: Iterable[Any],
    labels: Labels,
    journal: Journal | None,
) -> Iterator[tuple[int, Choice | LLMMagicsError]]:
    """Yield the number of each prompt and its label, or the error of that row.

    Args:
        label_requests: chooses the labels of requests: yields their indices, and the records or errors.
        info: the model in the records.
        encode: a prompt → its text and ids.
        prompts: texts, or lists of messages.
        labels: with their spellings.
        journal: has the rows that were finished before, and takes each that is finished now; may be None.
    """
    settled: deque[tuple[int, Choice | LLMMagicsError]] = deque()
    pending: list[tuple[int, str]] = []

    def requests() -> Iterator[Request]:
        for number, prompt in enumerate(prompts):
            try:
                request = _request(encode, prompt)
            except LLMMagicsError as error:
                settled.append((number, error))
                continue
            key = request_key(info, request.ids, None, "choices", list(labels.items()))
            known = _known(journal, key)
            if known is not None:
                settled.append((number, Choice(known)))
                continue
            pending.append((number, key))
            yield request

    for index, result in label_requests(requests()):
        while settled:
            yield settled.popleft()
        number, key = pending[index]
        if isinstance(result, LLMMagicsError):
            yield number, result
            continue
        if journal is not None:
            journal.add(key, result.to_payload())
        yield number, Choice(result)
    yield from settled


def label_here(
    runtime: Runtime, info: ModelInfo, labels: Labels, requests: Iterable[Request]
) -> Iterator[tuple[int, Choices | LLMMagicsError]]:
    """Choose the labels of requests in this process, one after the other."""
    reader = ContinuationReader(runtime)
    for index, request in enumerate(requests):
        try:
            yield index, choose(runtime, info, request.ids, labels, reader)
        except LLMMagicsError as error:
            yield index, error


def _request(encode: Callable[[Any], tuple[str, list[int]]], prompt: Any) -> Request:
    """Return one row made ready; its options are of no use.

    Raises:
        UsageError: it is no prompt. Others: it cannot be encoded.
    """
    if not isinstance(prompt, (str, list, tuple)):
        raise UsageError(
            f"a prompt must be a string or a list of messages, got {format_value(prompt)}",
            hint="Drop this row, or fill it.",
        )
    text, ids = encode(prompt)
    return Request(ids, text, SamplingOptions())


def _known(journal: Journal | None, key: str) -> Choices | None:
    """Return the label that the journal has of a row; None where it has none that can be read."""
    payload = None if journal is None else journal.find(key)
    try:
        return None if payload is None else Choices.from_payload(payload)
    except LLMMagicsError:  # of an earlier version: it is computed again
        return None
