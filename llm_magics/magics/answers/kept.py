"""Answers that are kept: the same request to the same model gives the record that there is, at once.

A request is the model's fingerprint and precision, the ids of the prompt, the options, and the versions of
this package and of ONNX Runtime. An answer that was interrupted is not kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.files import json_object, write_atomic
from ...core.records import Generation, Token
from ...errors import LLMMagicsError
from ...sources import store
from ...views.record_codec import decode_record, encode_record

if TYPE_CHECKING:
    from ...core.options import SamplingOptions
    from ...models.model import Model

NOTE = "a kept answer; --fresh generates it again"
_MOST_FILES, _MOST_BYTES = 2_000, 128 << 20
_PRUNED_EVERY = 50  # writes


def key_of(model: Model, ids: list[int], options: SamplingOptions, think: int | None) -> str:
    """Return the key of a request, hexadecimal."""
    from ...models.rows.request_key import request_key

    return request_key(model.info, ids, options, think)


def folder() -> Path:
    """Return where answers are kept."""
    return store.home() / "answers"


def find(key: str) -> Generation | None:
    """Return the answer of a request; None where there is none, or where its file is damaged."""
    path = folder() / f"{key}.json"
    if not path.is_file():
        return None
    with suppress(OSError, ValueError, LLMMagicsError, KeyError, TypeError):
        data = json_object(path, 64 << 20)
        text = json.dumps(data["record"], sort_keys=True)
        if data["sha256"] == hashlib.sha256(text.encode()).hexdigest():
            record = decode_record(data["record"])
            if isinstance(record, Generation):
                path.touch()  # used last now
                return record
    with suppress(OSError):
        path.unlink()
    return None


def keep(key: str, generation: Generation) -> None:
    """Keep an answer. What cannot be written is not kept."""
    if generation.stop_reason == "interrupted" or not generation.tokens:
        return
    record = encode_record(generation)
    text = json.dumps(record, sort_keys=True)
    data = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "record": record}
    with suppress(OSError):
        folder().mkdir(parents=True, exist_ok=True)
        write_atomic(folder() / f"{key}.json", json.dumps(data))
        if int(key[:4], 16) % _PRUNED_EVERY == 0:
            prune()


def prune(files: int = _MOST_FILES, size: int = _MOST_BYTES) -> None:
    """Remove the answers that were used least recently, beyond so many files or bytes."""
    entries = []
    for path in folder().glob("*.json"):
        with suppress(OSError):
            status = path.stat()
            entries.append((status.st_mtime, status.st_size, path))
    total = 0
    for number, (_, bytes_, path) in enumerate(sorted(entries, reverse=True), 1):
        total += bytes_
        if number > files or total > size:
            with suppress(OSError):
                path.unlink()


class KeptStream:
    """A kept answer as a stream: all of its tokens are there."""

    def __init__(self, generation: Generation) -> None:
        self.generation, self.room = generation, 0

    def __iter__(self) -> Iterator[Token]:
        return iter(self.generation.tokens)

    def close(self) -> None: ...
