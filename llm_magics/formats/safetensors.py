"""Hub checkpoints: safetensors files, one or many, headers checked before they are believed, weights read
when asked for.

Format: https://github.com/huggingface/safetensors#format. The ``safetensors`` package gives numpy no
bfloat16 without torch.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..core.shards import INDEX, read_index
from ..errors import ModelFileError, UnsupportedModel
from .tensors import Tensor

MAX_HEADER = 64 << 20
_KINDS = {"F32": ("F32", 4), "F16": ("F16", 2), "BF16": ("BF16", 2)}


class Safetensors(Mapping[str, Tensor]):
    """All tensors of a folder or of one file, by name. Opening reads headers only; a tensor is a view of the
    mapped file.
    """

    def __init__(self, path: Path) -> None:
        self._where: dict[str, tuple[_File, str, tuple[int, ...], int, int]] = {}
        paths, places = shards(path)
        self._files = [_File(part) for part in paths]
        for file in self._files:
            for name, entry in file.entries.items():
                if places.get(name, file.path.name) != file.path.name:
                    continue  # the index says that another file's is meant
                if name in self._where:
                    raise ModelFileError(
                        f"{file.path.name} holds {name} a second time",
                        hint=f"add {INDEX}, which says what file is meant",
                    )
                self._where[name] = (file, *entry)

    def __getitem__(self, name: str) -> Tensor:
        file, kind, shape, begin, end = self._where[name]
        if kind not in _KINDS:
            raise UnsupportedModel(
                f"{name} in {file.path.name} has the type {kind}",
                hint="choose a checkpoint in F32, F16 or BF16, or a GGUF file",
            )
        kind, _ = _KINDS[kind]
        blocks = np.frombuffer(file.map, np.uint8, end - begin, begin)
        return Tensor(name, kind, shape, blocks.reshape(int(np.prod(shape[:-1])), -1))

    def shape(self, name: str) -> tuple[int, ...]:
        """What the header says, with nothing read."""
        return self._where[name][2]

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def release(self) -> None:
        """Let go of the pages read so far: they are the system's cache again, and no longer this process's
        memory.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            for file in self._files:
                file.map.madvise(mmap.MADV_DONTNEED)


def shards(path: Path) -> tuple[list[Path], Mapping[str, str]]:
    """The safetensors files of a model folder, and for each tensor the file that the index names.

    As in transformers, ``model.safetensors`` goes before an index.

    Raises:
        ModelFileError: there is none, one is missing, or the index names a file elsewhere.
    """
    whole = path / "model.safetensors"
    if path.is_file() or whole.is_file():
        return [path if path.is_file() else whole], {}
    index = path / INDEX
    if not index.is_file():
        found = sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            what = "no .safetensors file" if not found else f"{len(found)} .safetensors files and no {INDEX}"
            raise ModelFileError(
                f"{path} has {what}", hint=f"add {INDEX}" if found else "check the folder's name"
            )
        return found, {}
    places = read_index(index)
    names = sorted(set(places.values()))
    for name in names:
        if not (path / name).is_file():
            raise ModelFileError(
                f"{path} lacks {name}, which {INDEX} names", hint="add the file, or fetch the model again"
            )
    return [path / name for name in names], places


class _File:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ModelFileError(
                f"{path} cannot be read: {error}", hint="check the path and the file"
            ) from error
        size = struct.unpack_from("<Q", self.map)[0] if len(self.map) >= 8 else 0
        if not 2 <= size <= min(MAX_HEADER, len(self.map) - 8):
            raise self._bad(f"its header claims {size:,} bytes")
        try:
            header = json.loads(self.map[8 : 8 + size].decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise self._bad(f"its header is not JSON: {str(error)[:80]}") from error
        if not isinstance(header, dict):
            raise self._bad("its header is not a JSON object")
        header.pop("__metadata__", None)
        self.entries = {name: self._entry(name, value, 8 + size) for name, value in header.items()}

    def _bad(self, what: str) -> ModelFileError:
        return ModelFileError(
            f"{self.path.name} is damaged or not a safetensors file: {what}", hint="fetch the file again"
        )

    def _entry(self, name: str, value: Any, base: int) -> tuple[str, tuple[int, ...], int, int]:
        try:
            kind, shape, (begin, end) = value["dtype"], value["shape"], value["data_offsets"]
        except (TypeError, KeyError, ValueError):
            raise self._bad(f"the entry of {name[:80]!r} is not valid") from None
        whole = [*(shape if isinstance(shape, list) else [None]), begin, end]
        if not isinstance(kind, str) or not all(
            isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in whole
        ):
            raise self._bad(f"the entry of {name[:80]!r} is not valid")
        if begin > end or base + end > len(self.map):
            raise self._bad(f"{name[:80]!r} reaches past its end")
        if kind in _KINDS:
            count = _KINDS[kind][1]
            for extent in shape:  # Python integers: no overflow to hide behind
                count *= extent
            if count != end - begin or not shape or not count:
                raise self._bad(f"{name[:80]!r} has shape {tuple(shape)} and {end - begin:,} bytes")
        return kind, tuple(shape), base + begin, base + end
