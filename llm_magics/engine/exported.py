"""The engine for graphs that others exported: optimum, and the onnx-community's repositories on the Hub.

Their past is an input and their present a longer output: the cache is copied at every step, which our own
    graphs avoid.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError, UnsupportedModel
from .base import Logits, check_ids

_PAST = re.compile(r"past_key_values\.(\d+)\.(key|value)$")
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_OTHERS = {"input_ids", "attention_mask", "position_ids", "use_cache_branch"}


class ExportedEngine:
    """Runs a decoder with past_key_values as inputs and present as outputs. Implements
    :class:`~.base.Engine`.

    Args:
        path: the graph.
        vocab_size, context_length: in tokens.
        threads: 0 lets ONNX Runtime take one a physical core.

    Raises:
        ModelFileError: the graph cannot be loaded. UnsupportedModel: it has inputs or outputs of another
            kind.
    """

    def __init__(self, path: Path, *, vocab_size: int, context_length: int, threads: int = 0) -> None:
        import onnxruntime as ort

        # once more, in case it was imported before this package could set the environment
        ort.disable_telemetry_events()
        self.vocab_size, self.context_length = vocab_size, context_length
        self.owner: object | None = None
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions share no public base class
            raise ModelFileError(
                f"{path.name} cannot be loaded: {str(error).splitlines()[0]:.300}",
                hint="fetch or export the model again",
            ) from error
        self._inputs = {each.name: each for each in self._session.get_inputs()}
        self._empty = {
            name: self._empty_past(each) for name, each in self._inputs.items() if _PAST.match(name)
        }
        self._presents = {name: name.replace("past_key_values", "present") for name in self._empty}
        self._check(path.name)
        self._past: dict[str, Any] = {}  # name → OrtValue, of len(self._held) tokens
        self._held: list[int] = []
        self._cached: list[int] = []
        self._settled = 0

    @property
    def cached(self) -> Sequence[int]:
        return self._cached

    @property
    def settled(self) -> int:
        return self._settled

    @property
    def cache_bytes(self) -> int:
        """Bytes of the KV cache."""
        return sum(
            int(np.prod(value.shape())) * self._empty[name].itemsize for name, value in self._past.items()
        )

    def rewind(self, length: int) -> None:
        del self._cached[length:]  # the cache itself is cut when the next tokens come
        self._settled = min(self._settled, length)

    def extend(self, ids: Sequence[int], *, every: bool = False) -> Logits:
        import onnxruntime as ort

        n, before = len(ids), len(self._cached)
        total = check_ids(ids, before, vocab_size=self.vocab_size, context_length=self.context_length)
        self._cut(before)
        feeds = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, total), np.int64),
            "position_ids": np.arange(before, total, dtype=np.int64)[None],
            "use_cache_branch": np.array([before > 0]),
        }
        bind = self._session.io_binding()
        for name, array in feeds.items():
            if name in self._inputs:
                bind.bind_cpu_input(name, array)
        for name, empty in self._empty.items():
            bind.bind_ortvalue_input(name, self._past.get(name) or ort.OrtValue.ortvalue_from_numpy(empty))
        names = ["logits", *self._presents.values()]
        for name in names:
            bind.bind_output(name, "cpu")
        self._session.run_with_iobinding(bind)
        out = dict(zip(names, bind.get_outputs(), strict=True))
        self._past = {name: out[present] for name, present in self._presents.items()}
        if n > 1 and self._settled == before:
            self._settled = total
        self._cached.extend(ids)
        self._held = list(self._cached)
        logits: NDArray[Any] = out["logits"].numpy()[0]
        if logits.shape != (n, self.vocab_size):
            raise ModelFileError(
                f"the graph's logits have shape {logits.shape}, not {(n, self.vocab_size)}",
                hint="its config.json is another's",
            )
        return np.asarray(logits if every else logits[-1:], np.float32)

    def _cut(self, length: int) -> None:
        """Make the cache as long as ``cached`` says."""
        import onnxruntime as ort

        if len(self._held) == length:
            return
        if length == 0:
            self._past = {}
        else:
            for name, value in self._past.items():
                array = value.numpy()
                axis = self._empty[name].shape.index(0)
                cut = array[(slice(None),) * axis + (slice(length),)]
                self._past[name] = ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(cut))
        del self._held[length:]

    def _empty_past(self, value: Any) -> NDArray[Any]:
        """A past of no tokens: the batch is 1, the one other size that is not fixed counts tokens."""
        shape = [1, *value.shape[1:]]
        free = [axis for axis, size in enumerate(shape) if not isinstance(size, int)]
        if value.type not in _FLOATS or len(free) != 1:
            raise UnsupportedModel(
                f"the input {value.name} has type {value.type} and shape {value.shape}",
                hint="export the model with optimum",
            )
        shape[free[0]] = 0
        return np.zeros(shape, _FLOATS[value.type])

    def _check(self, name: str) -> None:
        outputs = {each.name for each in self._session.get_outputs()}
        unknown = set(self._inputs) - set(self._empty) - _OTHERS
        missing = {"logits", *self._presents.values()} - outputs
        if "input_ids" not in self._inputs or not self._empty or unknown or missing:
            odd = ", ".join(sorted(unknown)) or ", ".join(sorted(missing)) or "no past_key_values"
            raise UnsupportedModel(
                f"{name} is no decoder with a cache as optimum exports it ({odd})",
                hint='export it as "text-generation-with-past", or name its checkpoint instead',
            )
