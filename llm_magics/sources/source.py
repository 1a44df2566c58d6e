"""Source: where one model comes from, as a plain value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["gguf", "safetensors", "onnx", "saved"]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from.

    Attributes:
        kind: a GGUF file, a checkpoint in safetensors, an ONNX model that is ready to run, or a saved
            conversion.
        name: for people.
        revision: commit on the Hub, else what tells one version from another.
        fingerprint: sha256 that changes when the source does; part of the cache's key.
        licence: as the source states it, or "unknown".
        fetch: gives the path of the file or folder, fetched when it is not here.
        metadata: gives the path that tells the shape of the model (config.json, a GGUF file, a saved model),
            with no weights fetched; None where nothing small tells it.
    """

    kind: Kind
    name: str
    revision: str
    fingerprint: str
    license: str
    fetch: Callable[[], Path]
    metadata: Callable[[], Path | None] | None = None

    @property
    def key(self) -> str:
        """Return the name as a folder of the cache."""
        return (
            "".join(char if char.isalnum() or char in "._-" else "-" for char in self.name).strip(".")
            or "model"
        )
