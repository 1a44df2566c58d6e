"""TuneRun: a preview from the first step to what is kept of it.

It is a generator of moments: whoever drives it is called back after every step, may show what there is, and
may stop at any of them. Orders (stop, pause, more steps) are flags that another thread may set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core import validation
from ..errors import UsageError
from ..models.adapters.lora import Adapter
from ..models.loading.merge import merge
from ..sources import adapters
from .checkpoint import Checkpoint
from .dataset import Dataset
from .examples import LossMask, encode_rows, mask_of
from .export import KEPT, save_run
from .options import TuneOptions
from .run_state import PromptComparison, RunState
from .script import write_script
from .training_loop import TrainingLoop

if TYPE_CHECKING:
    from ..models.model import Model


class TuneRun(RunState):
    """What a preview did, and what is left of it. Its attributes are those of :class:`Progress`."""

    def __init__(
        self,
        model: Model,
        rows: Dataset,
        options: TuneOptions,
        *,
        prompts: Sequence[str] = (),
        name: str = "tuned",
        source: str = "rows",
        checkpoint: Checkpoint | None = None,
        keep: bool = False,
    ) -> None:
        super().__init__(
            model, rows.rows, options, tuple(prompts), name, source, row_notes=rows.notes, keep=keep
        )
        self._checkpoint = checkpoint
        self._loop: TrainingLoop | None = None

    def __repr__(self) -> str:
        return f"<TuneRun {self.name}: {self.state}, {self.step} steps on {len(self.split.train)} rows>"

    # What there is

    @property
    def step(self) -> int:
        trainer = self._loop.trainer if self._loop and self._loop.is_started else None
        return trainer.step if trainer else 0

    @property
    def total(self) -> int:
        """Return the planned number of steps; 0 before it is known."""
        trainer = self._loop.trainer if self._loop and self._loop.is_started else None
        return trainer.total if trainer and self.plan else 0

    @property
    def parameter_counts(self) -> tuple[int, int]:
        """Return the number of trainable parameters and of all weights; 0 before they are known."""
        trainer = self._loop.trainer if self._loop and self._loop.is_started else None
        return (trainer.lora.count, trainer.network.count) if trainer else (0, 0)

    @property
    def eta_seconds(self) -> float | None:
        """Return the estimated seconds until the end; None before it is known."""
        loop = self._loop
        return loop.eta_seconds() if loop and self.plan else None

    @property
    def adapter(self) -> Adapter:
        """Return the adapter: of the best step once the run has ended, else the current one.

        Raises:
            UsageError: there is no adapter yet.
        """
        loop = self._loop
        if loop is None or not loop.is_started or not self.history:
            raise UsageError("there is no adapter yet", hint="Run at least one training step.")
        if loop.adapter is None:
            loop.select_adapter("last" if self.state == "training" else "best")
        assert loop.adapter is not None
        return loop.adapter

    @property
    def adapter_step(self) -> int:
        """Return the step that :attr:`adapter` is of."""
        return self._loop.adapter_step if self._loop else 0

    @property
    def tuned_model(self) -> Model:
        """Return the model with the adapter, at :attr:`strength`."""
        return self.model.with_adapter(self.adapter, self.strength, name=self.name)

    def mask(self, row: int) -> LossMask:
        """Return the loss mask of a row on its tokens: brackets in text, underlined as a cell's last value.

        Args:
            row: its number in the source, from 1.

        Raises:
            UsageError: there is no such row, or it was left out.
        """
        result = next((item for item in self.rows if item.number == row), None)
        if result is None:
            raise UsageError(
                f"row {validation.format_value(row)} does not exist",
                hint=f"Use a row from 1 to {len(self.rows):,}.",
            )
        return mask_of(
            self.model, encode_rows(self.model, [result], max_length=self.options.max_length)[0][0]
        )

    def compare(self, prompt: str, **options: Any) -> PromptComparison:
        """Answer a prompt without and with the adapter, greedily by default.

        Args:
            prompt: the prompt to answer.
            **options: fields of :class:`SamplingOptions`.
        """
        chosen = {"temperature": 0, "max_tokens": self.options.max_tokens, **options}
        base, tuned = (model.generate(prompt, **chosen) for model in (self.model, self.tuned_model))
        return PromptComparison(prompt, base, tuned, self.strength)

    def save(self, folder: str | Path) -> Path:
        """Write the adapter into a new folder.

        PEFT's files, ONNX Runtime's ``.onnx_adapter``, and a README with where it came from and what the
        base's licence asks.

        ``lm.load(…, adapter=folder)`` and ``%%llm --adapter folder`` use it; PEFT does too.

        Raises:
            UsageError: the folder exists, or nothing was learnt. StoreError: it cannot be written.
        """
        return save_run(self, self.adapter, self.adapter_step, folder)

    def keep_as(self, name: str) -> None:
        """Write the adapter into ``LLM_MAGICS_HOME/adapters``.

        There, ``%%llm -a NAME`` finds it on another day. An adapter of another run that has the name gets a
        number.

        Raises:
            UsageError: the name cannot be one, or nothing was learnt.
        """
        adapters.folder_of(validation.require_str(name, "name"))
        if not (self.adapter and self.adapter_step):
            raise UsageError("there is no adapter to save", hint="Train more steps with resume(more=50).")
        self.name, self.keep = name, True
        self._is_running().keep_named()

    def forget(self) -> None:
        """Remove what :meth:`keep_as`, or a run with a name, wrote.

        Raises:
            UsageError: it is not there any more. StoreError: it cannot be removed.
        """
        result = adapters.find(self.kept) if self.kept else None
        if result is None or result.run != self.id:
            raise UsageError(
                "the adapter of this run is not saved", hint="Run %llm adapters to list the saved ones."
            )
        adapters.delete(self.kept)
        self.keep, self.kept = False, ""
        self.notes = [note for note in self.notes if not note.startswith(KEPT)]

    def merge(self, folder: str | Path, *, precision: str = "auto") -> Path:
        """Write the model with the adapter in its weights, at this strength, into a new folder.

        It :func:`load` takes like any other.

        Raises:
            UsageError: the folder exists, or nothing was learnt. StoreError: it cannot be written.
        """
        return merge(self.model, self.adapter, folder, strength=self.strength, precision=precision)

    def script(self, folder: str | Path) -> Path:
        """Write a new folder for the full run elsewhere.

        A script of transformers, PEFT and accelerate, with the same rows, split and options. Gives the
        script's path.

        Raises:
            UsageError: the folder exists. StoreError: it cannot be written.
        """
        return write_script(self, folder)

    # Orders, from any thread

    def stop(self, keep: Literal["best", "last"] = "last") -> None:
        """End after this step, and keep the adapter as it is then, or as it was at its best."""
        loop = self._is_running()
        loop.stop_requested, loop.paused = keep, False

    def pause(self, wait: bool = True) -> None:
        """Wait before the next step, or go on."""
        self._is_running().paused = wait

    def extend(self, steps: int) -> None:
        """Train for more steps than planned, whatever the time limit and the validation loss say."""
        loop = self._is_running()
        trainer = loop.trainer
        steps = validation.require_int(steps, "steps", 1, 100_000, hint="Use for example 100.")
        trainer.total = max(trainer.total, trainer.step) + steps
        loop.end_at, loop.patience, loop.stop_requested = None, 1 << 30, ""

    def revert_to_best(self) -> None:
        """Keep the adapter as it was when the held-out loss was lowest."""
        if self.best is None:
            raise UsageError(
                "there are no validation rows, so there is no best step", hint="Use eval_fraction=0.1."
            )
        if self.state in ("training", "paused"):
            self.stop("best")
        else:
            self._is_running().select_adapter("best")
            self._is_running().keep_named()

    # The run itself

    def train_steps(self) -> Iterator[None]:
        """Make the steps that are left, and what comes before and after; pauses at every moment to be shown.

        After an interrupt it goes on where it was.
        """
        if self._loop is None or self.plan is None:  # it had not really begun
            self._loop = TrainingLoop(self, self._checkpoint)
            self.history, self.heldout_losses, self.samples = [], {}, []
        loop = self._loop
        loop.stop_requested, loop.adapter = "", None
        try:
            yield from loop.run_all()
        except (KeyboardInterrupt, GeneratorExit):
            self.state, self.message = "interrupted", f"interrupted at step {self.step}; go on with resume()"
            loop.interrupted()
            raise
        except BaseException as error:
            if self.state not in ("done", "stopped", "failed"):
                self.state, self.message = "failed", f"{error}".splitlines()[0] if f"{error}" else "it failed"
            raise

    def answer(self) -> Iterator[None]:
        """Answer the prompts again with the current strength."""
        loop = self._is_running()
        assert self.adapter is not None
        yield from loop.sample()

    def resume(self, more: int = 0) -> TuneRun:
        """Go on where it was, after an interrupt or its end, with so many steps more."""
        if more:
            self.extend(more)
        return run_to_end(self)

    def _is_running(self) -> TrainingLoop:
        if self._loop is None:
            raise UsageError("the run has not started", hint="Start it with lm.tune().")
        return self._loop


def run_to_end(run: TuneRun, watch: Callable[[TuneRun], None] | None = None) -> TuneRun:
    """Run a tuning run to its end; call ``watch`` after every change."""
    for _ in run.train_steps():
        if watch:
            watch(run)
    return run
