"""Manage the cache folder: locks, atomic writes, integrity checks and automatic rebuild.

home()/downloads/<sha256[:16]>/<file>      model files as fetched
home()/models/<name>/<key>/                what convert.py makes of them, with manifest.json
home()/sums/                               sha256 of model files elsewhere
home()/locks/                              lock files; the system frees them when a process dies
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from ..core.files import json_object, stays_inside, write_atomic
from ..errors import LLMMagicsError, StoreError, UsageError

MANIFEST = "manifest.json"
YOUNG_S = 60.0
_MAKING = ".making-"  # prefix of folders in the making; the process id follows


def home() -> Path:
    """Return the cache folder: ``LLM_MAGICS_HOME``, else the platform's own place for caches."""
    folder = os.environ.get("LLM_MAGICS_HOME")
    if folder:
        return Path(folder).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("llm-magics", appauthor=False)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's errors about ``path`` into a StoreError that says what to do.

    Those about files elsewhere pass.
    """
    try:
        yield
    except OSError as error:
        if _as_store_error(error):
            raise
        advice = "Set LLM_MAGICS_HOME to a writable folder with enough space."
        short = error.errno is None and "written" in str(
            error
        )  # numpy's tofile keeps the count and loses the number
        if short or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreError(
                f"the disk is full: {path} could not be written ({_free(path)} free)", hint=advice
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
            raise StoreError(f"{path} is not writable: {error.strerror}", hint=advice) from error
        raise StoreError(f"{path} could not be written: {error}", hint=advice) from error


def require_room(path: Path, needed: int) -> None:
    """Raise StoreError unless the disk that holds ``path`` has ``needed`` bytes free."""
    free = shutil.disk_usage(_existing(path)).free
    if free < needed:
        raise StoreError(
            f"{path} needs {needed / 1e6:,.0f} MB and the disk has {free / 1e6:,.0f} MB free",
            hint="Free disk space, or set LLM_MAGICS_HOME to a folder on another disk.",
        )


@contextmanager
def lock(name: str, *, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock of that name, across processes and threads; the system frees it when its holder dies.

    When another has it, calls ``on_wait`` once (by default says so on stderr) and waits; Ctrl-C ends the
    wait.

    Raises:
        StoreError: the lock file could not be written.
    """
    from filelock import FileLock, Timeout

    path = _lock_path(name)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file_lock = FileLock(path)
        try:
            file_lock.acquire(timeout=0)
        except Timeout:
            if on_wait:
                on_wait()
            else:
                print(f"another process is preparing {name}; waiting for it …", file=sys.stderr, flush=True)
            file_lock.acquire(poll_interval=0.1)
    try:
        yield
    finally:
        file_lock.release()


def ensure(key: str, build: Callable[[Path], None], *, valid: Callable[[Path], None] | None = None) -> Path:
    """Return the folder ``home()/models/key``, complete and sound.

    Made by ``build(folder)`` when it is not there or damaged.

    ``valid(folder)`` may look further and raise an LLMMagicsError when what is there will not do; it is then
    made anew.

    Raises:
        StoreError: it could not be written. Whatever else ``build`` raises goes through, and nothing is left
            behind.
        UsageError: the key leads out of the cache folder.
    """
    path = _entry_path(key)

    def good() -> bool:
        with suppress(LLMMagicsError):
            if is_intact(path):
                if valid:
                    valid(path)
                return True
        return False

    if good():
        return path
    with lock(key):
        if good():  # another process made it while this one waited
            return path
        _remove_stale(key)
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


def is_intact(path: Path) -> bool:
    """Return whether every file is as the manifest says.

    Its size always, its sha256 when its time has changed.

    A new time on the right bytes (a copied cache) is noted where that may be written, so that it is summed
    once only.
    """
    moved = False
    try:
        files = json_object(path / MANIFEST)["files"]
        for name, (size, mtime, digest) in files.items():
            state = _inside(path, name).stat()
            if not stat.S_ISREG(state.st_mode):
                return False
            if state.st_size != size or (state.st_mtime_ns != mtime and sha256(path / name) != digest):
                return False
            if state.st_mtime_ns != mtime:
                files[name] = [size, state.st_mtime_ns, digest]
                moved = True
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if moved:
        with suppress(OSError):  # a shared cache may be read-only
            write_atomic(path / MANIFEST, json.dumps({"files": files}, indent=1))
    return bool(files)


