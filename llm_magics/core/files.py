"""Read untrusted files with limits, and write files atomically."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from pathlib import Path, PurePosixPath
from typing import Any

from ..errors import CHOOSE_MODEL, REDOWNLOAD, ModelFileError

SMALL = 16 << 20  # bytes
INDEX = "model.safetensors.index.json"  # of a checkpoint in several files: which tensor is in which
MAX_INDEX, MAX_SHARDS = 64 << 20, 1_000


def json_object(path: Path, most: int = SMALL) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        OSError: it cannot be read, or is no regular file. ValueError: it is larger than ``most`` bytes,
            damaged, or no object.
    """
    try:
        value = json.loads(read_regular(path, most).decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def stays_inside(name: str) -> bool:
    """Return whether a file's name, as a manifest, an index or a server gives it, stays in its folder."""
    path = PurePosixPath(name)
    return bool(path.parts) and not (path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name)


def read_regular(path: Path, most: int) -> bytes:
    """Read the bytes of a regular file.

    Raises:
        OSError: it cannot be read, or is no regular file. ValueError: it is larger than ``most`` bytes.
    """
    with open(open_regular(path), "rb") as file:
        data = file.read(most + 1)  # not the size that the file system says: it may grow
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return data


def open_regular(path: Path) -> int:
    """Open a regular file for reading: a pipe would wait for ever, and a device may never end.

    Returns:
        The file descriptor.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return handle


def write_atomic(path: Path, text: str) -> None:
    """Write under a temporary name and rename: readers see the old file or the new one."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        temporary.write_text(text, "utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_index(path: Path) -> dict[str, str]:
    """Return the ``weight_map`` of an index: tensor → file next to it.

    Raises:
        ModelFileError: it is damaged, or names a file elsewhere.
    """
    try:
        places = json_object(path, MAX_INDEX)["weight_map"]
        names = set(places.values())
        if not names or len(names) > MAX_SHARDS or not all(isinstance(name, str) for name in names):
            raise ValueError("its weight_map is not valid")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} is damaged: {error}", hint=REDOWNLOAD) from error
    for name in names:
        if PurePosixPath(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise ModelFileError(
                f"{INDEX} names {name!r:.80}, which is not a .safetensors file of its folder",
                hint=CHOOSE_MODEL,
            )
    return dict(places)
