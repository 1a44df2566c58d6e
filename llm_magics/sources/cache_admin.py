"""Remove models from the cache: ``%llm rm``."""

from __future__ import annotations

from ..errors import StoreError
from ..sanitize import single_line
from . import store


def remove(name: str) -> str:
    """Remove what was converted of a model: all of it by the model's name, one of it by its key.

    Raises:
        StoreError: there is none, or it could not be removed.
    """
    entries = store.entries()
    keys = [key for key in entries if key == name or key.startswith(f"{name}/")]
    if not keys:
        raise StoreError(
            f"the cache has no model {single_line(name)!r}", hint="Run %llm models to list the cache."
        )
    for key in keys:
        store.remove(key)
    freed = sum(entries[key] for key in keys) / 1e6
    named = ", ".join(map(single_line, keys))
    return f"{named} removed: {freed:,.0f} MB; it is converted again when it is next asked for"