def sha256(path: Path) -> str:
    """Return hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def entries() -> dict[str, int]:
    """Return what lies in the cache, sound or not: key → bytes."""
    root = home() / "models"
    paths = [path for path in root.glob("*/*") if path.is_dir() and not path.name.startswith(_MAKING)]
    return {
        path.relative_to(root).as_posix(): sum(file.stat().st_size for file in _files(path)) for path in paths
    }


def cached() -> dict[str, int]:
    """Return what is converted and sound: key → bytes."""
    return {key: size for key, size in entries().items() if is_intact(_entry_path(key))}


def find(key: str) -> Path | None:
    """Return the folder of an entry, sound or not; None where there is none."""
    path = _entry_path(key)
    return path if path.is_dir() else None


def mark_used(folder: Path) -> None:
    """Note that an entry was used now: the time of its folder."""
    with suppress(OSError):  # a cache that may not be written has no such note
        os.utime(folder)


def cached_sha256(path: Path) -> str:
    """Return the sha256 of a file elsewhere.

    It is noted, and read again only when the file's size, time or number has changed: to read gigabytes at
    each start would cost seconds.
    """
    state = path.stat()
    now = [state.st_size, state.st_mtime_ns, state.st_ino]
    note = (
        home()
        / "sums"
        / (hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24] + ".json")
    )
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json_object(note)
        if known["state"] == now and isinstance(known["sha256"], str):
            return known["sha256"]
    digest = sha256(path)
    with suppress(OSError):  # a cache that may not be written costs the time, and no more
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(note, json.dumps({"state": now, "sha256": digest}))
    return digest


def remove(key: str) -> None:
    """Remove one converted model.

    Raises:
        StoreError: it is not there or could not be removed. UsageError: the key leads out of the cache
            folder.
    """
    path = _entry_path(key)
    if not path.is_dir():
        raise StoreError(f"the cache has no {key}", hint="Run %llm models to list the cache.")
    with lock(key), writing(path):
        shutil.rmtree(path)


def export(entry: Path, target: Path, add: Callable[[Path], object], *, drop: Callable[[Path], bool]) -> Path:
    """Copy an entry out of the cache, whole or not at all.

    Args:
        entry: the folder to copy.
        target: the new folder.
        add: writes further files into it, which the manifest does not list.
        drop: removes from the copy what is of this machine only, and returns whether there was any.

    Raises:
        UsageError: the target exists. StoreError: it cannot be written.
    """

    def build(making: Path) -> None:
        shutil.copytree(entry, making, dirs_exist_ok=True)  # times too: the manifest has them
        if drop(making):
            listed = json_object(making / MANIFEST)["files"]
            _seal(making, [making / name for name in listed if (making / name).exists()])
        add(making)

    return build_atomically(target, build)


def build_sealed(target: Path, build: Callable[[Path], object]) -> Path:
    """Return a folder as the cache has them, with its manifest, but anywhere; whole or not at all.

    Raises:
        UsageError: the target exists. StoreError: it cannot be written.
    """

    def make(making: Path) -> None:
        build(making)
        _seal(making)

    return build_atomically(target, make)


def build_atomically(target: Path, build: Callable[[Path], object]) -> Path:
    """Return a new folder, filled by ``build``: whole or not at all.

    Raises:
        UsageError: the target exists. StoreError: it cannot be written.
    """
    try:
        there = target.exists()
    except OSError as error:  # too long a name
        raise StoreError(
            f"{target} cannot be written: {error.strerror}", hint="Choose another name."
        ) from error
    if there:
        raise UsageError(f"{target} exists already", hint="Choose a new folder.")
    # A name of its own for each: of two that save at once, one wins and the other is told.
    making = target.with_name(f".{target.name[:100]}.making-{uuid.uuid4().hex}")
    try:
        making.mkdir(parents=True)
        with _claim(making):
            _remove_stale_siblings(making, f".{target.name[:100]}.making-*")
            build(making)
            if target.exists():
                raise UsageError(f"{target} exists already", hint="Choose a new folder.")
            os.rename(making, target)
    except (OSError, shutil.Error) as error:
        if getattr(error, "errno", None) in (errno.ENOTEMPTY, errno.EEXIST):
            raise UsageError(f"{target} exists already", hint="Choose a new folder.") from error
        raise StoreError(
            f"{target} could not be written: {error}", hint="Choose a folder with enough space."
        ) from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target


@contextmanager
def _claim(folder: Path) -> Iterator[None]:
    """Hold a folder that is being made, so that others see that its maker lives.

    The system lets go of it when the process dies; where folders cannot be locked (Windows), nothing is held.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks have no locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _remove_stale_siblings(making: Path, pattern: str) -> None:
    """Remove what dead processes left half made next to a folder that is being made."""
    try:
        import fcntl
    except ImportError:
        return
    for path in making.parent.glob(pattern):
        if path == making or path.is_symlink() or not path.is_dir():
            continue
        with suppress(OSError):
            if time.time() - path.stat().st_mtime < YOUNG_S:  # its maker may not hold it yet
                continue
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(handle)


