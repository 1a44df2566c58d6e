"""The models in the cache as plain JSON, for the panel of models: names and sizes, no paths."""

from __future__ import annotations

import hashlib
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.files import json_object
from ..errors import StoreError
from . import catalog, store


def listing() -> dict[str, Any]:
    """Return the converted models, newest first, and the room on the disk.

    Returns:
        ``models``: of each its ``key``, ``name``, ``title``, ``precision``, ``license``, ``bytes``, ``used``
        (seconds since 1970), ``damaged``, and ``fetch``: bytes to download again, 0 where that is not known.
        ``downloads``: bytes of the downloaded files. ``free``: bytes on the disk. ``host``: the machine.
        ``cache``: an id of the folder, equal for every process that uses it.
    """
    sizes, intact = store.entries(), store.cached()
    models = [_entry(key, nbytes, damaged=key not in intact) for key, nbytes in sizes.items()]
    home, host = store.home(), socket.gethostname()
    free = 0
    with suppress(OSError):
        free = shutil.disk_usage(_existing(home)).free
    folder = f"{host}\0{home.resolve()}".encode("utf-8", "surrogateescape")
    return {
        "models": sorted(models, key=lambda model: -model["used"]),
        "downloads": _folder_size(home / "downloads"),
        "free": free,
        "host": host,
        "cache": hashlib.sha256(folder).hexdigest()[:16],
    }


def delete(key: str) -> int:
    """Remove one converted model, and return the bytes that are free now.

    Raises:
        StoreError: the listing has no such key, or it could not be deleted.
    """
    size = store.entries().get(key)
    if size is None:
        raise StoreError("the cache has no such model", hint="Load the list again.")
    store.remove(key)
    return size


def _entry(key: str, nbytes: int, *, damaged: bool) -> dict[str, Any]:
    folder_name, _, rest = key.partition("/")
    folder, facts = store.find(key), {}
    if folder is not None:
        with suppress(OSError, ValueError):
            facts = json_object(folder / "model.json")
    rows = catalog.entries().values()
    known = next((row for row in rows if folder_name in row.cache_folders), None)
    license = facts.get("licence")
    used = 0.0
    with suppress(OSError):
        used = folder.stat().st_mtime if folder is not None else 0.0
    return {
        "key": key,
        "name": known.name if known else folder_name,
        "title": known.title if known else folder_name,
        "precision": rest.partition("-")[0],
        "license": license if isinstance(license, str) else known.license if known else catalog.UNKNOWN,
        "bytes": nbytes,
        "used": used,
        "damaged": damaged,
        "fetch": known.size_bytes if known else 0,
    }


def _folder_size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*") if folder.is_dir() else ():
        with suppress(OSError):
            total += path.lstat().st_size
    return total


def _existing(path: Path) -> Path:
    return next((item for item in (path, *path.parents) if item.exists()), path)
