"""A record as the JSON that a notebook keeps and a view reads: a readable head, and the tokens in columns.

``data`` is base64 of the zlib-deflated bytes of core/token_columns.py (``DecompressionStream("deflate")``
reads it in a browser): the answer's tokens, then those of its branches; text and prompt only where they are
not what the tokens' texts come to. What differs from run to run lies in ``run``:
timings, and each token's microseconds since the one before.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..core.records import SCHEMA, Generation, Token, Trace, check_schema
from ..core.token_columns import MOST_TOKENS, from_byte_planes, pack, to_byte_planes, unpack
from ..errors import RUN_CELL, ModelFileError

MAX_BYTES = 64 << 20  # of a record, unpacked
_HEAD = ("schema", "kind", "stop_reason", "model", "options", "vocab_size", "predicted_from", "missing")


def encode_record(record: Generation | Trace) -> dict[str, Any]:
    """Return the record as plain JSON."""
    whole = record.to_dict()
    tokens, run = record.tokens, {}
    del whole["tokens"]
    head = {key: whole.pop(key) for key in _HEAD if key in whole}
    # What the tokens say already is not said again.
    if whole["text"] == "".join(token.text for token in tokens):
        del whole["text"]
    if whole.get("prompt") == "".join(whole.get("prompt_texts", ())):
        whole.pop("prompt", None)
    if isinstance(record, Generation):
        run["timing"] = whole.pop("timing")
        branches = whole.pop("branches")
        if branches:
            tokens = sum((branch.tokens for branch in record.branches), tokens)
            run["branches"] = [{"timing": branch.pop("timing")} for branch in branches]
            for branch, output in zip(branches, record.branches, strict=True):
                branch["tokens"] = len(output.tokens)
            whole["branches"] = branches
    return {
        **head,
        "encoding": "deflate+base64",
        "data": _deflated(pack(tokens, whole)),
        "run": {**run, "times": _deflated(time_deltas(tokens))},
    }


def decode_record(payload: Mapping[str, Any], *, most: int = MOST_TOKENS) -> Generation | Trace:
    """Return the record again, of this schema or of an earlier one.

    Args:
        payload: from a notebook's file, which anybody may have written: every field is checked.
        most: tokens that are read.

    Raises:
        ModelFileError: it is damaged, too large, or of a later schema.
    """
    try:
        data = _inflated(payload["data"])
        if payload.get("schema", 1) == 1:
            return Generation.from_dict(json.loads(data))
        kind = "trace" if payload.get("kind") == "trace" else "generation"
        check_schema(payload, kind)
        run = payload["run"]
        deltas = _inflated(run["times"])
        times = np.cumsum(from_byte_planes(deltas, len(deltas) // 4, 4), dtype=np.int64) / 1e6
        tokens, packed = unpack(data, times, most=most)
        whole = {**{key: payload[key] for key in _HEAD if key in payload}, **packed}
        if kind == "trace":
            whole.setdefault("text", "".join(token.text for token in tokens))
            return Trace.from_dict({**whole, "tokens": tokens})
        branches, end = whole.get("branches", []), len(tokens)
        own = end - sum(branch["tokens"] for branch in branches)
        first = own
        for branch, timed in zip(branches, run.get("branches", []), strict=True):
            branch["tokens"], first = (
                tokens[first : first + branch["tokens"]],
                first + branch["tokens"],
            )
            branch.update(timed)
        whole.setdefault("text", "".join(token.text for token in tokens[:own]))
        whole.setdefault("prompt", "".join(whole.get("prompt_texts", ())))
        return Generation.from_dict({**whole, "tokens": tokens[:own], "timing": run["timing"]})
    except _DAMAGE as error:
        raise ModelFileError(f"this output has no readable record: {error}", hint=RUN_CELL) from error


def encode_tokens(tokens: Sequence[Token], before_s: float) -> list[bytes]:
    """Return some tokens on their way to a view: their columns, and their times.

    Args:
        tokens: the tokens.
        before_s: the time of the token before the first.
    """
    return [pack(tuple(tokens), {"schema": SCHEMA}), time_deltas(tokens, before_s)]


def time_deltas(tokens: Sequence[Token], before_s: float = 0.0) -> bytes:
    """Return microseconds since the token before, as a column.

    Where a branch begins, time may stand still.
    """
    at = np.rint([1e6 * token.time_s for token in tokens]).astype(np.int64)
    deltas = np.diff(at, prepend=np.int64(round(1e6 * before_s)))
    return to_byte_planes(np.clip(deltas, 0, 2**32 - 1).astype(np.uint32))


# What damaged data brings about; binascii's errors are ValueErrors.
_DAMAGE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, zlib.error)


def _deflated(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _inflated(text: str) -> bytes:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(text, validate=True), MAX_BYTES)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("it is cut short or too large")
    return data
