"""Frames → one moving picture: an animated PNG, which browsers show wherever a PNG may stand."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def animated(frames: Sequence[tuple[bytes, float]]) -> bytes:
    """Return an animated PNG that plays for ever.

    The format is that of the PNG specification, third edition: the first frame is an ordinary picture.

    Args:
        frames: PNG files of one size and kind, each with the seconds that it is shown.

    Raises:
        ValueError: the frames are of several sizes or kinds, or there are none.
    """
    heads = {next(data for kind, data in _chunks(png) if kind == b"IHDR") for png, _ in frames}
    if len(heads) != 1:
        raise ValueError("the frames must be of one size and kind")
    (head,) = heads
    width, height = struct.unpack(">II", head[:8])
    out = [_SIGNATURE, _chunk(b"IHDR", head), _chunk(b"acTL", struct.pack(">II", len(frames), 0))]
    number = 0
    for n, (png, seconds) in enumerate(frames):
        delay = struct.pack(">HHBB", round(1000 * seconds), 1000, 0, 0)
        out.append(_chunk(b"fcTL", struct.pack(">IIIII", number, width, height, 0, 0) + delay))
        number += 1
        data = b"".join(data for kind, data in _chunks(png) if kind == b"IDAT")
        data = zlib.compress(zlib.decompress(data), 9)
        if n == 0:
            out.append(_chunk(b"IDAT", data))
        else:
            out.append(_chunk(b"fdAT", struct.pack(">I", number) + data))
            number += 1
    return b"".join([*out, _chunk(b"IEND", b"")])


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += 12 + size


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
