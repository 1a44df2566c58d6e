"""Check records that come from outside: their types, their ranges, and that their parts fit each other.

A notebook's file may have been written by anybody. What it holds is shown, sent to the kernel, and put into
the source text of cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..errors import RUN_CELL, ModelFileError

MOST_BRANCHES = 20  # of one answer
MISSING = {"logprob", "rank", "entropy"}  # fields of tokens that a server may not tell
STOP_REASONS = ("stop", "length", "interrupted")
MOST_ID = 1 << 32
MOST_TEXT = 64 << 20  # letters
_SAMPLED = 256  # alternatives of a token


def check_generation(record: Any) -> None:
    """Raise ModelFileError unless every field of a Generation is of its kind and in its range."""
    _check_str("text", record.text)
    _check_str("prompt", record.prompt)
    _check_tokens(record.tokens)
    _check_model(record.model)
    _check_timing(record.timing)
    _check_ids("prompt_ids", record.prompt_ids)
    _check_item("stop_reason", record.stop_reason in STOP_REASONS)
    _check_int("vocab_size", record.vocab_size, MOST_ID)
    _check_item("missing", set(record.missing) <= MISSING)
    for text in record.prompt_texts:
        _check_str("prompt_texts", text)
    _check_ids("pieces", record.pieces)
    _check_ids("specials", record.specials)
    _check_item("branches", len(record.branches) <= MOST_BRANCHES)
    lengths = [len(record.tokens)]
    for number, branch in enumerate(record.branches, 1):
        _check_int("branch.parent", branch.parent, number - 1)
        _check_int("branch.at", branch.at, lengths[branch.parent])
        _check_str("branch.text", branch.text)
        _check_tokens(branch.tokens)
        _check_timing(branch.timing)
        _check_item("branch.stop_reason", branch.stop_reason in STOP_REASONS)
        lengths.append(branch.at + len(branch.tokens))


def check_trace(record: Any) -> None:
    """Raise ModelFileError unless every field of a Trace is of its kind and in its range."""
    _check_str("text", record.text)
    _check_tokens(record.tokens)
    _check_model(record.model)
    _check_int("predicted_from", record.predicted_from, len(record.tokens) + 1)


def _check_tokens(tokens: Iterable[Any]) -> None:
    for token in tokens:
        _check_int("id", token.id, MOST_ID)
        _check_int("rank", token.rank, MOST_ID)
        _check_str("token", token.text)
        for name in ("logprob", "entropy", "time_s"):
            _check_number(name, getattr(token, name))
        for value in (token.u, token.log_total):
            _check_item("u or log_total", value is None or _is_number(value))
        _check_item("alternatives", len(token.alternatives) <= _SAMPLED)
        for other in token.alternatives:
            _check_int("id", other.id, MOST_ID)
            _check_str("alternative", other.text)
            _check_number("logprob", other.logprob)


def _check_model(model: Any) -> None:
    for name in ("name", "revision", "fingerprint", "precision", "license"):
        _check_str(f"model.{name}", getattr(model, name))


def _check_timing(timing: Any) -> None:
    _check_number("timing", timing.first_token_s)
    _check_number("timing", timing.decode_tokens_per_s)
    _check_int("timing", timing.prompt_tokens, MOST_ID)
    _check_int("timing", timing.cached_tokens, MOST_ID)


def _check_ids(name: str, ids: Iterable[Any]) -> None:
    for id in ids:
        _check_int(name, id, MOST_ID)


def _check_int(name: str, value: Any, most: int) -> None:
    _check_item(name, type(value) is int and 0 <= value <= most)


def _check_str(name: str, value: Any) -> None:
    _check_item(name, isinstance(value, str) and len(value) <= MOST_TEXT)


def _check_number(name: str, value: Any) -> None:
    _check_item(name, _is_number(value))


def _is_number(value: Any) -> bool:
    # Logarithms of nothing are infinite; what is no number is none.
    if type(value) is int:
        return abs(value) < 1 << 63
    return isinstance(value, float) and not math.isnan(value)


def _check_item(name: str, good: bool) -> None:
    if not good:
        raise ModelFileError(f"this record has an invalid {name}", hint=RUN_CELL)
