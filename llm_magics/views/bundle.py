"""Records as MIME bundles: what a notebook keeps, and reads back with no kernel."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from ..clean import line, printable
from ..core.columns import pack, planes, unpack, unplaned
from ..core.records import Generation, Trace, check_schema
from ..errors import ModelFileError, UsageError
from . import fallback, static

MIME = "application/vnd.llm-magics.generation+json"
MAX_BYTES = 64 << 20  # of a record, unpacked


class Tokens:
    """A record shown as its tokens, where it is a cell's last value. Made by :func:`tokens`."""

    def __init__(self, record: Generation | Trace) -> None:
        self.record = record

    def __repr__(self) -> str:
        return fallback.plain(self.record)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return tokens_bundle(self.record)


def tokens(record: Generation | Trace) -> Tokens:
    """Show what the model weighed: how likely each token was, and what it would rather have said.

    Raises:
        UsageError: it is no record.
    """
    if not isinstance(record, (Generation, Trace)):
        raise UsageError(
            f"tokens shows a Generation or a Trace, got {type(record).__name__}",
            hint="pass what model.generate(…) or model.score(…) gave",
        )
    return Tokens(record)


def tokens_bundle(record: Generation | Trace, note: str = "") -> dict[str, Any]:
    """The tokens as HTML with no script and as plain text, and the record of an answer."""
    shown = {"text/plain": fallback.plain(record), "text/html": fallback.html(record)}
    if isinstance(record, Generation):
        words = [word for word in (static.ending(record), note) if word]
        shown["text/plain"] += "".join(f"\n{printable(word)}" for word in words)
        shown["text/html"] += "".join(f"\n<p>{escape(line(word))}</p>" for word in words)
        return {**generation_bundle(record, note), **shown}
    return shown


def generation_bundle(generation: Generation, note: str = "") -> dict[str, Any]:
    """text/plain, text/markdown and the whole record; ``note`` is one more line below the answer.

    The record's head is readable JSON. ``data`` is base64 of the zlib-deflated bytes of core/columns.py
    (``DecompressionStream("deflate")`` reads it in a browser). What differs from run to run lies in ``run``:
    the timing, and each token's microseconds since the one before.
    """
    record = generation.to_dict()
    del record["tokens"]
    timing = record.pop("timing")
    head = {key: record[key] for key in ("schema", "kind", "stop_reason", "model", "options", "vocab_size")}
    ticks = np.rint([1e6 * token.time_s for token in generation.tokens]).astype(np.int64)
    deltas = np.clip(np.diff(ticks, prepend=np.int64(0)), 0, 2**32 - 1).astype(np.uint32)
    return {
        "text/plain": static.plain(generation, note),
        "text/markdown": static.markdown(generation, note),
        MIME: {
            **head,
            "encoding": "deflate+base64",
            "data": _deflated(pack(generation.tokens, record)),
            "run": {"timing": timing, "times": _deflated(planes(deltas))},
        },
    }


def read_bundle(bundle: Mapping[str, Any]) -> Generation:
    """The record in a bundle, of this schema or of an earlier one.

    Raises:
        ModelFileError: it holds none, or one that is damaged.
    """
    try:
        kept = bundle[MIME]
        data = _inflated(kept["data"])
        if kept.get("schema", 1) == 1:
            return Generation.from_dict(json.loads(data))
        check_schema(kept, "generation")
        run = kept["run"]
        ticks = _inflated(run["times"])
        times = np.cumsum(unplaned(ticks, len(ticks) // 4, 4), dtype=np.int64) / 1e6
        tokens, record = unpack(data, times)
        return Generation.from_dict({**record, "tokens": tokens, "timing": run["timing"]})
    except _DAMAGE as error:
        raise ModelFileError(
            f"this output holds no readable generation: {error}", hint="run the cell again"
        ) from error


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


def register(ipython: Any) -> None:
    """Show Generation and Trace as themselves where they are a cell's last value."""
    formatter = ipython.display_formatter
    formatter.mimebundle_formatter.for_type(Generation, lambda value, **_: generation_bundle(value))
    formatter.mimebundle_formatter.for_type(
        Trace,
        lambda value, **_: tokens_bundle(value),
    )
