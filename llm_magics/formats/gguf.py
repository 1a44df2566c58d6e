"""GGUF files: metadata and memory-mapped tensors, every count and offset checked before it is believed.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian). The
``gguf`` package reads it too, but makes one array a string: two seconds for a 49k vocabulary, against a
tenth here.
"""

from __future__ import annotations

import mmap
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import REDOWNLOAD, ModelFileError, UnsupportedModel
from .tensors import Tensor

MAX_KEYS, MAX_TENSORS, MAX_ARRAY, MAX_STRING = 10_000, 100_000, 5_000_000, 16 << 20
_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9


class GgufFile:
    """An open GGUF file: ``metadata`` (plain Python values) and ``tensors`` by name, of all its parts.

    Args:
        path: the file, or the first of its parts.
        part: whether it is another part, which is opened alone.
    """

    def __init__(self, path: Path, *, part: bool = False) -> None:
        self.path = Path(path)
        try:
            with open(self.path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ModelFileError(f"{self.path} cannot be read: {error}", hint="Check the path.") from error
        self._at = 0
        magic, version = self._map[:4], 0
        if magic != b"GGUF":
            raise self._bad(f"it begins with {magic!r}, not with b'GGUF'")
        self._at = 4
        version = self._read("<I")
        if version not in (2, 3):
            raise UnsupportedModel(
                f"{self.path.name} is GGUF version {version}", hint="Convert it to version 2 or 3."
            )
        n_tensors, n_keys = self._count(MAX_TENSORS, "tensors"), self._count(MAX_KEYS, "metadata keys")
        self.metadata: dict[str, Any] = {}
        for _ in range(n_keys):
            key = self._string()
            self.metadata[key] = self._value(self._read("<I"))
        headers = [self._tensor_header() for _ in range(n_tensors)]
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 1 <= alignment <= 1 << 20:
            raise self._bad(f"its alignment is {alignment!r}")
        start = -(-self._at // alignment) * alignment
        self.tensors = {header[0]: self._tensor(start, *header) for header in headers}
        self._parts: list[GgufFile] = []
        count = self.metadata.get("split.count", 1)
        if not part and isinstance(count, int) and count > 1:
            self._add_parts(count)

    def _add_parts(self, count: int) -> None:
        """Open the other parts of a file that llama-gguf-split has cut, and take their tensors in."""
        result = re.fullmatch(r"(.+)-(\d{5})-of-(\d{5})(\.gguf)", self.path.name, re.IGNORECASE)
        if result is None or int(result[3]) != count or self.metadata.get("split.no", 0) != 0:
            raise UnsupportedModel(
                f"{self.path.name} is one of {count} parts, and not the first by its name and metadata",
                hint="Load the first part, NAME-00001-of-….gguf, from a folder with all parts.",
            )
        for number in range(2, count + 1):
            path = self.path.with_name(f"{result[1]}-{number:05d}-of-{result[3]}{result[4]}")
            if not path.is_file():
                raise UnsupportedModel(
                    f"{path.name} is missing: {self.path.name} has {count} parts",
                    hint="Put all parts into one folder.",
                )
            other = GgufFile(path, part=True)
            if twice := other.tensors.keys() & self.tensors.keys():
                raise other._bad(f"it holds {min(twice)}, as another part does")
            self.tensors |= other.tensors
            self._parts.append(other)
        total = self.metadata.get("split.tensors.count", len(self.tensors))
        if total != len(self.tensors):
            raise self._bad(f"its parts hold {len(self.tensors):,} tensors, not {total!r:.20}")

    def release(self) -> None:
        """Let go of the pages read so far.

        They are the system's cache again, and no longer this process's memory.
        """
        if hasattr(mmap, "MADV_DONTNEED"):
            for file in (self, *self._parts):
                file._map.madvise(mmap.MADV_DONTNEED)

    def _bad(self, what: str) -> ModelFileError:
        return ModelFileError(f"{self.path.name} is damaged or not a GGUF file: {what}", hint=REDOWNLOAD)

    def _take(self, size: int) -> int:
        """Move past ``size`` bytes and return where they began."""
        at = self._at
        if size < 0 or at + size > len(self._map):
            raise self._bad(f"it ends at byte {len(self._map):,}, but byte {at + size:,} is needed")
        self._at = at + size
        return at

    def _read(self, form: str) -> Any:
        return struct.unpack_from(form, self._map, self._take(struct.calcsize(form)))[0]

    def _count(self, most: int, what: str) -> int:
        count: int = self._read("<Q")
        if count > most:
            raise self._bad(f"it claims {count:,} {what}")
        return count

    def _string(self) -> str:
        size = self._count(MAX_STRING, "bytes in one string")
        at = self._take(size)
        return self._map[at : at + size].decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self._read(_SCALARS[kind])
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise self._bad(f"metadata type {kind} does not exist")
        inner, count = self._read("<I"), self._count(MAX_ARRAY, "array elements")
        if inner == _STRING:
            return [self._string() for _ in range(count)]
        if inner not in _SCALARS:
            raise self._bad(f"an array of metadata type {inner}")
        form = _SCALARS[inner]
        at = self._take(struct.calcsize(form) * count)
        return list(struct.unpack_from(f"<{count}{form[1]}", self._map, at))

    def _tensor_header(self) -> tuple[str, tuple[int, ...], int, int]:
        name, n_dims = self._string(), self._read("<I")
        if not 1 <= n_dims <= 4:
            raise self._bad(f"tensor {name!r} has {n_dims} dimensions")
        shape = tuple(self._read("<Q") for _ in range(n_dims))[::-1]
        return name, shape, self._read("<I"), self._read("<Q")

    def _tensor(self, start: int, name: str, shape: tuple[int, ...], kind: int, offset: int) -> Tensor:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        try:
            block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        except (ValueError, KeyError):
            raise UnsupportedModel(
                f"tensor {name!r} has GGML type {kind}", hint="Use a file with Q4_1, Q8_0 or F16 weights."
            ) from None
        elements, rows = 1, 1
        for extent in shape:  # Python integers: no overflow to hide behind
            elements *= extent
        for extent in shape[:-1]:
            rows *= extent
        if not elements or shape[-1] % block or elements > 1 << 40:
            raise self._bad(f"tensor {name!r} has shape {shape}")
        count = elements // block * size
        if start + offset + count > len(self._map):
            raise self._bad(f"tensor {name!r} reaches past its end")
        blocks = np.frombuffer(self._map, np.uint8, count, start + offset).reshape(rows, -1)
        return Tensor(name, GGMLQuantizationType(kind).name, shape, blocks, self.release)
