"""The pool of KV caches of one model.

An answer leases one, and finds in it what it has in common with earlier ones.

Who leases a cache has it alone, so answers that are made in turns or side by side never disturb each other.
Idle caches are kept warm, each with its own conversation, as far as the budget goes; the one that was used
least recently goes first, and one that is in use never does.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..base import Cache, Engine, Logits
from ..prefill import common_prefix, reusable_prefix

SHARE = 8  # one part in so many of the free memory is the budget, where none is given
_LEFT = 2  # tokens that `reusable` leaves of a prompt that a cache holds whole
LEAST, MOST = 64 << 20, 512 << 20  # bytes, and the bounds of that


@dataclass(slots=True, eq=False)
class _Entry:
    """A cache, and who has it: a dead or no reference is nobody.

    So a lease that was dropped needs no end.
    """

    cache: Cache
    lease: weakref.ref[Lease] | None = None

    @property
    def is_idle(self) -> bool:
        return self.lease is None or self.lease() is None


class Lease:
    """A cache that one answer has to itself, until it is released or dropped.

    Attributes:
        kept: how many leading tokens of the prompt it held already, in a state that computing them afresh
            would give bit for bit.
    """

    def __init__(self, pool: Pool, ids: Sequence[int]) -> None:
        self._pool = pool
        self._entry, self.cached_tokens = pool._take(self, ids)

    @property
    def cached(self) -> Sequence[int]:
        return self._entry.cache.cached

    def truncate(self, length: int) -> None:
        self._entry.cache.truncate(length)

    def extend(self, ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        """Extend the cache as :meth:`Cache.extend` does; idle caches are freed if memory is short."""
        cache = self._entry.cache
        more = cache.nbytes_for(len(cache.cached) + len(ids)) - cache.nbytes
        if more > 0:
            self._pool._make_room(more)
        return cache.extend(ids, all_logits=all_logits)

    def release(self) -> None:
        """Give it back; what it holds stays warm."""
        self._pool._return(self, self._entry)


class Pool:
    """The caches of one engine.

    Args:
        engine: makes them.
        budget: bytes that idle caches and those in use may come to. One answer always runs, whatever it
            needs. None: an eighth of the memory that is free, from 64 to 512 MB.
    """

    def __init__(self, engine: Engine, budget: int | None = None) -> None:
        self.engine = engine
        self.budget = budget if budget is not None else min(max(free_bytes() // SHARE, LEAST), MOST)
        self._entries: list[_Entry] = []  # least recently used first
        self._lock = threading.RLock()

    def acquire(self, ids: Sequence[int] = ()) -> Lease:
        """Return a cache for an answer to ``ids``; none of what it holds beyond their beginning stays."""
        return Lease(self, ids)

    @property
    def nbytes(self) -> int:
        """Return bytes of all caches."""
        return sum(entry.cache.nbytes for entry in self._entries)

    @property
    def count(self) -> int:
        """Return how many caches there are."""
        return len(self._entries)

    def clear(self) -> None:
        """Drop all idle caches, and what they hold."""
        with self._lock:
            self._entries = [entry for entry in self._entries if not entry.is_idle]

    def _take(self, lease: Lease, ids: Sequence[int]) -> tuple[_Entry, int]:
        with self._lock:
            source, reused = None, 0
            for entry in self._entries:  # of equal ones an idle one, used last
                cache = entry.cache
                shared = cache.reusable_at(
                    reusable_prefix(min(common_prefix(cache.cached, ids), cache.reusable_length), len(ids))
                )
                if source is None or (shared, entry.is_idle) >= (reused, source.is_idle):
                    source, reused = entry, shared
            if source is not None and source.is_idle and source.cache.reusable_length - reused <= _LEFT:
                entry = source  # it goes on with what it holds; nothing that another could use is lost
                entry.lease = weakref.ref(lease)
                entry.cache.truncate(reused)
                return entry, reused
            entry = self._free(lease, len(ids))
            if source is None or reused == 0:
                entry.cache.truncate(0)
            elif entry is source:
                entry.cache.truncate(reused)
            else:  # the other conversation stays warm, and may even be going on
                entry.cache.copy_prefix_from(source.cache, reused)
            return entry, reused

    def _free(self, lease: Lease, length: int) -> _Entry:
        """Return a new cache where the budget allows one, else the idle one that was used least recently."""
        idle = next((entry for entry in self._entries if entry.is_idle), None)
        entry = _Entry(self.engine.cache(), weakref.ref(lease))
        if idle is not None and self.nbytes + entry.cache.nbytes_for(length) > self.budget:
            idle.lease = weakref.ref(lease)
            return idle
        entry.cache.reserve(length)
        self._entries.append(entry)
        return entry

    def _make_room(self, more: int) -> None:
        """Drop idle caches, least recently used first, until ``more`` bytes fit or none is left."""
        with self._lock:
            for entry in list(self._entries):
                if self.nbytes + more <= self.budget:
                    return
                if entry.is_idle:
                    self._entries.remove(entry)

    def _return(self, lease: Lease, entry: _Entry) -> None:
        with self._lock:
            if entry.lease is None or entry.lease() is not lease:
                return  # it was released before
            if entry in self._entries:
                self._entries.remove(entry)
                self._entries.append(entry)  # used last
            entry.lease = None
            self._make_room(0)


def free_bytes() -> int:
    """Return memory that this process may still take.

    The machine's, or what its container has left, in bytes.
    """
    import psutil

    free = int(psutil.virtual_memory().available)
    for limit, used in _CGROUPS:
        try:
            most, now = Path(limit).read_text().strip(), Path(used).read_text().strip()
        except OSError:
            continue
        if most.isdigit() and now.isdigit():
            free = min(free, max(int(most) - int(now), 0))
    return free


_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
