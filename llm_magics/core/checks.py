"""Check records that come from outside: their types, their ranges, and that their parts fit each other.

A notebook's file may have been written by anybody. What it holds is shown, sent to the kernel, and put into
the source text of cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..errors import ModelFileError

MOST_BRANCHES = 20  # of one answer
STOP_REASONS = ("stop", "length", "interrupted")
MOST_ID = 1 << 32
MOST_TEXT = 64 << 20  # letters
_SAMPLED = 256  # alternatives of a token


def check_generation(record: Any) -> None:
    """Raise ModelFileError unless every field of a Generation is of its kind and in its range."""
    _text("text", record.text)
    _text("prompt", record.prompt)
    _tokens(record.tokens)
    _model(record.model)
    _timing(record.timing)
    _ids("prompt_ids", record.prompt_ids)
    _one("stop_reason", record.stop_reason in STOP_REASONS)
    _whole("vocab_size", record.vocab_size, MOST_ID)
    for text in record.prompt_texts:
        _text("prompt_texts", text)
    _ids("pieces", record.pieces)
    _ids("specials", record.specials)
    _one("branches", len(record.branches) <= MOST_BRANCHES)
    lengths = [len(record.tokens)]
    for number, branch in enumerate(record.branches, 1):
        _whole("branch.parent", branch.parent, number - 1)
        _whole("branch.at", branch.at, lengths[branch.parent])
        _text("branch.text", branch.text)
        _tokens(branch.tokens)
        _timing(branch.timing)
        _one("branch.stop_reason", branch.stop_reason in STOP_REASONS)
        lengths.append(branch.at + len(branch.tokens))


def check_trace(record: Any) -> None:
    """Raise ModelFileError unless every field of a Trace is of its kind and in its range."""
    _text("text", record.text)
    _tokens(record.tokens)
    _model(record.model)
    _whole("predicted_from", record.predicted_from, len(record.tokens) + 1)


def _tokens(tokens: Iterable[Any]) -> None:
    for token in tokens:
        _whole("id", token.id, MOST_ID)
        _whole("rank", token.rank, MOST_ID)
        _text("token", token.text)
        for name in ("logprob", "entropy", "time_s"):
            _number(name, getattr(token, name))
        for value in (token.u, token.log_total):
            _one("u or log_total", value is None or _is_number(value))
        _one("alternatives", len(token.alternatives) <= _SAMPLED)
        for other in token.alternatives:
            _whole("id", other.id, MOST_ID)
            _text("alternative", other.text)
            _number("logprob", other.logprob)


def _model(model: Any) -> None:
    for name in ("name", "revision", "fingerprint", "precision", "licence"):
        _text(f"model.{name}", getattr(model, name))


def _timing(timing: Any) -> None:
    _number("timing", timing.first_token_s)
    _number("timing", timing.decode_tokens_per_s)
    _whole("timing", timing.prompt_tokens, MOST_ID)
    _whole("timing", timing.cached_tokens, MOST_ID)


def _ids(name: str, ids: Iterable[Any]) -> None:
    for id in ids:
        _whole(name, id, MOST_ID)


def _whole(name: str, value: Any, most: int) -> None:
    _one(name, type(value) is int and 0 <= value <= most)


def _text(name: str, value: Any) -> None:
    _one(name, isinstance(value, str) and len(value) <= MOST_TEXT)


def _number(name: str, value: Any) -> None:
    _one(name, _is_number(value))


def _is_number(value: Any) -> bool:
    # Logarithms of nothing are infinite; what is no number is none.
    if type(value) is int:
        return abs(value) < 1 << 63
    return isinstance(value, float) and not math.isnan(value)


def _one(name: str, good: bool) -> None:
    if not good:
        raise ModelFileError(f"this record's {name} cannot be", hint="run the cell again")
