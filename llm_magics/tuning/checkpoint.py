"""What survives a dead kernel: parameters in safetensors, the rest in JSON. No pickle."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.files import json_object, write_atomic
from ..errors import ModelFileError, StoreError, UsageError
from ..formats.safetensors import Safetensors
from ..sources import store
from .dataset import Row
from .plan import Plan
from .run_state import RunState, TuneStep

if TYPE_CHECKING:
    from .training.trainer import Trainer

Best = tuple[int, dict[str, np.ndarray]]
STATE, PARAMETERS, PARTIAL = "run.json", "parameters.safetensors", ".partial"
MOST_STATE = 512 << 20  # bytes of run.json: a line a step, of at most a million steps
MOST_VALUES = 1 << 30  # numbers of an adapter with its optimiser's state, twice


class Checkpoint:
    """A folder that a run is written to at every check, and read from when it goes on.

    Raises:
        UsageError: the folder holds something else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        except OSError as error:
            raise UsageError(
                f"{folder} is not a folder: {error.strerror}", hint="Name a new folder."
            ) from error
        if "adapter_config.json" in names:
            raise UsageError(
                f"{folder} has a saved adapter, not a checkpoint",
                hint="Name a new folder; load the adapter with lm.load(adapter=…).",
            )
        # What a process that was killed in its first write leaves is not yet a checkpoint.
        if (
            names
            and STATE not in names
            and not all(name.endswith((PARTIAL, PARAMETERS, ".tmp")) for name in names)
        ):
            raise UsageError(f"{folder} has no checkpoint", hint="Name a new folder.")

    def write(self, run: RunState, trainer: Trainer, best: Best | None) -> None:
        """Keep where the run is. Parameters first: without the JSON that names them they are nothing.

        Raises:
            StoreError: the folder cannot be written; the run itself goes on where it was.
        """
        from safetensors.numpy import save

        tensors = {f"last.{name}": array for name, array in trainer.state().items()}
        if best is not None:
            tensors |= {f"best.{name}": array for name, array in best[1].items()}
        data = save(tensors)
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{PARAMETERS}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self.folder} cannot be created: {error.strerror}", hint="Name another folder."
            ) from error
        store.require_room(self.folder, len(data))
        with store.writing(self.folder / name):
            temporary = self.folder / f"{name}{PARTIAL}"
            temporary.write_bytes(data)
            temporary.replace(self.folder / name)
            write_atomic(self.folder / STATE, json.dumps(self._state(run, trainer, best, name)))
            for old in (*self.folder.glob(f"*.{PARAMETERS}"), *self.folder.glob(f"*{PARTIAL}")):
                if old.name != name:
                    old.unlink()

    def read(self) -> SavedState | None:
        """Read the checkpoint; None if there is none yet.

        Raises:
            ModelFileError: it is damaged.
        """
        path = self.folder / STATE
        if not path.is_file():
            return None
        try:
            state = json_object(path, MOST_STATE)
            tensors = Safetensors(self.folder / _plain(state["parameters"]))
            size = sum(math.prod(tensors.shape(name)) for name in tensors)
            if size > MOST_VALUES:
                raise ValueError(f"it claims {size:,} values")
            arrays = {name: np.array(tensors[name].dequantize()) for name in tensors}
            return SavedState(state, arrays)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFileError(
                f"the checkpoint in {self.folder} is damaged: {error}",
                hint="Name a new folder, and start again.",
            ) from error

    def _state(self, run: RunState, trainer: Trainer, best: Best | None, parameters: str) -> dict[str, Any]:
        return {
            "schema": 1,
            "parameters": parameters,
            "model": run.model.info.fingerprint,
            "data": data_hash(run.rows),
            "rows": len(run.split.train),
            "options": run.options.to_dict(),
            "plan": run.plan.to_dict() if run.plan else None,
            "number_format": str(trainer.network.kind).removeprefix("torch."),
            "step": trainer.step,
            "total": trainer.total,
            "best": best[0] if best else None,
            "history": [list(asdict(step).values()) for step in run.history],
            "checks": [[step, loss] for step, loss in run.heldout_losses.items()],
        }


