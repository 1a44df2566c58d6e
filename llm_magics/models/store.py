"""The cache folder: one lock a thing, nothing seen half made, everything checked when opened, and rebuilt when wrong.

home()/downloads/<sha256[:16]>/<file>      model files as fetched
home()/models/<name>/<key>/                what convert.py makes of them, with manifest.json
home()/locks/                              lock files; the system frees them when a process dies
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import StoreError

MANIFEST = "manifest.json"
_MAKING = ".making-"  # prefix of folders in the making; the process id follows


def home() -> Path:
    """The cache folder: ``LLM_MAGICS_HOME``, else the platform's own place for caches."""
    given = os.environ.get("LLM_MAGICS_HOME")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("llm-magics", appauthor=False)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's errors about ``path`` into a StoreError that says what to do."""
    try:
        yield
    except OSError as error:
        advice = "set LLM_MAGICS_HOME to a folder where there is room and that you may write to"
        short = error.errno is None and "written" in str(error)  # numpy's tofile keeps the count and loses the number
        if short or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreError(f"the disk is full: {path} could not be written ({_free(path)} free)", hint=advice) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise StoreError(f"{path} may not be written: {error.strerror}", hint=advice) from error
        raise StoreError(f"{path} could not be written: {error}", hint=advice) from error


def require_room(path: Path, needed: int) -> None:
    """Raise StoreError unless the disk that holds ``path`` has ``needed`` bytes free."""
    free = shutil.disk_usage(_existing(path)).free
    if free < needed:
        raise StoreError(
            f"{path} needs {needed / 1e6:,.0f} MB and the disk has {free / 1e6:,.0f} MB free",
            hint="make room, or set LLM_MAGICS_HOME to a folder on another disk",
        )


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Hold the lock of that name, across processes; says so once when another process has it."""
    from filelock import FileLock, Timeout

    path = home() / "locks" / (hashlib.sha256(name.encode()).hexdigest()[:24] + ".lock")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path)
        try:
            held.acquire(timeout=0)
        except Timeout:
            print(f"another process is preparing {name}; waiting for it …", file=sys.stderr, flush=True)
            held.acquire(poll_interval=0.1)
    try:
        yield
    finally:
        held.release()


def entry(key: str, build: Callable[[Path], None]) -> Path:
    """The folder ``home()/models/key``, complete and sound; made by ``build(folder)`` when it is not there or damaged.

    Raises:
        StoreError: it could not be written. Whatever ``build`` raises goes through, and nothing is left behind.
    """
    path = home() / "models" / key
    if sound(path):
        return path
    with lock(key):
        if sound(path):  # another process made it while this one waited
            return path
        _sweep(path.parent)
        making = path.parent / f"{_MAKING}{os.getpid()}-{path.name}"
        try:
            with writing(path):
                shutil.rmtree(path, ignore_errors=True)
                making.mkdir(parents=True)
                build(making)
                _seal(making)
                os.rename(making, path)
                _sync(path.parent)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    return path


def sound(path: Path) -> bool:
    """Whether every file is as the manifest says: its size always, its sha256 when its time has changed."""
    try:
        files = json.loads((path / MANIFEST).read_text("utf-8"))["files"]
        for name, (size, mtime, digest) in files.items():
            state = (path / name).stat()
            if state.st_size != size or (state.st_mtime_ns != mtime and sha256(path / name) != digest):
                return False
        return bool(files)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def cached() -> dict[str, int]:
    """What is converted and sound: key → bytes."""
    root = home() / "models"
    paths = [manifest.parent for manifest in root.glob(f"*/*/{MANIFEST}")]
    return {str(path.relative_to(root)): sum(f.stat().st_size for f in path.iterdir()) for path in paths if sound(path)}


def remove(key: str) -> None:
    """Remove one converted model."""
    with lock(key), writing(home() / "models" / key):
        shutil.rmtree(home() / "models" / key)


def write_atomic(path: Path, text: str) -> None:
    """Write under a temporary name and rename: readers see the old file or the new one."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, "utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _seal(folder: Path) -> None:
    """Flush every file to the disk and write the manifest, last."""
    files = {}
    for path in sorted(folder.iterdir()):
        _sync(path)
        state = path.stat()
        files[path.name] = [state.st_size, state.st_mtime_ns, sha256(path)]
    write_atomic(folder / MANIFEST, json.dumps({"files": files}, indent=1))
    _sync(folder / MANIFEST)


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove what dead processes left half made; the lock is held, so nobody is at work here under the same key."""
    import psutil

    for path in folder.glob(f"{_MAKING}*"):
        process = path.name[len(_MAKING) :].partition("-")[0]
        if not process.isdigit() or int(process) == os.getpid() or not psutil.pid_exists(int(process)):
            shutil.rmtree(path, ignore_errors=True)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _free(path: Path) -> str:
    return f"{shutil.disk_usage(_existing(path)).free / 1e6:,.0f} MB"
