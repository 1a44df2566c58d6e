"""The ONNX Runtime engine: one session, over which any number of KV caches decode, each by itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from .base import Logits, check_ids
from .caches.batch_cache import OrtBatchCache
from .caches.kv_buffer import CacheContents, KVBuffer, KVShape
from .device import CPU, Device
from .prefill import chunk_ends
from .sessions.session import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FIRST_CAPACITY = 512  # tokens of a cache; doubled when full, up to the context length
REPLAYED = 512  # tokens a call that are computed anew behind a checkpoint
KEPT_LOGITS = 16  # positions: memory is taken by those that are used


class OrtEngine:
    """Runs ``decoder.onnx`` (decoder/graph.py has its inputs and outputs). Implements :class:`~.base.Engine`.

    Args:
        path: the graph; its weights lie next to it.
        vocab_size, context_length: in tokens.
        cache_shape: the fields of :class:`KVShape`.
        threads: 0 lets ONNX Runtime take one a physical core.
        graph: what is opened in place of ``path``, next to the same weights: a decoder with another KV cache.
        number_format: of the KV cache of that graph.
        device: where it runs.
        cuda_graph: on a card, replay the steps of one sequence as a CUDA graph.

    Attributes:
        graph: what the session was made of, a file or what would be in it; its weights lie in ``folder``.
        inputs: of the session besides those of the decoder, the same in every call.
        captures: whether caches of one sequence replay their steps as a CUDA graph.
    """

    def __init__(
        self,
        path: Path,
        *,
        vocab_size: int,
        context_length: int,
        cache_shape: tuple[Any, ...],
        threads: int = 0,
        graph: bytes | None = None,
        number_format: Literal["float32", "float16", "int8"] = "float32",
        device: Device = CPU,
        cuda_graph: bool = False,
    ) -> None:
        self.captures = cuda_graph
        self.vocab_size, self.context_length = vocab_size, context_length
        self.graph: Path | bytes = path if graph is None else graph
        self.folder, self.threads, self.device = path.parent, threads, device
        self.inputs: Mapping[str, NDArray[np.float32]] = {}
        self.shape = replace(KVShape(*cache_shape), number_format=number_format)
        self.session = open_session(
            self.graph,
            folder=self.folder,
            threads=threads,
            patterns=False,  # prompts have every length
            hint="Remove the converted model and load it again: it is then converted anew.",
            device=device,
            cuda_graph=cuda_graph,
        )

    def over(self, session: InferenceSession, graph: bytes) -> OrtEngine:
        """Return the same decoder over another session, of a graph that has more inputs."""
        other = copy.copy(self)
        other.session, other.graph, other.captures = session, graph, False
        return other

    def with_inputs(self, inputs: Mapping[str, NDArray[np.float32]]) -> OrtEngine:
        """Return the same decoder with these inputs in every call.

        Its session must have just these besides.
        """
        other = copy.copy(self)
        other.inputs = inputs
        return other

    def without_capture(self) -> OrtEngine:
        """Return the same decoder, of which no step is replayed as a CUDA graph."""
        other = copy.copy(self)
        other.captures = False
        return other

    def buffer(
        self, *, rows: int, capacity: int, logits: int, session: InferenceSession | None = None
    ) -> KVBuffer:
        """Allocate a KV buffer for this decoder.

        Args:
            rows: the number of sequences.
            capacity: tokens per sequence; the buffer grows when one is full.
            logits: the most rows of logits that one call returns.
            session: a session of the same decoder with other outputs; None is the engine's own.
        """
        return KVBuffer(
            session or self.session,
            self.shape,
            vocab_size=self.vocab_size,
            context_length=self.context_length,
            rows=rows,
            capacity=capacity,
            logits=logits,
            inputs=self.inputs,
            device=self.device,
            captures=self.captures and rows == 1 and session is None,
        )

    def cache(self) -> OrtCache:
        """Return an empty cache for one sequence."""
        return OrtCache(self)

    def batch_cache(self, rows: int) -> OrtBatchCache:
        """Return a cache of ``rows`` sequences, for batch.py."""
        return OrtBatchCache(self, rows)


class OrtCache(CacheContents):
    """The KV cache of one sequence. Implements :class:`~.base.Cache`."""

    def __init__(self, engine: OrtEngine) -> None:
        super().__init__()
        self._vocab, self._context = engine.vocab_size, engine.context_length
        self._kv = engine.buffer(rows=1, capacity=FIRST_CAPACITY, logits=KEPT_LOGITS)

    @property
    def nbytes(self) -> int:
        return self._kv.nbytes

    def nbytes_for(self, length: int) -> int:
        return self._kv.nbytes_for(length)

    def reserve(self, length: int) -> None:
        self._kv.reserve(length)

    def reusable_at(self, length: int) -> int:
        states = self._kv.states
        return states.checkpoint_before(0, length) if states else length

    def keys_values(self) -> list[NDArray[Any]]:
        """Return views of the keys and values: of each cache (2, KV heads, tokens, cache_dim)."""
        return self._kv.keys_values(0)

    def truncate(self, length: int) -> None:
        if self._kv.states:
            self._kv.states.forget(0, length)
        super().truncate(length)

    def copy_prefix_from(self, source: OrtCache, length: int) -> None:
        self.truncate(0)
        self._kv.copy(source._kv, 0, 0, length)
        self.adopt(source.cached[:length])

    def extend(self, ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        n, before = len(ids), len(self.cached)
        total = check_ids(ids, before, vocab_size=self._vocab, context_length=self._context)
        at = np.arange(n, dtype=np.int64) if all_logits else np.array([n - 1], np.int64)
        self._restore_state(before)
        logits = self._kv.run(np.array([ids], np.int64), [total], at)
        # Only now: had the run been interrupted, the cache would still be what the list says.
        self.append(ids)
        return logits

    def _restore_state(self, length: int) -> None:
        """Bring the state of recurrent layers to the end of what is cached, from a checkpoint on."""
        states = self._kv.states
        if states is None or states.is_at(0, length):
            return
        begin, last = states.restore(0, length), np.zeros(1, np.int64)
        for end in chunk_ends(begin, length, REPLAYED):
            self._kv.run(np.array([self.cached[begin:end]], np.int64), [end], last)
            begin = end
