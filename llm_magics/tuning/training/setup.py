"""The frozen network of a run, in the number format and depth that fit this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.device import CPU
from ...errors import UsageError
from ...models.adapters.roles import weights_in
from ...models.adapters.targets import resolve_targets
from ...models.loading.convert import weights_of
from ...models.loading.load import trim_malloc
from ..options import DEPTH
from ..plan import default_learning_rate
from ..run_state import RunState
from . import hardware

if TYPE_CHECKING:
    from ..checkpoint import SavedState
    from .trainer import Trainer

MAX_MEMORY_SHARE = 0.6  # of the free memory, for the weights


class TrainingSetup:
    """The network of a run, and the trainers over it.

    Args:
        run: the run.
        saved: the checkpoint that it goes on from, or None.

    Attributes:
        first_layer: the first layer with an adapter at the beginning, from 0.
        all_layers_fit: whether the weights of all layers fit into the free memory.

    Raises:
        UsageError: the source of the model is unknown, or a target is nothing of this model.
    """

    def __init__(self, run: RunState, saved: SavedState | None) -> None:
        from .model import TrainableModel

        origin, options = run.model.origin, run.options
        if origin.source is None:
            raise UsageError(
                f"{run.model.name} cannot be tuned: its source file is unknown",
                hint="Load the model from a GGUF file, a checkpoint, or a name.",
            )
        self._weights = weights_of(origin.source(), ignore=origin.ignore_config)
        self._run, self.spec = run, self._weights.spec
        self._roles = resolve_targets(self.spec, options.targets)
        device, note = hardware.training_device(getattr(run.model.engine, "device", CPU))
        if note and note not in run.notes:
            run.notes.append(note)
        self._free_bytes, self._used_bytes = hardware.free_memory(device), hardware.used_memory(device)
        number_format = hardware.dtype_for(device, weights_in(self.spec), self._free_bytes)
        if saved is not None and saved.number_format is not None:
            number_format = hardware.named(saved.number_format, device.type)  # the run goes on as it began
        needed = number_format.itemsize * weights_in(self.spec)
        self.all_layers_fit = needed < MAX_MEMORY_SHARE * self._free_bytes
        if saved is not None:
            self.first_layer = saved.first
        elif isinstance(options.depth, int):
            self.first_layer = max(self.spec.layers - options.depth, 0)
        elif options.depth == "full" or self.all_layers_fit:
            self.first_layer = 0
        else:
            self.first_layer = max(self.spec.layers - DEPTH, 0)
        self._network = TrainableModel(self._weights, number_format, first=self.first_layer, device=device)

    def trainer(self, first: int, batch: int) -> Trainer:
        """Build a trainer with a new adapter.

        Args:
            first: the first layer with an adapter, from 0.
            batch: rows a step.
        """
        from .lora import LoraParameters
        from .trainer import Trainer

        options = self._run.options
        lora = LoraParameters(
            self.spec,
            range(first, self.spec.layers),
            self._roles,
            rank=options.rank,
            alpha=options.alpha,
            seed=options.seed,
            device=self._network.device,
        )
        rate = default_learning_rate(options)
        return Trainer(self._network, lora, self._run.split, rate=rate, batch=batch, seed=options.seed)

    def release(self, trainer: Trainer) -> None:
        """Give back the memory that reading the weights took, and record what the run takes."""
        self._weights.release()
        trim_malloc()
        self._run.memory = {
            "limit": self._free_bytes + self._used_bytes,
            "before": self._used_bytes,
            "weights": self._network.nbytes,
            "adapter": 16 * trainer.lora.count,  # the numbers, their gradients, and the optimiser's two means
        }
