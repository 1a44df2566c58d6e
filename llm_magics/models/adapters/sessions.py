"""A model with an adapter: a second session over the same weights file, with inputs for the adapter.

The model itself is not touched. Each adapter with its strength is an engine of its own over that session,
with KV caches of its own, so answers with several adapters can be made in turns or side by side.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ...decoder.spec import DecoderSpec
from ...engine.ort import OrtEngine
from ...engine.sessions.session import open_session
from .lora import Adapter, Array, LoraPair
from .roles import shape_of
from .targets import Place, stack_pairs, to_layer_roles

_KEPT = 3  # adapters that are held ready; reading one into the slots takes some 20 ms


class LoraSessions:
    """The sessions with slots of one model, and the adapters that were put into them.

    Args:
        folder: of the converted model.
        engine: of the model itself.
        threads: as the model's.
        variant: gives a graph the number formats of the model; None where it is as it was converted.
    """

    def __init__(
        self,
        folder: Path,
        spec: DecoderSpec,
        engine: OrtEngine,
        *,
        threads: int,
        variant: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self.spec, self._variant = spec, variant
        self._folder, self._engine, self._threads = folder, engine, threads
        self._sessions: list[tuple[frozenset[Place], OrtEngine, list[tuple[int, str]]]] = []
        self._cache: OrderedDict[int, tuple[Adapter, Mapping[str, Array], OrtEngine]] = OrderedDict()
        self._lock = threading.Lock()

    def engine(self, adapter: Adapter, strength: float) -> OrtEngine:
        """Return the decoder with what the adapter adds, times ``strength``.

        Raises:
            UnsupportedModel: the adapter does not fit this model. ModelFileError: the graph is damaged.
        """
        inputs, engine = self._with_inputs(adapter)
        if strength == 0:  # to the last bit: where a product and its bias are one kernel, slots come between
            return self._engine
        factor = np.float32(adapter.scale * strength)
        return engine.with_inputs(
            {name: array * factor if name.startswith("b.") else array for name, array in inputs.items()}
        )

    def inputs(self, adapter: Adapter) -> dict[str, Array]:
        """Return what an adapter puts into the slots at strength 1, by the names of the graph's inputs.

        Raises:
            UnsupportedModel: it does not fit this model.
        """
        scale = np.float32(adapter.scale)
        inputs, _ = self._with_inputs(adapter)
        return {name: array * scale if name.startswith("b.") else array for name, array in inputs.items()}

    def _with_inputs(self, adapter: Adapter) -> tuple[Mapping[str, Array], OrtEngine]:
        with self._lock:
            result = self._cache.get(id(adapter))
            if result is None:
                result = self._cache[id(adapter)] = (adapter, *self._bind(adapter))
                while len(self._cache) > _KEPT:
                    self._cache.popitem(last=False)
            self._cache.move_to_end(id(adapter))
        return result[1], result[2]

    def _bind(self, adapter: Adapter) -> tuple[Mapping[str, Array], OrtEngine]:
        """Return the LoRA inputs of the graph, empty ones included, and the engine with them."""
        from ...decoder.lora_inputs import STACKS, to_graph_row_order

        places = to_layer_roles(self.spec, adapter)
        engine, slots = self._session(frozenset(places))
        inputs: dict[str, Array] = {}
        for layer, product in slots:
            pair = stack_pairs(self.spec, places, layer, STACKS[product])
            if pair is None:  # rank 0: what another adapter left there would be added otherwise
                shapes = [shape_of(self.spec, layer, role) for role in STACKS[product]]
                out, into = sum(rows for rows, _ in shapes), shapes[0][1]
                pair = LoraPair(np.zeros((0, into), np.float32), np.zeros((out, 0), np.float32))
            inputs[f"a.{product}.{layer}"] = np.ascontiguousarray(pair.a.T)
            b = to_graph_row_order(self.spec, layer, product, pair.b)
            inputs[f"b.{product}.{layer}"] = np.ascontiguousarray(b.T)
        return inputs, engine

    def _session(self, wanted: frozenset[Place]) -> tuple[OrtEngine, list[tuple[int, str]]]:
        """Return a session that has these slots: one that is there already, or a new one."""
        for had, engine, slots in self._sessions:
            if wanted <= had:
                return engine, slots
        from ...decoder.lora_inputs import add_lora_inputs

        graph, slots = add_lora_inputs(self._folder / "decoder.onnx", wanted)
        if self._variant is not None:
            graph = self._variant(graph)
        session = open_session(
            graph,
            folder=self._folder,
            threads=self._threads,
            patterns=False,
            hint="Remove the converted model and load it again: it is then converted anew.",
            device=self._engine.device,
        )
        engine = self._engine.over(session, graph)
        self._sessions.append((wanted, engine, slots))
        return engine, slots
