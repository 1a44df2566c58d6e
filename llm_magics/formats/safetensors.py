"""Read checkpoints of the Hub: safetensors files with checked headers and lazily read weights.

Format: https://github.com/huggingface/safetensors#format. The ``safetensors`` package gives numpy no
bfloat16 without torch.
"""

from __future__ import annotations

import json
import math
import mmap
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.files import INDEX, read_index
from ..errors import REDOWNLOAD, ModelFileError, UnsupportedModel
from .tensors import Tensor

MAX_HEADER = 64 << 20
_KINDS = {"F32": ("F32", 4), "F16": ("F16", 2), "BF16": ("BF16", 2)}
# What parts of quantized weights are stored in; E4M3 is read as its codes.
_ARRAYS = {
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I8": np.int8,
    "U8": np.uint8,
    "F8_E4M3": np.uint8,
}

# Parts of a model that a decoder of text does not have, by a part of their tensors' names.
TOWERS = {
    "vision_tower": "vision tower",
    "vision_model": "vision tower",
    "visual": "vision tower",
    "vision_embedder": "vision tower",
    "multi_modal_projector": "projector",
    "mm_projector": "projector",
    "embed_vision": "projector",
    "audio_tower": "audio tower",
    "embed_audio": "projector",
    "mtp": "multi-token prediction",
}


class Safetensors(Mapping[str, Tensor]):
    """All tensors of a folder or of one file, by name.

    Opening reads headers only; a tensor is a view of the mapped file.
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
                        f"{file.path.name} has the tensor {name} twice",
                        hint=f"Add {INDEX}, which names the right file.",
                    )
                self._where[name] = (file, *entry)

    def __getitem__(self, name: str) -> Tensor:
        file, kind, shape, begin, end = self._where[name]
        if kind not in _KINDS:
            raise self._unsupported(name)
        kind, _ = _KINDS[kind]
        blocks = np.frombuffer(file.map, np.uint8, end - begin, begin)
        return Tensor(name, kind, shape, blocks.reshape(int(np.prod(shape[:-1])), -1), self.release)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return what the header says, with nothing read."""
        return self._where[name][2]

    def kind(self, name: str) -> str:
        """Return the type that the header states; empty where there is no such tensor."""
        return self._where[name][1] if name in self._where else ""

    def array(self, name: str) -> NDArray[Any]:
        """Return a tensor's numbers; bfloat16 as float32, E4M3 as its codes.

        Raises:
            UnsupportedModel: it is of another type. ModelFileError: its size does not fit its shape.
        """
        file, kind, shape, begin, end = self._where[name]
        if kind == "BF16":
            return self[name].dequantize()
        if kind not in _ARRAYS:
            raise self._unsupported(name)
        size = np.dtype(_ARRAYS[kind]).itemsize
        if math.prod(shape) * size != end - begin:
            raise ModelFileError(f"{file.path.name} is damaged: {name} has a wrong size", hint=REDOWNLOAD)
        return np.frombuffer(file.map, _ARRAYS[kind], math.prod(shape), begin).reshape(shape)

    def _unsupported(self, name: str) -> UnsupportedModel:
        file, kind, *_ = self._where[name]
        return UnsupportedModel(
            f"{name} in {file.path.name} has the unsupported type {kind}",
            hint="Choose a checkpoint in F32, F16 or BF16, or a GGUF file.",
        )

    def __contains__(self, name: object) -> bool:
        return name in self._where

    def __iter__(self) -> Iterator[str]:
        return iter(self._where)

    def __len__(self) -> int:
        return len(self._where)

    def left_out(self) -> list[str]:
        """Return what the checkpoint has besides its decoder of text, such as "vision tower"."""
        parts = {part for name in self for part in name.split(".")[:3]}
        return sorted({words for part, words in TOWERS.items() if part in parts})

    def release(self) -> None:
        """Let go of the pages read so far.

        They are the system's cache again, and no longer this process's memory.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            for file in self._files:
                file.map.madvise(mmap.MADV_DONTNEED)


def shards(path: Path) -> tuple[list[Path], Mapping[str, str]]:
    """Return the safetensors files of a model folder, and for each tensor the file that the index names.

    As in transformers, ``model.safetensors`` goes before an index.

    Raises:
        ModelFileError: there is none, one is missing, or the index names a file elsewhere.
    """
    whole = path / "model.safetensors"
    if path.is_file() or whole.is_file():
        return [path if path.is_file() else whole], {}
    index = path / INDEX
    if not index.is_file():
        result = sorted(path.glob("*.safetensors"))
        if len(result) != 1:
            what = (
                "no .safetensors file" if not result else f"{len(result)} .safetensors files and no {INDEX}"
            )
            raise ModelFileError(
                f"{path} has {what}", hint=f"Add {INDEX}." if result else "Check the name of the folder."
            )
        return result, {}
    places = read_index(index)
    names = sorted(set(places.values()))
    for name in names:
        if not (path / name).is_file():
            raise ModelFileError(
                f"{path} has no {name}, which {INDEX} names",
                hint="Add the file, or download the model again.",
            )
    return [path / name for name in names], places


class _File:
    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ModelFileError(f"{path} cannot be read: {error}", hint="Check the path.") from error
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
            f"{self.path.name} is damaged or not a safetensors file: {what}", hint=REDOWNLOAD
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
            if count != end - begin or not count:
                raise self._bad(f"{name[:80]!r} has shape {tuple(shape)} and {end - begin:,} bytes")
        return kind, tuple(shape), base + begin, base + end
