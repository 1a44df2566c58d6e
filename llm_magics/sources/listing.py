"""What there is in the cache, as a list to read, and how to be rid of it: ``%llm models`` and ``%llm rm``."""

from __future__ import annotations

from ..clean import line
from ..errors import StoreError
from . import catalog, store


def listing() -> str:
    """The catalogue, and every model that was converted, with what it takes on the disk."""
    lines = ["known by name:"]
    for name, entry in catalog.entries().items():
        lines.append(
            f"  {name:<28} {entry.title}, {entry.size_bytes / 1e6:,.0f} MB to fetch, {entry.licence}"
        )
    kept, sound = store.entries(), store.cached()
    lines.append(f"converted, in {store.home()}:" if kept else "nothing is converted yet")
    for key, size in sorted(kept.items()):
        damaged = "" if key in sound else ", damaged: it is made anew when it is asked for"
        lines.append(f"  {line(key):<60} {size / 1e6:8,.0f} MB{damaged}")
    if kept:
        lines.append(
            f"  {'together':<60} {sum(kept.values()) / 1e6:8,.0f} MB; %llm rm NAME removes what begins so"
        )
    return "\n".join(lines)


def remove(name: str) -> str:
    """Remove what was converted of a model: all of it by the model's name, one of it by its key.

    Raises:
        StoreError: there is none, or it could not be removed.
    """
    kept = store.entries()
    keys = [key for key in kept if key == name or key.startswith(f"{name}/")]
    if not keys:
        raise StoreError(f"nothing is converted of {line(name)!r}", hint="%llm models lists what there is")
    for key in keys:
        store.remove(key)
    freed = sum(kept[key] for key in keys) / 1e6
    named = ", ".join(map(line, keys))
    return f"{named} removed: {freed:,.0f} MB; it is converted again when it is next asked for"
