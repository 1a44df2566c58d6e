"""The engine for graphs that others exported: optimum, and the onnx-community's repositories on the Hub.

Their past is an input and their present a longer output: the cache is copied at every step, which our own
graphs avoid.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError, UnsupportedModel
from .base import Logits, check_ids
from .caches.kv_buffer import CacheContents, graph_errors
from .sessions.session import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, OrtValue

_PAST = re.compile(r"past_key_values\.(\d+)\.(key|value)$")
_FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_OTHERS = {"input_ids", "attention_mask", "position_ids", "use_cache_branch"}


class ExportedEngine:
    """Runs a decoder with past_key_values as inputs and present as outputs.

    Implements :class:`~.base.Engine`.

    Args:
        path: the graph.
        vocab_size, context_length: in tokens.
        threads: 0 lets ONNX Runtime take one a physical core.

    Raises:
        ModelFileError: the graph cannot be loaded. UnsupportedModel: it has inputs or outputs of another
            kind.
    """

    def __init__(self, path: Path, *, vocab_size: int, context_length: int, threads: int = 0) -> None:
        self.vocab_size, self.context_length = vocab_size, context_length
        self._session = open_session(
            path, threads=threads, patterns=True, hint="Fetch or export the model again."
        )
        self._inputs = {item.name: item for item in self._session.get_inputs()}
        self._empty = {
            name: self._empty_past(item) for name, item in self._inputs.items() if _PAST.match(name)
        }
        self._presents = {name: name.replace("past_key_values", "present") for name in self._empty}
        self._check(path.name)

    def cache(self) -> ExportedCache:
        """Return a cache for one sequence, empty."""
        return ExportedCache(
            self._session,
            set(self._inputs),
            self._empty,
            self._presents,
            self.vocab_size,
            self.context_length,
        )

    def _empty_past(self, value: Any) -> NDArray[Any]:
        """Return a past of no tokens: the batch is 1, the one other size that is not fixed counts tokens."""
        shape = [1, *value.shape[1:]]
        free = [axis for axis, size in enumerate(shape) if not isinstance(size, int)]
        if value.type not in _FLOATS or len(free) != 1:
            raise UnsupportedModel(
                f"the input {value.name} has type {value.type} and shape {value.shape}",
                hint="Export the model with optimum.",
            )
        shape[free[0]] = 0
        return np.zeros(shape, _FLOATS[value.type])

    def _check(self, name: str) -> None:
        outputs = {item.name for item in self._session.get_outputs()}
        unknown = set(self._inputs) - set(self._empty) - _OTHERS
        missing = {"logits", *self._presents.values()} - outputs
        if "input_ids" not in self._inputs or not self._empty or unknown or missing:
            odd = ", ".join(sorted(unknown)) or ", ".join(sorted(missing)) or "no past_key_values"
            raise UnsupportedModel(
                f"{name} is not a decoder with a cache as optimum exports it ({odd})",
                hint='Export it as "text-generation-with-past", or load its checkpoint instead.',
            )


class ExportedCache(CacheContents):
    """The KV cache of one sequence. Implements :class:`~.base.Cache`."""

    def __init__(
        self,
        session: InferenceSession,
        inputs: set[str],
        empty: dict[str, NDArray[Any]],
        presents: dict[str, str],
        vocab_size: int,
        context_length: int,
    ) -> None:
        super().__init__()
        self._session, self._inputs, self._empty, self._presents = session, inputs, empty, presents
        self._vocab, self._context = vocab_size, context_length
        # How many tokens the tensors hold, and the tensors by name: always assigned together.
        self._past: tuple[int, dict[str, OrtValue]] = (0, {})
        self._token_bytes = sum(
            array.itemsize * int(np.prod([size for size in array.shape if size])) for array in empty.values()
        )

    @property
    def nbytes(self) -> int:
        return self._past[0] * self._token_bytes

    def nbytes_for(self, length: int) -> int:
        return length * self._token_bytes

    def reserve(self, length: int) -> None:
        """Do nothing: the tensors grow with their contents."""

    def copy_prefix_from(self, source: ExportedCache, length: int) -> None:
        self.truncate(0)
        self._past = length, source._truncate_to(length)
        self.adopt(source.cached[:length])

    def extend(self, ids: Sequence[int], *, all_logits: bool = False) -> Logits:
        from onnxruntime import OrtValue

        n, before = len(ids), len(self.cached)
        total = check_ids(ids, before, vocab_size=self._vocab, context_length=self._context)
        past = self._truncate_to(before)
        feeds = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, total), np.int64),
            "position_ids": np.arange(before, total, dtype=np.int64)[None],
            "use_cache_branch": np.array([before > 0]),
        }
        bind = self._session.io_binding()
        names = ["logits", *self._presents.values()]
        with graph_errors():
            for name, array in feeds.items():
                if name in self._inputs:
                    bind.bind_cpu_input(name, array)
            for name, empty in self._empty.items():
                bind.bind_ortvalue_input(name, past.get(name) or OrtValue.ortvalue_from_numpy(empty))
            for name in names:
                bind.bind_output(name, "cpu")
            self._session.run_with_iobinding(bind)
        out = dict(zip(names, bind.get_outputs(), strict=True))
        logits: NDArray[Any] = out["logits"].numpy()[0]
        if logits.shape != (n, self._vocab):
            raise ModelFileError(
                f"the graph's logits have shape {logits.shape}, not {(n, self._vocab)}",
                hint="Use the config.json of this model.",
            )
        self._past = total, {name: out[present] for name, present in self._presents.items()}
        self.append(ids)
        return np.asarray(logits if all_logits else logits[-1:], np.float32)

    def _truncate_to(self, length: int) -> dict[str, OrtValue]:
        """Return the tensors of the first ``length`` tokens."""
        from onnxruntime import OrtValue

        length_so_far, past = self._past
        if length_so_far == length:
            return past
        if length == 0:
            return {}
        cut = {}
        for name, value in past.items():
            axis = self._empty[name].shape.index(0)
            part = value.numpy()[(slice(None),) * axis + (slice(length),)]
            cut[name] = OrtValue.ortvalue_from_numpy(np.ascontiguousarray(part))
        return cut
