"""The likeliest label of each of many prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ..core.records import ModelInfo
from ..core.validation import format_value
from ..engine.runtime import Runtime
from ..errors import LLMMagicsError, UsageError
from ..inspection.answers.choices import Choice, Choices, choose, label_spellings
from .journal import Journal
from .request_key import request_key


def choose_rows(
    runtime: Runtime,
    info: ModelInfo,
    encode: Callable[[Any], tuple[str, list[int]]],
    prompts: Iterable[Any],
    choices: Any,
    *,
    keep: bool | str | Path,
) -> Iterator[tuple[int, Choice | LLMMagicsError]]:
    """Yield the number of each prompt and its label, or the error of that row.

    Args:
        runtime: of the model.
        info: the model in the records.
        encode: a prompt → its text and ids.
        prompts: texts, or lists of messages.
        choices: labels, or a mapping of labels to spellings.
        keep: write each label to a journal, and take labels from it: True is the one of the cache folder.

    Raises:
        UsageError: there are fewer than two labels.
    """
    labels = label_spellings(choices)
    with nullcontext() if keep is False else Journal(None if keep is True else Path(keep)) as journal:
        for number, prompt in enumerate(prompts):
            try:
                yield number, Choice(_label(runtime, info, encode, prompt, labels, journal))
            except LLMMagicsError as error:
                yield number, error


def _label(
    runtime: Runtime,
    info: ModelInfo,
    encode: Callable[[Any], tuple[str, list[int]]],
    prompt: Any,
    labels: dict[str, list[str]],
    journal: Journal | None,
) -> Choices:
    """Return the record of one row, from the journal where it has it."""
    if not isinstance(prompt, (str, list, tuple)):
        raise UsageError(
            f"a prompt must be a string or a list of messages, got {format_value(prompt)}",
            hint="Drop this row, or fill it.",
        )
    _, ids = encode(prompt)
    if journal is None:
        return choose(runtime, info, ids, labels)
    key = request_key(info, ids, None, "choices", list(labels.items()))
    payload = journal.find(key)
    if payload is not None:
        try:
            return Choices.from_payload(payload)
        except LLMMagicsError:  # of an earlier version: it is computed again
            pass
    record = choose(runtime, info, ids, labels)
    journal.add(key, record.to_payload())
    return record
