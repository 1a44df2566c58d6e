"""What a tokenizer of the ``tokenizers`` library is made of: read from a file, looked into, and changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..core.tokenizer_errors import tokenizer_errors
from ..errors import ModelFileError

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend


def read_backend(data: bytes) -> Backend:
    """Return the tokenizer of a ``tokenizer.json``.

    Raises:
        ValueError: it is no such file.
    """
    from tokenizers import Tokenizer as Backend

    try:
        with tokenizer_errors():
            return Backend.from_buffer(data)
    except ModelFileError as error:
        raise ValueError(error.message) from error


def state(part: Any) -> dict[str, Any]:
    """Return a part of a tokenizer as tokenizer.json has it; empty when there is none."""
    return json.loads(part.__getstate__()) if part is not None else {}


def without_prefix(backend: Backend) -> tuple[tuple[Any, Any] | None, bool]:
    """Return normaliser and pre-tokenizer that put no space before a text, or None if none is ever put there.

    Also whether the tokenizer puts one before every stretch between two special tokens, not just before the
    first.
    """
    from tokenizers import Tokenizer as Backend
    from tokenizers.models import BPE

    normalizer, pre_tokenizer = state(backend.normalizer), state(backend.pre_tokenizer)
    schemes = [*_prefixes(normalizer), *_prefixes(pre_tokenizer)]
    if not schemes:
        return None, False
    blank = json.loads(Backend(BPE()).to_str())
    blank |= {"normalizer": _plain(normalizer), "pre_tokenizer": _plain(pre_tokenizer)}
    plain = read_backend(json.dumps(blank).encode())
    return (plain.normalizer, plain.pre_tokenizer), "first" not in schemes


def _prefixes(step: dict[str, Any]) -> Iterator[str]:
    """Yield "always" or "first" for each step that puts a space before a text."""
    for inner in step.get("normalizers", step.get("pretokenizers", [])):
        yield from _prefixes(inner)
    if step.get("type") == "Prepend" or (step.get("type") == "ByteLevel" and step["add_prefix_space"]):
        yield "always"
    elif step.get("type") == "Metaspace" and step["prepend_scheme"] != "never":
        yield step["prepend_scheme"]


def _plain(step: dict[str, Any]) -> dict[str, Any] | None:
    """Return the step without the space that it puts before a text."""
    for key in ("normalizers", "pretokenizers"):
        if key in step:
            return {**step, key: [plain for inner in step[key] if (plain := _plain(inner))]}
    if step.get("type") == "Prepend":
        return None
    if step.get("type") == "Metaspace":
        return {
            "type": "Metaspace",
            "replacement": step["replacement"],
            "prepend_scheme": "never",
            "split": step["split"],
        }
    return ({**step, "add_prefix_space": False} if step.get("type") == "ByteLevel" else step) or None
