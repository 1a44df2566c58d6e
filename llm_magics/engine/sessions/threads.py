"""Choose how many threads a session has where nobody states it, and whether they wait actively.

More threads than processors make a token several times slower. ONNX Runtime counts the cores of the machine;
in a container that may use a part of them, that is too many.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Threads:
    """The threads of a session.

    Attributes:
        count: 0 lets ONNX Runtime take one a physical core, each bound to its core.
        spin: whether a thread that waits for work keeps its processor for a moment.
    """

    count: int = 0
    spin: bool = True


_chosen: Threads | None = None


def choose(threads: Threads) -> None:
    """Set what the sessions of this process have from now on where no number of threads is stated."""
    global _chosen
    _chosen = threads


def default_threads() -> Threads:
    """Return what was chosen; else a thread for each core that this process may use."""
    if _chosen is not None:
        return _chosen
    cores = usable_cores()
    return Threads() if cores == physical_cores() else Threads(cores)


def physical_cores() -> int:
    """Return the physical cores of the machine."""
    import psutil

    return int(psutil.cpu_count(logical=False) or os.cpu_count() or 1)


def usable_cores() -> int:
    """Return how many of the physical cores this process may use."""
    return min(physical_cores(), available_cpus())


def available_cpus() -> int:
    """Return how many processors this process may use: it may be bound to some, or have a quota of time."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota()
    return count if quota is None else min(count, max(1, int(quota)))


def _quota() -> float | None:
    """Return the processors' time that the container may use, in processors; None where there is no limit."""
    with suppress(OSError, ValueError):
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):  # version 1 of control groups
        quota_us = int((_CGROUP / "cpu/cpu.cfs_quota_us").read_text())
        return None if quota_us < 0 else quota_us / int((_CGROUP / "cpu/cpu.cfs_period_us").read_text())
    return None