def _inside(folder: Path, name: str) -> Path:
    """Return a file that a manifest names.

    Raises:
        ValueError: the name leads out of the folder.
    """
    if not stays_inside(name):
        raise ValueError(f"it names {name!r:.60}")
    return folder / name


def _seal(folder: Path, listed: Iterable[Path] | None = None) -> None:
    """Flush every file, or those listed, to the disk and write the manifest, last."""
    files = {}
    for path in _files(folder) if listed is None else listed:
        _sync(path)
        state = path.stat()
        files[path.relative_to(folder).as_posix()] = [state.st_size, state.st_mtime_ns, sha256(path)]
    write_atomic(folder / MANIFEST, json.dumps({"files": files}, indent=1))
    _sync(folder / MANIFEST)
    for inside in [*(path for path in folder.rglob("*") if path.is_dir()), folder]:
        _sync(inside)  # the names too


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_stale(key: str) -> None:
    """Remove what dead processes left half made next to ``key``; its lock is taken.

    The locks say who lives: another key's folder goes only when its lock is free. A process id would not
    do: ids are used again, and those of another machine or container on a shared disk mean nothing here.
    """
    from filelock import FileLock, Timeout

    for path in _entry_path(key).parent.glob(f"{_MAKING}*"):
        other = (
            PurePosixPath(key).with_name(path.name[len(_MAKING) :].partition("-")[2] or "unnamed").as_posix()
        )
        if other == key:
            shutil.rmtree(path, ignore_errors=True)
            continue
        with suppress(Timeout, OSError), FileLock(_lock_path(other), timeout=0):
            shutil.rmtree(path, ignore_errors=True)


def _entry_path(key: str) -> Path:
    parts = key.split("/")
    if not all(parts) or any(part in (".", "..") or "\\" in part or ":" in part for part in parts):
        raise UsageError(
            f"{key!r} is not a valid key of the cache", hint="Use a key such as name/precision-1-0123abcd."
        )
    return home().joinpath("models", *parts)


def _lock_path(name: str) -> Path:
    return home() / "locks" / (hashlib.sha256(name.encode()).hexdigest()[:24] + ".lock")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _as_store_error(error: OSError) -> bool:
    """Return whether the error names a file that is neither in the cache folder nor on the way to it."""
    if not isinstance(error.filename, (str, os.PathLike)):
        return False
    path = Path(error.filename)
    return not path.is_relative_to(home()) and not home().is_relative_to(path)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _free(path: Path) -> str:
    return f"{shutil.disk_usage(_existing(path)).free / 1e6:,.0f} MB"
