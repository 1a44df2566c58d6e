"""Adapters that are kept by name in ``LLM_MAGICS_HOME/adapters/NAME``, so that they outlive the kernel."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.files import json_object
from ..errors import UsageError
from ..sanitize import single_line
from . import store

PROVENANCE, CONFIG = "run.json", "adapter_config.json"
_OLD = ".old"  # the suffix of what is being replaced
_NAME = re.compile(r"[A-Za-z_][\w-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SavedAdapter:
    """One adapter on the disk.

    Attributes:
        size: in bytes.
        base: the name of the model that it was trained on.
        run: the id of the tuning run that wrote it; empty if that is not known.
    """

    name: str
    folder: Path
    size: int
    base: str
    run: str


def folder_of(name: str) -> Path:
    """Return the folder of that name, whether it exists or not.

    Raises:
        UsageError: the name has other characters than letters, digits, ``_`` and ``-``.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{single_line(name)!r} is not a valid name of an adapter",
            hint="Use letters, digits, _ and -.",
        )
    return store.home() / "adapters" / name


def find(name: str) -> SavedAdapter | None:
    """Return the adapter of that name, or None."""
    if not _NAME.fullmatch(name):
        return None
    folder = folder_of(name)
    if _is_incomplete(folder):
        with store.lock(f"adapter {name}"):  # whoever replaces it now has the lock
            _restore(folder)
    return _read(folder) if (folder / CONFIG).is_file() else None


def entries() -> list[SavedAdapter]:
    """Return all adapters that are kept, by name."""
    root = store.home() / "adapters"
    names = sorted({path.name.removesuffix(_OLD) for path in root.iterdir()}) if root.is_dir() else []
    return [adapter for name in names if (adapter := find(name)) is not None]


def save(name: str, run: str, build: Callable[[Path], object]) -> tuple[Path, str]:
    """Write an adapter under a name. One of another run that has the name gets a number: ``pirate-1``.

    Args:
        name: the name of the adapter.
        run: the id of the tuning run. What the same run wrote before is replaced.
        build: writes the files into a new folder.

    Returns:
        The folder, and the new name of the earlier adapter; empty if there was none.

    Raises:
        UsageError: the name cannot be one. StoreError: it cannot be written; the earlier one stays.
    """
    folder, moved = folder_of(name), ""
    with store.lock(f"adapter {name}"):
        new = folder.with_name(f"{name}.{run[:8] or 'new'}")
        with store.writing(folder):
            shutil.rmtree(new, ignore_errors=True)
        store.build_atomically(new, build)
        try:
            with store.writing(folder):
                _restore(folder)
                aside = None
                if folder.exists():
                    same = bool(run) and _read(folder).run == run
                    moved = "" if same else _free_name(name)
                    aside = folder.with_name(moved) if moved else _backup_of(folder)
                    os.rename(folder, aside)
                os.rename(new, folder)
                if aside is not None and not moved:
                    shutil.rmtree(aside, ignore_errors=True)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return folder, moved


def delete(name: str) -> str:
    """Remove an adapter.

    Returns:
        What was removed, in words.

    Raises:
        UsageError: there is none of that name. StoreError: it cannot be removed.
    """
    adapter = find(name)
    if adapter is None:
        raise missing(name)
    with store.lock(f"adapter {name}"), store.writing(adapter.folder):
        shutil.rmtree(adapter.folder)
    return f"the adapter {name} is removed: {adapter.size / 1e6:,.0f} MB"


def listing() -> str:
    """Describe every adapter in a line."""
    adapters = entries()
    if not adapters:
        return "no adapter is kept; %%llm_tune -n NAME makes one"
    lines = [f"kept in {store.home() / 'adapters'}:"]
    lines += [
        f"  {item.name:<24} {item.size / 1e6:6,.0f} MB, of {single_line(item.base)}" for item in adapters
    ]
    return "\n".join([*lines, "%%llm -a NAME uses one; %llm adapters rm NAME removes it"])


def missing(name: str) -> UsageError:
    """Return the error for an adapter that is not there."""
    names = ", ".join(item.name for item in entries()[:20])
    return UsageError(
        f"unknown adapter {single_line(name)!r}",
        hint=f"Choose one of {names}, or a folder."
        if names
        else "Run a %%llm_tune cell with -n NAME, or name a folder.",
    )


def _backup_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{_OLD}")


def _is_incomplete(folder: Path) -> bool:
    """Tell whether a kill, or another process now, left the folder between two names."""
    return _backup_of(folder).is_dir() and not folder.exists()


def _restore(folder: Path) -> None:
    """Undo a replacement that a kill left half done. What is next to a folder that exists is out of date."""
    if _is_incomplete(folder):
        with suppress(OSError):
            os.rename(_backup_of(folder), folder)
    else:
        shutil.rmtree(_backup_of(folder), ignore_errors=True)


def _read(folder: Path) -> SavedAdapter:
    facts = _facts(folder / PROVENANCE)
    base = _facts(folder / CONFIG).get("base_model_name_or_path")
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return SavedAdapter(
        folder.name, folder, size, base if isinstance(base, str) else "", str(facts.get("run", ""))
    )


def _facts(path: Path) -> dict[str, Any]:
    try:
        return json_object(path)
    except (OSError, ValueError):
        return {}


def _free_name(name: str) -> str:
    number = 1
    while folder_of(f"{name[:56]}-{number}").exists():
        number += 1
    return f"{name[:56]}-{number}"
