"""A model with an adapter: a second session over the same weights file, whose slots hold the adapter.

The model itself is not touched. Each adapter with its strength is an engine of its own over that session,
with KV caches of its own, so answers with several adapters can be made in turns or side by side.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..decoder.spec import DecoderSpec
from ..engine.ort import OrtEngine, open_session
from .adapter import Adapter, Array, Pair
from .places import Place, fused, shape_of, to_places

_KEPT = 3  # adapters that are held ready; reading one into the slots takes some 20 ms


class Slots:
    """The sessions with slots of one model, and the adapters that were put into them.

    Args:
        folder: of the converted model.
        engine: of the model itself.
        threads: as the model's.
    """

    def __init__(self, folder: Path, spec: DecoderSpec, engine: OrtEngine, *, threads: int) -> None:
        self.spec = spec
        self._folder, self._engine, self._threads = folder, engine, threads
        self._sessions: list[tuple[frozenset[Place], OrtEngine, list[tuple[int, str]]]] = []
        self._ready: OrderedDict[int, tuple[Adapter, Mapping[str, Array], OrtEngine]] = OrderedDict()
        self._lock = threading.Lock()

    def engine(self, adapter: Adapter, strength: float) -> OrtEngine:
        """The decoder with what the adapter adds, times ``strength``.

        Raises:
            UnsupportedModel: the adapter does not fit this model. ModelFileError: the graph is damaged.
        """
        inputs, engine = self._slotted(adapter)
        if strength == 0:  # to the last bit: where a product and its bias are one kernel, slots come between
            return self._engine
        factor = np.float32(adapter.scale * strength)
        return engine.with_inputs(
            {name: array * factor if name.startswith("b.") else array for name, array in inputs.items()}
        )

    def inputs(self, adapter: Adapter) -> dict[str, Array]:
        """What an adapter puts into the slots at strength 1, by the names of the graph's inputs.

        Raises:
            UnsupportedModel: it does not fit this model.
        """
        scale = np.float32(adapter.scale)
        inputs, _ = self._slotted(adapter)
        return {name: array * scale if name.startswith("b.") else array for name, array in inputs.items()}

    def _slotted(self, adapter: Adapter) -> tuple[Mapping[str, Array], OrtEngine]:
        with self._lock:
            found = self._ready.get(id(adapter))
            if found is None:
                found = self._ready[id(adapter)] = (adapter, *self._fitted(adapter))
                while len(self._ready) > _KEPT:
                    self._ready.popitem(last=False)
            self._ready.move_to_end(id(adapter))
        return found[1], found[2]

    def _fitted(self, adapter: Adapter) -> tuple[Mapping[str, Array], OrtEngine]:
        """The inputs of every slot, also those that this adapter leaves empty, and the engine with them."""
        from ..decoder.slots import STACKS, rows_as_kept

        places = to_places(self.spec, adapter)
        engine, slots = self._session(frozenset(places))
        inputs: dict[str, Array] = {}
        for layer, product in slots:
            pair = fused(self.spec, places, layer, STACKS[product])
            if pair is None:  # rank 0: what another adapter left there would be added otherwise
                shapes = [shape_of(self.spec, role) for role in STACKS[product]]
                out, into = sum(rows for rows, _ in shapes), shapes[0][1]
                pair = Pair(np.zeros((0, into), np.float32), np.zeros((out, 0), np.float32))
            inputs[f"a.{product}.{layer}"] = np.ascontiguousarray(pair.a.T)
            b = rows_as_kept(self.spec, product, pair.b)
            inputs[f"b.{product}.{layer}"] = np.ascontiguousarray(b.T)
        return inputs, engine

    def _session(self, wanted: frozenset[Place]) -> tuple[OrtEngine, list[tuple[int, str]]]:
        """A session that has these slots: one that is there already, or a new one."""
        for had, engine, slots in self._sessions:
            if wanted <= had:
                return engine, slots
        from ..decoder.slots import with_slots

        graph, slots = with_slots(self._folder / "decoder.onnx", wanted)
        session = open_session(
            graph,
            folder=self._folder,
            threads=self._threads,
            patterns=False,
            hint="remove the converted model and load it again: it is then converted anew",
        )
        engine = self._engine.over(session, graph)
        self._sessions.append((wanted, engine, slots))
        return engine, slots
