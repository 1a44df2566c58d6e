"""The ONNX Runtime engine: one session, over which any number of KV caches decode, each by itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError
from .base import Logits, check_ids
from .buffer import KV, Held, KVShape
from .slots import OrtSlots

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FIRST_CAPACITY = 512  # tokens of a cache; doubled when full, up to the context length
KEPT_LOGITS = 16  # positions: memory is taken by those that are used


def open_session(
    graph: Path | bytes, *, threads: int, patterns: bool, hint: str, folder: Path | None = None
) -> InferenceSession:
    """A session of ONNX Runtime on the CPU.

    Args:
        graph: a file, or what would be in it, whose weights lie in ``folder``.
        threads: 0 lets ONNX Runtime take one a physical core.
        patterns: keep a plan of the memory for every shape that is seen.

    Raises:
        ModelFileError: the graph cannot be loaded; ``hint`` says what to do.
    """
    import onnxruntime as ort

    # Once more, in case it was imported before this package could set the environment.
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_mem_pattern = patterns
    name = graph.name if isinstance(graph, Path) else "the graph with slots"
    folder = folder or (graph.parent if isinstance(graph, Path) else Path())
    if isinstance(graph, bytes):
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    try:
        source = str(graph) if isinstance(graph, Path) else graph
        return ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        raise ModelFileError(
            f"{folder.name}/{name} cannot be loaded: {str(error).splitlines()[0]:.300}", hint=hint
        ) from error


class OrtEngine:
    """Runs ``decoder.onnx`` (decoder/graph.py has its inputs and outputs). Implements :class:`~.base.Engine`.

    Args:
        path: the graph; its weights lie beside it.
        vocab_size, context_length: in tokens.
        cache_shape: layers, KV heads, head_dim.
        threads: 0 lets ONNX Runtime take one a physical core.

    Attributes:
        graph: what the session was made of, a file or what would be in it; its weights lie in ``folder``.
        inputs: of the session besides those of the decoder, the same in every call.
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
        self.vocab_size, self.context_length = vocab_size, context_length
        self.graph: Path | bytes = path
        self.folder, self.threads = path.parent, threads
        self.inputs: Mapping[str, NDArray[np.float32]] = {}
        self.shape = KVShape(*cache_shape)
        self.session = open_session(
            path,
            threads=threads,
            patterns=False,  # prompts have every length
            hint="remove the converted model and load it again: it is then converted anew",
        )

    def over(self, session: InferenceSession, graph: bytes) -> OrtEngine:
        """The same decoder over another session, of a graph that has more inputs."""
        other = copy.copy(self)
        other.session, other.graph = session, graph
        return other

    def with_inputs(self, inputs: Mapping[str, NDArray[np.float32]]) -> OrtEngine:
        """The same decoder with these inputs in every call: its session must have just these besides."""
        other = copy.copy(self)
        other.inputs = inputs
        return other

    def cache(self) -> OrtCache:
        """A cache for one sequence, empty."""
        return OrtCache(self.session, self.shape, self.vocab_size, self.context_length, self.inputs)

    def slots(self, rows: int) -> OrtSlots:
        """A cache of ``rows`` sequences, for batch.py."""
        return OrtSlots(
            self.session,
            self.shape,
            vocab_size=self.vocab_size,
            context_length=self.context_length,
            rows=rows,
            inputs=self.inputs,
        )


class OrtCache(Held):
    """The KV cache of one sequence. Implements :class:`~.base.Cache`."""

    def __init__(
        self,
        session: InferenceSession,
        shape: KVShape,
        vocab_size: int,
        context_length: int,
        inputs: Mapping[str, NDArray[np.float32]],
    ) -> None:
        super().__init__()
        self._vocab, self._context = vocab_size, context_length
        self._kv = KV(
            session,
            shape,
            vocab_size=vocab_size,
            context_length=context_length,
            rows=1,
            capacity=FIRST_CAPACITY,
            logits=KEPT_LOGITS,
            inputs=inputs,
        )

    @property
    def nbytes(self) -> int:
        return self._kv.nbytes

    def nbytes_for(self, length: int) -> int:
        return self._kv.nbytes_for(length)

    def reserve(self, length: int) -> None:
        self._kv.reserve(length)

    def take_over(self, source: OrtCache, length: int) -> None:
        self.rewind(0)
        self._kv.copy(source._kv, 0, 0, length)
        self.took_over(source.cached[:length])

    def extend(self, ids: Sequence[int], *, every: bool = False) -> Logits:
        n, before = len(ids), len(self.cached)
        total = check_ids(ids, before, vocab_size=self._vocab, context_length=self._context)
        at = np.arange(n, dtype=np.int64) if every else np.array([n - 1], np.int64)
        logits = self._kv.run(np.array([ids], np.int64), [total], at)
        # Only now: had the run been interrupted, the cache would still be what the list says.
        self.took(ids)
        return logits
