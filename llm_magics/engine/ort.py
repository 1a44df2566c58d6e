"""The ONNX Runtime engine: one session, one KV buffer that past and present share and that grows in steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from .base import Logits, check_ids
from .slots import OrtSlots

FIRST_CAPACITY = 512  # tokens; doubled when full, up to the context length
KEPT_ROWS = 16  # of logits: memory is taken by those that are used


class OrtEngine:
    """Runs ``decoder.onnx`` (see decoder/graph.py for its inputs and outputs). Implements
    :class:`~.base.Engine`.

    Args:
        path: the graph; its weights lie beside it.
        vocab_size, context_length: in tokens.
        cache_shape: layers, KV heads, head_dim.
        threads: 0 lets ONNX Runtime take one a physical core.
    """

    def __init__(
        self,
        path: Path,
        *,
        vocab_size: int,
        context_length: int,
        cache_shape: tuple[int, int, int],
        threads: int = 0,
    ) -> None:
        import onnxruntime as ort

        # once more, in case it was imported before this package could set the environment
        ort.disable_telemetry_events()
        self.vocab_size, self.context_length = vocab_size, context_length
        self.owner: object | None = None
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        options.enable_mem_pattern = False  # patterns are kept for every prompt length ever seen
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            raise ModelFileError(
                f"{path.parent.name}/{path.name} cannot be loaded: {str(error).splitlines()[0]}",
                hint="remove the converted model and load it again: it is then converted anew",
            ) from error
        self._binding = self._session.io_binding()
        self._cached: list[int] = []
        self._settled = 0
        self._layers, self._kv_heads, self._head_dim = cache_shape
        self._kv = self._allocate(min(FIRST_CAPACITY, context_length))
        self._logits: Logits = np.empty((KEPT_ROWS, vocab_size), np.float32)

    @property
    def cached(self) -> Sequence[int]:
        return self._cached

    @property
    def settled(self) -> int:
        return self._settled

    @property
    def cache_bytes(self) -> int:
        """Bytes of the KV buffer."""
        return self._kv.nbytes

    def slots(self, rows: int) -> OrtSlots:
        """A cache of ``rows`` sequences of their own, for batch.py; this engine's own sequence stays as it
        is.
        """
        return OrtSlots(
            self._session,
            vocab_size=self.vocab_size,
            context_length=self.context_length,
            rows=rows,
            cache_shape=(self._layers, self._kv_heads, self._head_dim),
        )

    def rewind(self, length: int) -> None:
        del self._cached[length:]
        self._settled = min(self._settled, length)

    def extend(self, ids: Sequence[int], *, every: bool = False) -> Logits:
        n, before = len(ids), len(self._cached)
        total = check_ids(ids, before, vocab_size=self.vocab_size, context_length=self.context_length)
        if total > self._kv.shape[3]:
            self._grow(total)
        at = np.arange(n, dtype=np.int64) if every else np.array([n - 1], np.int64)
        logits = (
            self._logits[: len(at)]
            if len(at) <= KEPT_ROWS
            else np.empty((len(at), self.vocab_size), np.float32)
        )
        bind = self._binding
        bind.bind_cpu_input("input_ids", np.array([ids], np.int64))
        bind.bind_cpu_input("seqlens_k", np.array([total - 1], np.int32))
        bind.bind_cpu_input("total_length", np.array(total, np.int32))
        bind.bind_cpu_input("logits_at", at)
        bind.bind_output("logits", "cpu", 0, np.float32, (1, *logits.shape), logits.ctypes.data)
        self._session.run_with_iobinding(bind)
        # Only now: had the run been interrupted, the cache would still be what the list says, and be
        # overwritten next time.
        if n > 1 and self._settled == before:
            self._settled = total
        self._cached.extend(ids)
        return logits

    def _allocate(self, capacity: int) -> NDArray[np.float32]:
        """A KV buffer ``(layers, 2, KV heads, capacity, head_dim)``, bound as the past and the present of
        every layer.
        """
        kv = np.zeros((self._layers, 2, self._kv_heads, capacity, self._head_dim), np.float32)
        shape = (1, self._kv_heads, capacity, self._head_dim)
        for layer in range(self._layers):
            for index, part in enumerate(("key", "value")):
                address = kv[layer, index].ctypes.data
                self._binding.bind_input(f"past_{part}.{layer}", "cpu", 0, np.float32, shape, address)
                self._binding.bind_output(f"present_{part}.{layer}", "cpu", 0, np.float32, shape, address)
        return kv

    def _grow(self, needed: int) -> None:
        capacity = self._kv.shape[3]
        while capacity < needed:
            capacity *= 2
        used, old = len(self._cached), self._kv
        self._kv = self._allocate(min(capacity, self.context_length))
        self._kv[:, :, :, :used] = old[:, :, :, :used]
