"""Encode records with arrays as JSON: a readable header, all else deflated. Twin: src/protocol/arrays.ts.

The bytes before they are deflated: the length of a JSON header (4 bytes, little-endian), the header, and the
arrays in the order of its ``arrays``: ``[name, type, step, shape]``. A value is stored as a whole number of
steps (types u1, u2, u4) or as it is (f4, f8), in planes of bytes as core/token_columns.py has them: planes
of one kind deflate well.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.token_columns import from_byte_planes, to_byte_planes

Stored = Mapping[str, tuple[str, float]]
"""Of each array: its type, and the step of one."""

MAX_BYTES = 256 << 20
_MOST_EMPTY = 4096
_TYPES = {"u1": 1, "u2": 2, "u4": 4, "f4": 4, "f8": 8}


def encode_arrays(head: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], stored: Stored) -> str:
    """Return head and arrays in base64; what a type cannot hold is the nearest that it can."""
    header: dict[str, Any] = {**head, "arrays": []}
    parts = []
    for name, (kind, step) in stored.items():
        array = np.asarray(arrays[name])
        header["arrays"].append([name, kind, step, list(array.shape)])
        if kind[0] == "u":
            most = 256 ** _TYPES[kind] - 1
            array = np.clip(np.rint(np.nan_to_num(array / step, posinf=most)), 0, most)
        parts.append(to_byte_planes(array.reshape(-1).astype(f"<{kind}")))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    data = b"".join([len(text).to_bytes(4, "little"), text, *parts])
    return base64.b64encode(zlib.compress(data, 9)).decode()


def decode_arrays(text: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return head and arrays again; those with a step as float32.

    Raises:
        ValueError, KeyError, TypeError, zlib.error: it is damaged.
    """
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(text, validate=True), MAX_BYTES)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("it is cut short or too large")
    size = int.from_bytes(data[:4], "little")
    head = json.loads(data[4 : 4 + size].decode("utf-8", "surrogatepass"))
    at, arrays = 4 + size, {}
    for name, kind, step, shape in head.pop("arrays"):
        if not isinstance(shape, list) or not all(type(item) is int and item >= 0 for item in shape):
            raise ValueError(f"{name} has no shape")
        count, width = math.prod(shape), _TYPES[kind]
        if not count and max(shape, default=0) > _MOST_EMPTY:  # an axis is walked over, with values or none
            raise ValueError(f"{name} is empty")
        if at + count * width > len(data):
            raise ValueError(f"{name} is cut short")
        column = from_byte_planes(data[at : at + count * width], count, width)
        array = column.view(f"<{kind}").reshape(shape)
        arrays[str(name)] = array if step == 1 else (array * step).astype(np.float32)
        at += count * width
    return head, arrays
