"""Keys and values of sequences: what is held, and the buffer that ONNX Runtime reads and writes in place.

An interrupt may come between any two lines of this file. What is noted is therefore never more than what is
so: lengths shrink before tokens go and grow after they came, and a buffer is bound before a call unless it is
known to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelFileError
from ..base import Logits
from ..device import CPU, Device
from .captured_step import CapturedStep, graph_options
from .kv_memory import DeviceMemory, DType, HostMemory, KVMemory, lazy_zeros
from .recurrent_state import RecurrentStates

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, IOBinding


class CacheContents:
    """Which tokens a cache holds, and how many leading ones are settled (``Cache.settled``)."""

    def __init__(self) -> None:
        self.cached: list[int] = []
        self.reusable_length = 0

    def reusable_at(self, length: int) -> int:
        """Return the last place up to ``length`` from which the cache can go on at no cost."""
        return length

    def truncate(self, length: int) -> None:
        self.reusable_length = min(self.reusable_length, length)
        del self.cached[length:]

    def append(self, ids: Sequence[int]) -> None:
        """Note what one call has appended."""
        before = len(self.cached)
        self.cached.extend(ids)
        if len(ids) > 1 and self.reusable_length == before:
            self.reusable_length = before + len(ids)

    def adopt(self, ids: Sequence[int]) -> None:
        """Note settled tokens that were copied from another cache into this one, which held none."""
        self.cached.extend(ids)
        self.reusable_length = len(ids)


class graph_errors:  # used as a function; a class is the quickest context manager
    """What ONNX Runtime says of a graph that fails, as a ModelFileError.

    Its exceptions share no base class.
    """

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise ModelFileError(
                f"the model's graph fails: {str(error).splitlines()[0]:.300}",
                hint="Convert the model again: the graph does not match model.json or the weights.",
            ) from error


@dataclass(frozen=True, slots=True)
class KVShape:
    """What is cached of one token: floats of four bytes, unless keys and values are quantized.

    Attributes:
        sizes: heads and head_dim of each cache of keys and values.
        sources: of each layer with attention, which of these caches it reads and writes: layers that share
            keys and values write the same ones to the same place.
        conv_layers, conv_width: of the inputs of short convolutions.
        conv_past: how many earlier tokens a convolution sees.
        state_layers, state_heads, state_value, state_key: of the states of recurrent layers, which are there
            once a sequence.
        state_conv_width, state_conv_past: of the inputs of their convolutions, as far as they see.
        number_format: of keys and values: float32, float16 or int8.
    """

    sizes: tuple[tuple[int, int], ...]
    sources: tuple[int, ...]
    conv_layers: int = 0
    conv_width: int = 0
    conv_past: int = 0
    state_layers: int = 0
    state_heads: int = 0
    state_value: int = 0
    state_key: int = 0
    state_conv_width: int = 0
    state_conv_past: int = 0
    number_format: Literal["float32", "float16", "int8"] = "float32"

    @property
    def dtype(self) -> DType:
        """Return the type of keys and values."""
        formats: dict[str, DType] = {"float32": np.float32, "float16": np.float16, "int8": np.int8}
        return formats[self.number_format]

    def states(self, rows: int) -> RecurrentStates | None:
        """Allocate the states of ``rows`` sequences; None where no layer is recurrent."""
        if not self.state_layers:
            return None
        size = self.state_heads, self.state_value, self.state_key
        return RecurrentStates(self.state_layers, size, (self.state_conv_past, self.state_conv_width), rows)

    @property
    def state_bytes(self) -> int:
        """Return the bytes of the states of one sequence."""
        state = self.state_heads * self.state_value * self.state_key
        return 4 * self.state_layers * (state + self.state_conv_width * self.state_conv_past)

    @property
    def token_bytes(self) -> int:
        keys = sum(heads * head_dim for heads, head_dim in self.sizes)
        return 2 * keys * np.dtype(self.dtype).itemsize + 4 * self.conv_layers * self.conv_width


class KVBuffer:
    """A buffer for ``rows`` sequences, bound to a session as the past and the present of every layer.

    Memory that no row has reached yet is not taken from the system. The buffer doubles when a row is full.

    Args:
        session: of decoder.onnx (decoder/graph.py says which inputs and outputs it has); others may use it
            too.
        vocab_size, context_length: in tokens.
        capacity: tokens a row at first.
        logits: of so many positions, a scratch array is kept.
        device: of the session: there lie keys and values.
        captures: replay a step of one token as a CUDA graph; the buffer has one row.
        inputs: of the session besides, the same in every call.
    """

    def __init__(
        self,
        session: InferenceSession,
        shape: KVShape,
        *,
        vocab_size: int,
        context_length: int,
        rows: int,
        capacity: int,
        logits: int,
        inputs: Mapping[str, NDArray[np.float32]],
        device: Device = CPU,
        captures: bool = False,
    ) -> None:
        self._session, self._binding, self._shape = session, session.io_binding(), shape
        self._captures = captures
        self._step: CapturedStep | None = None
        self._options = None if device.kind == "cpu" else graph_options()  # what is not captured
        self._context, self._vocab, self._device = context_length, vocab_size, device
        self._keys_values, self._conv = self._allocate(rows, min(capacity, context_length))
        self._logits: Logits = np.empty((logits, vocab_size), np.float32)
        self._lengths = [0] * rows  # tokens of each row that are worth keeping when the buffer grows
        self._inputs = inputs  # kept: what is bound by its address keeps nothing alive
        self._conv_past: NDArray[np.float32] | None = None  # kept too
        self.states = shape.states(rows)
        for name, array in inputs.items():
            self._binding.bind_input(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        self._bound: tuple[int, int] | None = None  # the first row that is bound, and how many

    @property
    def nbytes(self) -> int:
        caches = sum(array.nbytes for array in self._keys_values)
        return caches + self._conv.nbytes + (self.states.nbytes if self.states else 0)

    @property
    def capacity(self) -> int:
        """Return tokens a row."""
        return self._keys_values[0].shape[2]

    def nbytes_for(self, length: int) -> int:
        """Return what the buffer comes to when a row has ``length`` tokens, in bytes."""
        states = self.states.nbytes if self.states else 0
        return (self.nbytes - states) // self.capacity * self._capacity_for(length) + states

    def reserve(self, length: int) -> None:
        """Make room for ``length`` tokens a row; what the rows hold stays."""
        if length <= self.capacity:
            return
        old, old_conv, past = self._keys_values, self._conv, self._shape.conv_past
        new, new_conv = self._allocate(len(self._lengths), self._capacity_for(length))
        for row, count in enumerate(self._lengths):
            for layer, memory in enumerate(new):
                memory.copy(old[layer], row, row, count)
            new_conv[:, row, past : past + count] = old_conv[:, row, past : past + count]
        self._bound = self._step = None  # first: what is bound is about to be freed
        self._keys_values, self._conv = new, new_conv

    def copy(self, source: KVBuffer, source_row: int, row: int, length: int) -> None:
        """Make the first ``length`` tokens of a row those of ``source``, which may be this buffer."""
        self.reserve(length)
        for layer, memory in enumerate(self._keys_values):
            memory.copy(source._keys_values[layer], source_row, row, length)
        end = self._shape.conv_past + length
        self._conv[:, row, self._shape.conv_past : end] = source._conv[
            :, source_row, self._shape.conv_past : end
        ]
        if self.states and source.states:
            self.states.copy(source.states, source_row, row, length)
        self._lengths[row] = length

    def keys_values(self, row: int) -> list[NDArray[Any]]:
        """Return the keys and values of a row: of each cache (2, KV heads, tokens, cache_dim)."""
        return [memory.read(row, self._lengths[row]) for memory in self._keys_values]

    def run(
        self,
        ids: NDArray[np.int64],
        totals: Sequence[int],
        at: NDArray[np.int64],
        *,
        first: int = 0,
        taps: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> Logits:
        """Run one call over some rows.

        Args:
            ids: (rows, S), what is appended to the rows from ``first`` on.
            totals: how long each of them is after it.
            at: (P,), the positions of S after which logits are wanted.
            first: the first row of the buffer.
            taps: further outputs of the graph, and where they go.

        Returns:
            Float32 (rows · P, vocab), valid until the next call.
        """
        rows, longest = len(ids), max(totals)
        self.reserve(longest)
        if self._captures and ids.shape == (1, 1) and len(at) == 1 and longest > 1 and not taps:
            return self._replay(int(ids[0, 0]), longest)
        self._bind(first, rows)
        count = rows * len(at)
        out = (
            self._logits[:count] if count <= len(self._logits) else np.empty((count, self._vocab), np.float32)
        )
        bind = self._binding
        with graph_errors():
            bind.bind_cpu_input("input_ids", ids)
            bind.bind_cpu_input("seqlens_k", np.array(totals, np.int32) - np.int32(1))
            bind.bind_cpu_input("total_length", np.array(longest, np.int32))
            bind.bind_cpu_input("logits_at", at)
            bind.bind_output("logits", "cpu", 0, np.float32, (rows, len(at), self._vocab), out.ctypes.data)
            convolved = self._bind_convolutions(first, totals, ids.shape[1])
            if self.states:
                self.states.bind(bind, first, rows)
            for name, array in (taps or {}).items():
                bind.bind_output(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
            self._session.run_with_iobinding(bind, self._options)
        if self.states:
            self.states.note(first, totals, ids.shape[1])
        if convolved is not None:
            begin = self._shape.conv_past - ids.shape[1]
            for row, total in enumerate(totals):
                self._conv[:, first + row, begin + total : self._shape.conv_past + total] = convolved[:, row]
        self._lengths[first : first + rows] = totals
        return out

    def _replay(self, token: int, total: int) -> Logits:
        """Append a token to the only row by the captured step."""
        with graph_errors():
            if self._step is None:
                self._step = CapturedStep(
                    self._session,
                    self._keys_values[0].device,
                    vocab_size=self._vocab,
                    capacity=self.capacity,
                    bind_cache=lambda binding: self._bind_cache(binding, 0, 1),
                )
            logits = self._step.run(token, total)
        self._lengths[0] = total
        return logits

    def _allocate(self, rows: int, capacity: int) -> tuple[list[KVMemory], NDArray[np.float32]]:
        """Return keys and values of each cache, and the inputs of convolutions.

        Before these stand as many zeros as a convolution sees.
        """
        shape, device = self._shape, self._device

        def memory(heads: int, head_dim: int) -> KVMemory:
            size = rows, heads, capacity, head_dim
            if device.kind == "cpu":
                return HostMemory(size, shape.dtype)
            return DeviceMemory(size, shape.dtype, (device.kind, device.index))

        conv = shape.conv_layers, rows, shape.conv_past + capacity, shape.conv_width
        return [memory(*size) for size in shape.sizes], lazy_zeros(*conv, dtype=np.float32)

    def _capacity_for(self, length: int) -> int:
        capacity = self.capacity
        while capacity < length:
            capacity *= 2
        return min(capacity, max(self._context, self.capacity))

    def _bind_convolutions(
        self, first: int, totals: Sequence[int], length: int
    ) -> NDArray[np.float32] | None:
        """Bind past and present of every convolution.

        Args:
            first: the first row.
            totals: how long each row is after the call.
            length: how many tokens the call appends to each.

        Returns:
            Where the present goes, (layers, rows, length, width); None where that is the buffer itself.
        """
        shape, rows = self._shape, len(totals)
        if not shape.conv_layers:
            return None
        past = (rows, shape.conv_past, shape.conv_width)
        present = (rows, length, shape.conv_width)
        if rows == 1:  # a stretch of the row, and the stretch behind it
            begin = totals[0] - length
            stretch = self._conv[:, first, begin:]
            inputs, outputs, result = stretch, stretch[:, shape.conv_past :], None
        else:
            begins = [total - length for total in totals]
            inputs = self._conv_past = np.stack(
                [self._conv[:, first + row, n : n + shape.conv_past] for row, n in enumerate(begins)], axis=1
            )
            outputs = result = np.empty((shape.conv_layers, *present), np.float32)
        for layer in range(shape.conv_layers):
            bind = self._binding
            bind.bind_input(f"past_conv.{layer}", "cpu", 0, np.float32, past, inputs[layer].ctypes.data)
            bind.bind_output(
                f"present_conv.{layer}", "cpu", 0, np.float32, present, outputs[layer].ctypes.data
            )
        return result

    def _bind(self, first: int, rows: int) -> None:
        """Make past and present of every layer the rows from ``first`` on."""
        if self._bound == (first, rows):
            return
        self._bound = None
        self._bind_cache(self._binding, first, rows)
        self._bound = (first, rows)

    def _bind_cache(self, binding: IOBinding, first: int, rows: int) -> None:
        dtype = self._shape.dtype
        for layer, source in enumerate(self._shape.sources):
            memory = self._keys_values[source]
            shape = (rows, *memory.shape[1:])
            for index, part in enumerate(("key", "value")):
                address = memory.address(index, first)
                binding.bind_input(f"past_{part}.{layer}", *memory.device, dtype, shape, address)
                binding.bind_output(f"present_{part}.{layer}", *memory.device, dtype, shape, address)
