"""One decoding step that a card replays as a CUDA graph: one launch in place of some hundred.

ONNX Runtime records the kernels of a call, and replays them in later calls of the same ``gpu_graph_id`` (its
CUDA provider's ``enable_cuda_graph``,
https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#using-cuda-graphs-preview).
Addresses, shapes and what a kernel reads on the host are then those of the first call. The step therefore
reads its token and its length from the card, and ``total_length``, which GroupQueryAttention reads on the
host, is the capacity: an upper bound of the length.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...core.sampling import log_softmax
from ...errors import LLMMagicsError
from ..base import Cache, Logits
from .kv_memory import device_value

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, IOBinding, RunOptions

MOST_DIFFERENCE = 1e-3  # KL in nats: another upper bound of the length may split sums in another way
_NOT_CAPTURED = -1  # a gpu_graph_id: the call is neither recorded nor replayed
_ids = itertools.count(1)  # 0 is reserved; never one twice, so that no graph is replayed over freed memory


def graph_options(graph_id: int = _NOT_CAPTURED) -> RunOptions:
    """Return options of a call: of the step with this id, or of a call that is not to be captured."""
    from onnxruntime import RunOptions

    options = RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph_id))
    return options


class CapturedStep:
    """A step of one token in one sequence, over fixed memory.

    Args:
        session: of decoder.onnx; it captures CUDA graphs.
        device: the kind and number of the device.
        vocab_size: of the model.
        capacity: of the KV buffer, in tokens.
        bind_cache: binds keys and values. They must stay where they are as long as the step is used.
    """

    def __init__(
        self,
        session: InferenceSession,
        device: tuple[str, int],
        *,
        vocab_size: int,
        capacity: int,
        bind_cache: Callable[[IOBinding], None],
    ) -> None:
        self._session, self._binding = session, session.io_binding()
        self._token = device_value((1, 1), np.int64, device)
        self._last = device_value((1,), np.int32, device)
        self._logits = device_value((1, 1, vocab_size), np.float32, device)
        at = device_value((1,), np.int64, device)
        at.update_inplace(np.zeros(1, np.int64))
        bind = self._binding
        bind.bind_ortvalue_input("input_ids", self._token)
        bind.bind_ortvalue_input("seqlens_k", self._last)
        bind.bind_ortvalue_input("logits_at", at)
        bind.bind_cpu_input("total_length", np.array(capacity, np.int32))
        bind.bind_ortvalue_output("logits", self._logits)
        bind_cache(bind)
        graph_id = next(_ids)
        self._options = graph_options(graph_id)
        release: Callable[[int], Any] | None = getattr(session, "release_captured_graph", None)
        if release is not None:  # ONNX Runtime 1.32 and newer
            weakref.finalize(self, release, graph_id)

    def run(self, token: int, total: int) -> Logits:
        """Append a token to the sequence.

        Args:
            token: its id.
            total: the length of the sequence after it.

        Returns:
            Float32 (1, vocab).
        """
        self._token.update_inplace(np.array([[token]], np.int64))
        self._last.update_inplace(np.array([total - 1], np.int32))
        self._session.run_with_iobinding(self._binding, self._options)
        logits: Logits = self._logits.numpy()
        return logits.reshape(1, -1)


class CapturingEngine(Protocol):
    """An engine of which the caches replay their steps: :class:`~..ort.OrtEngine`."""

    def cache(self) -> Cache: ...

    def without_capture(self) -> CapturingEngine: ...


def replay_problem(engine: CapturingEngine) -> str:
    """Return what is wrong with the steps that an engine replays; empty where they are those of its kernels.

    They are compared behind prompts of two lengths.
    """
    captured, plain = engine.cache(), engine.without_capture().cache()
    for prompt in (list(range(1, 9)), list(range(2, 40))):
        captured.truncate(0)
        plain.truncate(0)
        for ids in (prompt, [3], [5], [7], [3]):
            expected = log_softmax(plain.extend(ids)[-1], np.float64)
            try:
                logprobs = log_softmax(captured.extend(ids)[-1], np.float64)
            except LLMMagicsError as error:
                return error.message
            difference = float((np.exp(expected) * (expected - logprobs)).sum())
            if not difference < MOST_DIFFERENCE:  # also where it is no number
                return f"its answers differ (KL {difference:.2g})"
    return ""