class SavedState:
    """A checkpoint that was read."""

    def __init__(self, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self._state, self._arrays = state, arrays

    @property
    def number_format(self) -> str | None:
        """Return the dtype of the weights ("bfloat16" or "float32"); None where the file does not say."""
        result = self._state.get("number_format")
        return result if isinstance(result, str) else None

    @property
    def first(self) -> int:
        """Return the first layer that learns.

        Raises:
            ModelFileError: the file does not say.
        """
        plan = self._state.get("plan")
        first = plan.get("first") if isinstance(plan, dict) else None
        if isinstance(first, bool) or not isinstance(first, int) or first < 0:
            raise ModelFileError("the checkpoint is damaged: it has no plan", hint="Name a new folder.")
        return first

    @property
    def rows(self) -> int | None:
        """Return how many of the training rows are trained on; None where the file does not say: all.

        Raises:
            ModelFileError: the file has no number there.
        """
        rows = self._state.get("rows")
        if rows is not None and (type(rows) is not int or rows < 1):
            raise ModelFileError(
                "the checkpoint is damaged: its rows are no count", hint="Name a new folder."
            )
        return rows

    def restore(self, run: RunState, trainer: Trainer) -> Best | None:
        """Make a run that has just begun what it was; gives its best moment.

        Raises:
            UsageError: the rows, the model or what is tuned are others. ModelFileError: something is missing.
        """
        state = self._state
        for what, saved, now in (
            ("model", state.get("model"), run.model.info.fingerprint),
            ("rows", state.get("data"), data_hash(run.rows)),
            *((name, _options(state).get(name), run.options.to_dict()[name]) for name in _SAME),
        ):
            if saved != now:
                raise UsageError(
                    f"the checkpoint was made with other {what}", hint="Use the same, or name a new folder."
                )
        try:
            step = _count(state["step"])
            trainer.restore(
                {name[5:]: array for name, array in self._arrays.items() if name.startswith("last.")}, step
            )
            trainer.total = _count(state["total"])
            run.history = [
                TuneStep(int(at), float(loss), int(tokens), float(seconds))
                for at, loss, tokens, seconds in state["history"]
            ]
            run.heldout_losses = {int(at): float(loss) for at, loss in state["checks"]}
            run.plan = Plan.from_dict(state["plan"])
            if (
                type(run.plan.evaluate_every) is not int
                or run.plan.evaluate_every < 1
                or type(run.plan.steps) is not int
            ):
                raise ValueError(f"its plan is {state['plan']!r:.80}")
            best = {name[5:]: array for name, array in self._arrays.items() if name.startswith("best.")}
            return None if state["best"] is None else (_count(state["best"]), best)
        except (KeyError, TypeError, ValueError, RuntimeError, OverflowError, AttributeError) as error:
            raise ModelFileError(f"the checkpoint is damaged: {error}", hint="Name a new folder.") from error


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError(f"{value!r:.40} is no count")
    return value


def _options(state: dict[str, Any]) -> dict[str, Any]:
    result = state.get("options")
    return result if isinstance(result, dict) else {}


_SAME = ("rank", "alpha", "targets", "eval_fraction", "batch", "max_length", "seed")


def data_hash(rows: Sequence[Row]) -> str:
    """Return sha256 of what is in the rows."""
    output = hashlib.sha256()
    for row in rows:
        output.update(json.dumps([list(map(dict, row.messages)), row.text], sort_keys=True).encode())
    return output.hexdigest()


def _plain(name: object) -> str:
    if not isinstance(name, str) or Path(name).name != name or not name.endswith(PARAMETERS):
        raise ValueError(f"it names {name!r:.60}")
    return name
