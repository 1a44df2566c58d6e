"""Records as MIME bundles: what a notebook keeps, and reads back with no kernel."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any

from ..core.records import Generation, Trace
from ..errors import ModelFileError
from . import static

MIME = "application/vnd.llm-magics.generation+json"
MAX_BYTES = 64 << 20  # of a record, unpacked


def generation_bundle(generation: Generation, note: str = "") -> dict[str, Any]:
    """text/plain, text/markdown and the whole record; ``note`` is one more line below the answer.

    The record's head is readable JSON; ``data`` is base64 of the zlib-deflated JSON of ``to_dict()``
    (``DecompressionStream("deflate")`` reads it in a browser).
    """
    record = generation.to_dict()
    packed = zlib.compress(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(), 6)
    head = {key: record[key] for key in ("schema", "kind", "stop_reason", "model", "options", "timing")}
    return {
        "text/plain": static.plain(generation, note),
        "text/markdown": static.markdown(generation, note),
        MIME: {**head, "encoding": "deflate+base64", "data": base64.b64encode(packed).decode()},
    }


def read_bundle(bundle: Mapping[str, Any]) -> Generation:
    """The record in a bundle.

    Raises:
        ModelFileError: it holds none, or one that is damaged.
    """
    try:
        unpacker = zlib.decompressobj()
        data = unpacker.decompress(base64.b64decode(bundle[MIME]["data"], validate=True), MAX_BYTES)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ValueError("it is cut short or too large")
        return Generation.from_dict(json.loads(data))
    except (KeyError, TypeError, ValueError, IndexError, binascii.Error, zlib.error) as error:
        raise ModelFileError(
            f"this output holds no readable generation: {error}", hint="run the cell again"
        ) from error


def register(ipython: Any) -> None:
    """Show Generation and Trace as themselves where they are a cell's last value."""
    formatter = ipython.display_formatter
    formatter.mimebundle_formatter.for_type(Generation, lambda value, **_: generation_bundle(value))
    formatter.mimebundle_formatter.for_type(
        Trace,
        lambda value, **_: {"text/plain": static.trace_text(value), "text/html": static.trace_html(value)},
    )
