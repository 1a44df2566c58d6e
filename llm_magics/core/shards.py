"""The index of a checkpoint in several safetensors files: which tensor is in which file."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from ..errors import CHOOSE_MODEL, REDOWNLOAD, ModelFileError
from .files import json_object

INDEX = "model.safetensors.index.json"
MAX_BYTES, MAX_SHARDS = 64 << 20, 1_000


def read_index(path: Path) -> dict[str, str]:
    """Return the ``weight_map`` of an index: tensor → file next to it.

    Raises:
        ModelFileError: it is damaged, or names a file elsewhere.
    """
    try:
        places = json_object(path, MAX_BYTES)["weight_map"]
        names = set(places.values())
        if not names or len(names) > MAX_SHARDS or not all(isinstance(name, str) for name in names):
            raise ValueError("its weight_map is not valid")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFileError(f"{path} is damaged: {error}", hint=REDOWNLOAD) from error
    for name in names:
        if PurePosixPath(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise ModelFileError(
                f"{INDEX} names {name!r:.80}, which is not a .safetensors file of its folder",
                hint=CHOOSE_MODEL,
            )
    return dict(places)
