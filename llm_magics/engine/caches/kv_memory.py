"""The memory of keys and values of one layer's cache: of this process, or of a card.

Both are (2, rows, KV heads, capacity, cache_dim): keys and values of some sequences. ONNX Runtime reads and
writes them by their address.
"""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from onnxruntime import OrtValue

Shape = tuple[int, int, int, int]  # rows, KV heads, capacity, cache_dim
DType = type[np.int8 | np.float16 | np.float32]


class KVMemory(Protocol):
    """Keys and values of some sequences in one layer.

    Attributes:
        device: the kind and number of the device, as ONNX Runtime names it.
    """

    shape: Shape
    device: tuple[str, int]

    @property
    def nbytes(self) -> int: ...

    def address(self, part: int, row: int) -> int:
        """Return where the keys (0) or values (1) of a row begin."""
        ...

    def copy(self, source: Any, source_row: int, row: int, length: int) -> None:
        """Make the first ``length`` tokens of a row those of another row, which may be of other memory."""
        ...

    def read(self, row: int, length: int) -> NDArray[Any]:
        """Return keys and values of a row, (2, KV heads, length, cache_dim)."""
        ...


class HostMemory:
    """Memory of this process. What no row has reached yet is not taken from the system."""

    def __init__(self, shape: Shape, dtype: DType) -> None:
        self.shape, self.device = shape, ("cpu", 0)
        self._array = lazy_zeros(2, *shape, dtype=dtype)

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    def address(self, part: int, row: int) -> int:
        return int(self._array[part, row].ctypes.data)

    def copy(self, source: HostMemory, source_row: int, row: int, length: int) -> None:
        self._array[:, row, :, :length] = source._array[:, source_row, :, :length]

    def read(self, row: int, length: int) -> NDArray[Any]:
        return self._array[:, row, :, :length]


class DeviceMemory:
    """Memory of a device of ONNX Runtime. What is copied goes through the memory of this process."""

    def __init__(self, shape: Shape, dtype: DType, device: tuple[str, int]) -> None:
        self.shape, self.device, self._itemsize = shape, device, np.dtype(dtype).itemsize
        self._parts = [device_value(shape, dtype, device) for _ in range(2)]

    @property
    def nbytes(self) -> int:
        return 2 * self._itemsize * math.prod(self.shape)

    def address(self, part: int, row: int) -> int:
        return int(self._parts[part].data_ptr()) + row * self._itemsize * math.prod(self.shape[1:])

    def copy(self, source: DeviceMemory, source_row: int, row: int, length: int) -> None:
        for mine, theirs in zip(self._parts, source._parts, strict=True):
            values = np.array(mine.numpy())
            values[row, :, :length] = theirs.numpy()[source_row, :, :length]
            mine.update_inplace(values)

    def read(self, row: int, length: int) -> NDArray[Any]:
        return np.stack([part.numpy()[row, :, :length] for part in self._parts])


def device_value(shape: tuple[int, ...], dtype: type[np.generic], device: tuple[str, int]) -> OrtValue:
    """Allocate memory of a device, (kind, number), of which the content is not defined."""
    from onnxruntime import OrtValue

    return OrtValue.ortvalue_from_shape_and_type(list(shape), dtype, *device)


def lazy_zeros(*shape: int, dtype: type[np.generic]) -> NDArray[Any]:
    """Allocate lazily committed memory that is returned to the system when freed.

    An allocator would keep freed buffers, and fill the next one with zeros: slower, and all of it taken.
    """
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    memory = mmap.mmap(-1, max(np.dtype(dtype).itemsize * math.prod(shape), 1), **private)
    return np.frombuffer(memory, dtype, math.prod(shape)).reshape(shape)
