"""Give back the memory of mapped weights that was read once; a page that is needed is read again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_DONTNEED = 4  # MADV_DONTNEED of Linux; on a mapped file it loses nothing


def release_mapped(path: Path, size: int) -> None:
    """Give back the mapped pages of the first ``size`` bytes of a file.

    ONNX Runtime reads all of an embedding to pack the head; lookups read some rows of it.

    Args:
        path: the file.
        size: where the packed weights begin, which every token reads.
    """
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, ValueError, AttributeError):  # it only saves memory
        madvise = ctypes.CDLL(None).madvise
        madvise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
        for begin, end in _unwritten(path, size):
            madvise(begin, end - begin, _DONTNEED)


def _unwritten(path: Path, size: int) -> Iterator[tuple[int, int]]:
    """Yield the addresses of the mappings of that part of the file that nobody has written to."""
    span: tuple[int, int] | None = None
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split(maxsplit=5)
        if "-" in words[0]:  # ADDRESS-ADDRESS RIGHTS OFFSET DEVICE INODE PATH
            begin, end = (int(address, 16) for address in words[0].split("-"))
            ours = len(words) == 6 and words[5] == str(path) and int(words[2], 16) < size
            span = (begin, end) if ours else None
        elif words[0] == "Anonymous:" and span is not None and words[1] == "0":
            yield span
