"""Which model, as plain data: what another process needs to open the same one."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.records import ModelInfo


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The arguments of :func:`load` that opened a model, and what came of them.

    Attributes:
        name: a name of the catalog or the Hub, or the absolute path of a file or a folder.
        info: the model in the records. Its fingerprint says whether another process has the same weights.
        precision, file, ignore_config, kv_cache, device: as for :func:`load`.
        adapter: the name or the absolute path of a LoRA adapter; empty where there is none.
        strength: of the adapter; None is the one of its name.
    """

    name: str
    info: ModelInfo
    precision: str = "auto"
    file: str | None = None
    ignore_config: tuple[str, ...] = ()
    kv_cache: str = "fp32"
    device: str = "cpu"
    adapter: str = ""
    strength: float | None = None
