"""What a playground can choose from: models that are here, memory, saved adapters."""

from __future__ import annotations

from typing import Any

from ..session import ModelProvider


def environment(models: ModelProvider) -> dict[str, Any]:
    """Return the models that can be chosen at once, and the memory that there is.

    These are the default model and those in the cache; any other can be written by its name.
    """
    import psutil

    from ...engine.caches.cache_pool import free_bytes
    from ...models.catalog.model_table import list_models
    from ...sources import adapters, catalog

    loaded = models.loaded
    rows = [
        {
            "name": row["name"],
            "title": row["title"],
            "licence": row["license"]["short"],
            "bytes": row["memory"]["expected"] if row["memory"] else 0,
        }
        for row in list_models().head["rows"]
        if row["state"] or row["name"] == catalog.DEFAULT
    ]
    known = loaded and catalog.of_repository(loaded.name)
    if loaded and (known.name if known else loaded.name) not in {row["name"] for row in rows}:
        licence, size = loaded.info.license, loaded.memory_bytes
        rows.append({"name": loaded.name, "title": loaded.name, "licence": licence, "bytes": size})
    return {
        "models": rows,
        "memory": {"free": free_bytes(), "total": psutil.virtual_memory().total},
        "adapters": [item.name for item in adapters.entries()],
    }
