"""What the panel of models shows, as plain JSON: the model in use, the adapters, what runs."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...sanitize import single_line
from ...sources import adapters, catalog
from .jobs import Job

_STEP = 100_000_000  # bytes: memory that changes by less is no news

if TYPE_CHECKING:
    from ...models.model import Model
    from ..ghost.commands import GhostCommands
    from ..session import ModelProvider


def panel_state(models: ModelProvider, ghost: GhostCommands, jobs: Sequence[Job]) -> dict[str, Any]:
    """Return what is in use and what runs; nothing is loaded for it."""
    from ...engine.caches.cache_pool import free_bytes

    model, remote, standing = models.loaded, models.remote, models.standing_adapter
    entry = catalog.find()
    return {
        "model": None if model is None else _model(model, models.active or model),
        "server": None if remote is None else single_line(remote.name),
        "default": {"name": entry.name, "title": entry.title, "bytes": entry.size_bytes},
        "free": free_bytes() // _STEP * _STEP,
        "adapters": [_adapter(item, model) for item in adapters.entries()],
        "adapter": None if standing is None else {"name": standing[0], "strength": standing[1]},
        "jobs": [job.to_dict() for job in jobs],
        "ghost": _ghost(ghost),
    }


def cache_key(folder: Path) -> str:
    """Return the key in the cache of the folder of a converted model."""
    return "/".join(folder.parts[-2:])


def _model(model: Model, active: Model) -> dict[str, Any]:
    last = active.last or model.last
    timing = last.timing if last is not None and last.tokens else None
    entry = catalog.of_repository(model.name)
    return {
        "name": entry.name if entry else single_line(model.name),
        "title": entry.title if entry else single_line(model.name),
        "key": "" if model.folder is None else cache_key(model.folder),
        "license": single_line(model.info.license),
        "precision": model.info.precision,
        "kl": None if model.fidelity is None else model.fidelity.kl,
        "context": model.context_length,
        "weights": model.weights_bytes,
        "caches": model.pool.nbytes + (active.pool.nbytes if active is not model else 0),
        "speed": None if timing is None else round(timing.decode_tokens_per_s, 1),
        "first": None if timing is None else round(timing.first_token_s, 3),
    }


def _adapter(item: adapters.SavedAdapter, model: Model | None) -> dict[str, Any]:
    """Describe a saved adapter; ``fits`` is None where no model is loaded."""
    base = item.base.lower()
    names = set() if model is None else {model.name.lower()}
    if model is not None and (entry := catalog.of_repository(model.name)):
        names |= {entry.name.lower(), entry.repository.lower()}
    return {
        "name": item.name,
        "bytes": item.size,
        "base": single_line(item.base),
        "fits": None if model is None or not base else base in names,
    }


def _ghost(ghost: GhostCommands) -> dict[str, Any]:
    times = sorted(ghost.latencies)
    return {
        "model": single_line(ghost.model.name),
        "median": round(statistics.median(times) * 1000) if times else None,
        "p90": round(times[min(len(times) - 1, len(times) * 9 // 10)] * 1000) if times else None,
    }
