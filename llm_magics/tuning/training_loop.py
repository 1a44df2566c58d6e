"""The phases of a run: prepare, set up, train, finish."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.interrupt import delay_interrupt
from ..core.records import Generation
from ..errors import StoreError, UsageError
from ..models.adapters.lora import Adapter
from ..models.loading.load import trim_malloc
from ..sources.catalog import hub_name
from .checkpoint import Checkpoint
from .dataset import Row
from .evaluation import completion_nll, longest_verbatim_match, perplexity
from .examples import Example, encode_rows, split
from .export import KEPT, keep_run
from .options import DEPTH
from .plan import (
    ENOUGH,
    WORTH,
    Tier,
    format_steps,
    minutes_needed,
    steps_for,
    tier_for,
)
from .run_state import RunState, Sample, TuneStep
from .training import hardware
from .training.setup import TrainingSetup

if TYPE_CHECKING:
    from ..models.model import Model
    from .training.trainer import Trainer

PROBED = 4  # rows that are read to guess what a step takes
FROZEN_SHARE = 0.6  # of the time that is left, for the frozen layers
PATIENCE = 3  # checks in a row that are worse than the best: the held-out loss has turned
CHECKED, REPORTED = 32, 48  # rows at most for a check, and for the final figure
SAMPLED = 5  # times that the prompts are answered on the way
PROMPTS = 3
VERBATIM = 12  # tokens in a row that a training row and an answer have in common: said
UNTAUGHT = "nothing was learnt"
TIMED = 3  # first steps, of which the last two are timed


class TrainingLoop:
    """What a run holds while it goes on.

    Attributes:
        ends: the moment at which it must be over, or None; reserve: seconds that the end itself takes.
        asked: "best" or "last" once it shall stop and keep that; paused: whether it shall wait.
        failed: a loss was no number.
        patience: how many checks in a row may be worse than the best.
        best_state: the step of the lowest held-out loss, and the parameters there.
        adapter: what is kept, of adapter_step; None while it still changes.
    """

    def __init__(self, run: RunState, checkpoint: Checkpoint | None) -> None:
        self.run, self.checkpoint = run, checkpoint
        self._trainer: Trainer | None = None
        self.end_at: float | None = None
        self.reserve_s = self.sample_s = 0.0
        self.patience = PATIENCE
        self.stop_requested = ""
        self.paused = self.failed = False
        self.best_state: tuple[int, dict[str, np.ndarray]] | None = None
        self.adapter: Adapter | None = None
        self.adapter_step = 0
        self.base_losses: np.ndarray | None = None
        self._around_s = 0.0  # what comes before the steps and after them
        self._row_s = 0.0  # seconds of reading one row with all layers; 0 where it was not timed
        self._kept_at = 0  # the step of the last checkpoint where nothing is held out

    @property
    def is_started(self) -> bool:
        """Return whether there is a trainer yet."""
        return self._trainer is not None

    @property
    def trainer(self) -> Trainer:
        """Return the trainer.

        Raises:
            UsageError: the network is not loaded yet.
        """
        if self._trainer is None:
            raise UsageError("the run has not started", hint="Wait for the first steps.")
        return self._trainer

    def run_all(self) -> Iterator[None]:
        """Run everything that remains of the run."""
        run = self.run
        if run.plan is None:
            minutes = run.options.minutes
            self.end_at = None if minutes is None else time.perf_counter() + 60 * minutes
            run.state = "loading"
            yield from self._prepare()
            yield from self._begin()
        if not self.failed:
            run.state, run.message = "training", ""
            yield from self._train()
        yield from self._finish()

    def select_adapter(self, which: str) -> None:
        """Make the adapter that of the best moment, or of the last."""
        lora, self.adapter_step = self.trainer.lora, self.trainer.step
        if which == "best" and self.best_state is not None and self.best_state[0] != self.trainer.step:
            now = lora.state()
            self.adapter_step = self.best_state[0]
            lora.restore(self.best_state[1])
            self.adapter = lora.adapter(hub_name(self.run.model.name))
            lora.restore(now)
        else:
            self.adapter = lora.adapter(hub_name(self.run.model.name))

    def _prepare(self) -> Iterator[None]:
        """Encode the rows; answer and measure with the base model."""
        run = self.run
        hardware.import_torch()
        examples, notes = encode_rows(run.model, run.rows, max_length=run.options.max_length)
        result = run.split = split(examples, fraction=run.options.eval_fraction, seed=run.options.seed)
        run.notes = [*run.row_notes, *notes, *result.notes]
        result.validation, result.test = result.validation[:CHECKED], result.test[:REPORTED]
        run.prompts = run.prompts or _prompts_of(run.rows, [*result.test, *result.validation])
        run.message = "the model answers without the adapter"
        yield
        began = time.perf_counter()
        for prompt in run.prompts:
            run.base_answers[prompt] = self._answer(run.model, prompt)
            yield
        self.sample_s = time.perf_counter() - began
        self.base_losses = completion_nll(run.model.engine, result.test)
        base_s = time.perf_counter() - began - self.sample_s
        # At the end: the figure once more, the answers, a session with slots; perhaps half as slow again.
        self.reserve_s = 1.5 * (base_s + self.sample_s) + 1.5
        run.message = "reading the weights"
        yield

    def _begin(self) -> Iterator[None]:
        """Load the network, take the first steps, and plan the others by the time that they took."""
        run, options = self.run, self.run.options
        saved = self.checkpoint.read() if self.checkpoint else None
        setup = TrainingSetup(run, saved)
        if saved is not None:
            run.split.train = run.split.train[: saved.rows]
        yield from self._start_trainer(setup, setup.first_layer, options.batch)
        if saved is not None:
            self.best_state = saved.restore(run, self.trainer)
            return
        tier = yield from self._choose_tier(setup)
        if self.end_at is not None and options.minutes is not None:
            self._around_s = 60 * options.minutes - (self.end_at - time.perf_counter()) + self.reserve_s
        run.plan = steps_for(
            options,
            tier,
            rows=len(run.split.train),
            step_s=self._step_s(),
            left_s=self._seconds_left(),
            around_s=self._around_s,
        )
        self.trainer.total = max(run.plan.steps, self.trainer.step)
        yield  # what is planned is said before it is done

    def _start_trainer(self, setup: TrainingSetup, first: int, batch: int) -> Iterator[None]:
        """Build the trainer; compute the layers before ``first`` once for every row."""
        run = self.run
        self._trainer = trainer = setup.trainer(first, batch)
        if first:
            run.state, run.message = "loading", f"computing the first {first} layers once"
            yield
            trainer.freeze()
        setup.release(trainer)

    def _choose_tier(self, setup: TrainingSetup) -> Generator[None, None, Tier]:
        """Choose the number of layers and the batch that the time limit allows.

        Returns:
            The tier that the trainer has now, after its first steps.
        """
        run, options, layers = self.run, self.run.options, setup.spec.layers
        rows = len(run.split.train)
        tier = Tier(setup.first_layer, min(options.batch, rows), "")
        if options.depth == "auto" and not setup.all_layers_fit:
            yield from self._time_steps()
            reason = f"the last {DEPTH} of {layers} layers: all of them do not fit into memory"
            return replace(tier, reason=reason)

        def is_current(other: Tier) -> bool:
            return (other.first_layer, other.batch) == (tier.first_layer, tier.batch)

        def affordable(full_s: float) -> Tier:
            return tier_for(options, layers, rows=rows, full_s=full_s, left_s=self._seconds_left())

        # On a slow machine one step with all layers may take all the time that there is.
        estimate = affordable(self._estimated_step_s())
        if not is_current(estimate):
            self._limit_rows(estimate)
            yield from self._start_trainer(setup, estimate.first_layer, estimate.batch)
            yield from self._time_steps()
            return estimate
        yield from self._time_steps()
        measured = affordable(self._step_s())
        if not self.failed and not is_current(measured):
            run.history, run.heldout_losses, self.best_state = [], {}, None
            self._limit_rows(measured)
            yield from self._start_trainer(setup, measured.first_layer, measured.batch)
            yield from self._time_steps()
        return measured

    def _estimated_step_s(self) -> float:
        """Guess the seconds of a step with all layers: three times what reading its rows takes."""
        run, trainer = self.run, self.trainer
        few = [*run.split.validation, *run.split.train][:PROBED]
        if self.end_at is None or not few:
            return 0.0
        trainer.loss(few[:1])  # the first one prepares kernels
        for count in sorted({1, len(few)}):
            began = time.perf_counter()
            trainer.loss(few[:count])
            self._row_s = (time.perf_counter() - began) / count
            guess = 3 * self._row_s * min(run.options.batch, len(run.split.train))
            # A guess is enough where all layers are out of reach, and one row where they are far out of it.
            if (self._seconds_left() or 0) < guess * ENOUGH / (2 * count):
                return guess
        return 0.0

    def _limit_rows(self, tier: Tier) -> None:
        """Leave out rows of which the frozen layers cannot be computed in time."""
        left, split = self._seconds_left(), self.run.split
        if left is None or not self._row_s:
            return
        rows = max(int(FROZEN_SHARE * left / self._row_s), 3 * tier.batch)
        total = len(split.train)
        split.validation = split.validation[: max(rows // 4, 1)]
        split.train = split.train[: max(rows - len(split.validation), 1)]
        if len(split.train) < total:
            self.run.notes.append(
                f"{len(split.train)} of {total} rows are trained on: there is no time to read the others"
            )

    def _time_steps(self) -> Iterator[None]:
        """Compute the first validation loss, and time the first steps."""
        self.run.state, self.run.message = "training", ""
        yield from self._check()
        for _ in range(min(TIMED, self.run.options.steps or TIMED)):
            left = self._seconds_left()
            if left is not None and self.run.history and left < WORTH * self.run.history[-1].seconds:
                break  # it is slow: that is known now
            yield from self._advance()
        self._note_memory()

    def _train(self) -> Iterator[None]:
        run, trainer = self.run, self.trainer
        assert run.plan is not None
        apart = max(trainer.total // SAMPLED, 1)
        next_sample = trainer.step + apart
        while (trainer.step < trainer.total or self._due()) and not self.stop_requested:
            if self.paused:
                run.state = "paused"
                yield
                time.sleep(0.05)
                continue
            run.state = "training"
            if self.end_at is not None and (self._seconds_left() or 0) < self._step_s():
                run.message = f"{run.options.minutes:g} min are over"
                return
            if not self._due():  # a check that was interrupted is made again
                yield from self._advance()
            if self.failed:
                return
            if self._due():
                yield from self._check()
                self._note_memory()
                self._save()
                if len([step for step in run.heldout_losses if step > (run.best or 0)]) >= self.patience:
                    run.message = f"the held-out loss was lowest at step {run.best}, and rose after it"
                    return
                if self.end_at is not None:  # slower than it seemed: the rate must still come down
                    fit = trainer.step + max(int((self._seconds_left() or 0) / self._step_s()), 0)
                    trainer.total = max(min(trainer.total, fit), trainer.step)
            if next_sample <= trainer.step < trainer.total and (
                self.end_at is None or (self._seconds_left() or 0) > 3 * self.sample_s
            ):
                next_sample = trainer.step + apart
                self.select_adapter("last")
                yield from self.sample()
                self.adapter = None

    def _due(self) -> bool:
        """Return whether the validation loss of this step is wanted and not computed yet."""
        run, step = self.run, self.trainer.step
        if run.plan is None or not step or step in run.heldout_losses or step == self._kept_at:
            return False
        return step % run.plan.evaluate_every == 0 or step == self.trainer.total

    def _advance(self) -> Iterator[None]:
        run, trainer = self.run, self.trainer
        if self.failed:
            return
        began = time.perf_counter()

        def note(loss: float, tokens: int) -> None:
            run.history.append(TuneStep(trainer.step, loss, tokens, time.perf_counter() - began))

        loss, _ = trainer.advance(note)
        if loss != loss:
            kept = trainer.step if run.best is None else run.best
            self.failed, run.state = True, "failed"
            run.message = (
                f"the loss was no number at step {trainer.step + 1}: the adapter of step {kept} is kept. "
                "A lower learning rate may help"
            )
        yield

    def _check(self) -> Iterator[None]:
        """Compute the validation loss; keep the adapter if it is the best so far."""
        run, trainer = self.run, self.trainer
        if not run.split.validation:
            self._kept_at = trainer.step
            return
        loss = trainer.loss(run.split.validation)
        state = trainer.lora.state()
        with delay_interrupt():
            run.heldout_losses[trainer.step] = loss
            if run.best == trainer.step:
                self.best_state = trainer.step, state
        trim_malloc()  # what steps of other sizes have left behind
        yield

    def _finish(self) -> Iterator[None]:
        run = self.run
        self.select_adapter("last" if self.stop_requested == "last" else "best")
        steps = self.trainer.step
        run.message = run.message or f"{format_steps(steps)} {'were' if steps > 1 else 'was'} made"
        # more steps may have helped
        run.notes = [note for note in run.notes if not note.startswith(UNTAUGHT)]
        if not self.adapter_step and not self.failed:
            run.notes.append(self._zero_adapter())
        yield from self.sample()
        if self.base_losses is not None and len(self.base_losses):
            after = completion_nll(self._tuned(1.0).engine, run.split.test)
            run.perplexity = perplexity(self.base_losses, after, seed=run.options.seed)
        self._note_verbatim()
        self._note_memory()
        self.keep_named()
        run.state = "failed" if self.failed else "stopped" if self.stop_requested else "done"
        self._save()
        yield

    def _zero_adapter(self) -> str:
        """Explain why nothing was trained, and what would help."""
        step, slow = self.trainer.step, self._step_s()
        if self.run.options.minutes is not None and step < WORTH:
            return f"{UNTAUGHT}: a step took {slow:.1f} s; {minutes_needed(slow, self._around_s)}"
        return (
            f"{UNTAUGHT}: the held-out loss was lowest before the first step; "
            "give more rows, or a lower --learning-rate"
        )

    def keep_named(self) -> None:
        """Write the adapter under its name. Where nothing was learnt there is none."""
        run = self.run
        if not run.keep or self.adapter is None or not self.adapter_step:
            return
        said = keep_run(run, self.adapter, self.adapter_step)
        run.notes = [*(note for note in run.notes if not note.startswith(KEPT)), said]

    def interrupted(self) -> None:
        """Write what was learnt until now under its name."""
        if self.run.keep and self.is_started and self.trainer.step:
            self.select_adapter("best")
            self.keep_named()

    def sample(self) -> Iterator[None]:
        """Answer the prompts with the selected adapter; the newest answer of a step stays."""
        run = self.run
        for prompt in run.prompts:
            answer = self._answer(self._tuned(run.strength), prompt)
            output = Sample(self.adapter_step, run.strength, prompt, answer)
            others = [item for item in run.samples if (item.step, item.prompt) != (output.step, prompt)]
            run.samples = [*others, output]
            yield

    def _tuned(self, strength: float) -> Model:
        assert self.adapter is not None
        return self.run.model.with_adapter(self.adapter, strength, name=self.run.name)

    def _answer(self, model: Model, prompt: str) -> Generation:
        return model.generate(prompt, temperature=0, max_tokens=self.run.options.max_tokens, alternatives=0)

    def _save(self) -> None:
        """Write the checkpoint. That it cannot be written is said, once, and stops no run."""
        if self.checkpoint is None or not self.is_started:
            return
        try:
            self.checkpoint.write(self.run, self.trainer, self.best_state)
        except StoreError as error:
            note = f"no checkpoint is kept: {error}"
            if note not in self.run.notes:
                self.run.notes.append(note)

    def _note_verbatim(self) -> None:
        """Note answers that repeat a long run of training tokens which the base model does not produce."""
        run = self.run
        for sample in (item for item in run.samples if item.step == self.adapter_step):
            count, row = longest_verbatim_match([token.id for token in sample.answer.tokens], run.split.train)
            before = [token.id for token in run.base_answers[sample.prompt].tokens]
            if count >= VERBATIM and count > longest_verbatim_match(before, run.split.train)[0]:
                run.notes.append(f"row {row} comes back word for word: {count} tokens of it in one answer")

    def _note_memory(self) -> None:
        memory = self.run.memory
        memory["peak"] = hardware.peak_memory(self.trainer.network.device)
        memory["activations"] = max(
            memory["peak"] - memory["before"] - memory["weights"] - memory["adapter"], 0
        )

    def _step_s(self) -> float:
        """Return the seconds of a step: the slowest of the recent ones, without the first, which warms up."""
        steps = self.run.history[1:][-3:] or self.run.history
        return max((step.seconds for step in steps), default=1.0)

    def eta_seconds(self) -> float:
        """Return the estimated seconds until the end."""
        steps = max(self.trainer.total - self.trainer.step, 0)
        return steps * self._step_s() + self.reserve_s / 1.5

    def _seconds_left(self) -> float | None:
        """Return the seconds left for training, or None without a time limit."""
        return None if self.end_at is None else self.end_at - time.perf_counter() - self.reserve_s


def _prompts_of(rows: Sequence[Row], examples: Sequence[Example]) -> tuple[str, ...]:
    """Return the default preview prompts: questions of the validation and test rows."""
    by_number = {row.number: row for row in rows}
    asked = [
        message["content"]
        for example in examples
        for message in by_number[example.row].messages[-2:-1]
        if message["role"] == "user" and len(by_number[example.row].messages) <= 2
    ]
    return tuple(dict.fromkeys(asked))[:PROMPTS]
