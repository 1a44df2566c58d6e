"""The course of a run: what comes before the steps, the steps, and what comes after."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..core.interrupt import whole
from ..core.records import Generation
from ..errors import StoreError, UsageError
from ..models.adapter import Adapter
from ..models.convert import weights_of
from ..models.load import give_back_memory
from ..models.places import chosen, weights_in
from ..sources.catalog import hub_name
from .checkpoint import Checkpoint
from .examples import Example, encode_rows, split
from .held import by_heart, perplexity, row_losses
from .options import DEPTH
from .plan import ENOUGH, WORTH, Tier, counted, longer, rate_for, steps_for, tier_for
from .records import Progress, Sample, TuneStep
from .rows import Row
from .save import KEPT, keep_run
from .training import machine

if TYPE_CHECKING:
    from ..models.model import Model
    from .training.trainer import Trainer

PROBED = 4  # rows that are read to guess what a step takes
PATIENCE = 3  # checks in a row that are worse than the best: the held-out loss has turned
CHECKED, REPORTED = 32, 48  # rows at most for a check, and for the final figure
SAMPLED = 5  # times that the prompts are answered on the way
PROMPTS = 3
VERBATIM = 12  # tokens in a row that a training row and an answer have in common: said
UNTAUGHT = "nothing was learnt"
TIMED = 3  # first steps, of which the last two are timed
MOST_ROOM = 0.6  # of the free memory, for the weights


class Course:
    """What a run holds while it goes on.

    Attributes:
        ends: the moment at which it must be over, or None; reserve: seconds that the end itself takes.
        asked: "best" or "last" once it shall stop and keep that; paused: whether it shall wait.
        failed: a loss was no number.
        patience: how many checks in a row may be worse than the best.
        best_state: the step of the lowest held-out loss, and the parameters there.
        adapter: what is kept, of adapter_step; None while it still changes.
    """

    def __init__(self, run: Progress, checkpoint: Checkpoint | None) -> None:
        self.run, self.checkpoint = run, checkpoint
        self.trainer: Trainer | None = None
        self.ends: float | None = None
        self.reserve = self.sample_s = 0.0
        self.patience = PATIENCE
        self.asked = ""
        self.paused = self.failed = False
        self.best_state: tuple[int, dict[str, np.ndarray]] | None = None
        self.adapter: Adapter | None = None
        self.adapter_step = 0
        self.base_losses: np.ndarray | None = None
        self._around_s = 0.0  # what comes before the steps and after them
        self._kept_at = 0  # the step of the last checkpoint where nothing is held out

    def whole(self) -> Iterator[None]:
        """All that is left of it."""
        run = self.run
        if run.plan is None:
            minutes = run.options.minutes
            self.ends = None if minutes is None else time.perf_counter() + 60 * minutes
            run.state = "loading"
            yield from self._prepare()
            yield from self._begin()
        if not self.failed:
            run.state, run.why = "training", ""
            yield from self._train()
        yield from self._finish()

    def keep(self, which: str) -> None:
        """Make the adapter that of the best moment, or of the last."""
        assert self.trainer is not None
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
        """Rows become examples; the model without the adapter answers, and is measured."""
        run = self.run
        machine.torch()
        examples, notes = encode_rows(run.model, run.rows, max_length=run.options.max_length)
        found = run.split = split(examples, fraction=run.options.eval_fraction, seed=run.options.seed)
        run.notes = [*run.row_notes, *notes, *found.notes]
        found.choose, found.final = found.choose[:CHECKED], found.final[:REPORTED]
        run.prompts = run.prompts or _prompts_of(run.rows, [*found.final, *found.choose])
        run.why = "the model answers without the adapter"
        yield
        began = time.perf_counter()
        for prompt in run.prompts:
            run.before[prompt] = self._answer(run.model, prompt)
            yield
        self.sample_s = time.perf_counter() - began
        self.base_losses = row_losses(run.model.engine, found.final)
        base_s = time.perf_counter() - began - self.sample_s
        # At the end: the figure once more, the answers, a session with slots; perhaps half as slow again.
        self.reserve = 1.5 * (base_s + self.sample_s) + 1.5
        run.why = "reading the weights"
        yield

    def _begin(self) -> Iterator[None]:
        """Load the network, make the first steps, and choose how deep and how many from what they took."""
        from ..engine.kv import free_bytes
        from .training.lora import Lora
        from .training.network import Network
        from .training.trainer import Trainer

        run, options = self.run, self.run.options
        if run.model.source is None:
            raise UsageError(
                f"{run.model.name} cannot be tuned: the file that it was converted from is not known",
                hint="load it from there: a GGUF file, a checkpoint's folder, or a name",
            )
        weights, kind = weights_of(run.model.source(), ignore=run.model.ignore_config), machine.faster()
        spec = weights.spec
        roles = chosen(spec, options.targets)
        saved = self.checkpoint.read() if self.checkpoint else None
        if saved is not None and saved.number_format is not None:
            kind = machine.named(saved.number_format)  # the run goes on as it began
        room, held = free_bytes(), machine.resident()
        deep = kind.itemsize * weights_in(spec) < MOST_ROOM * room
        few = max(spec.layers - DEPTH, 0)
        if saved is not None:
            first = saved.first
        elif isinstance(options.depth, int):
            first = max(spec.layers - options.depth, 0)
        else:
            first = 0 if deep or options.depth == "full" else few
        network = Network(weights, kind, first=first)

        def began(first: int, batch: int = options.batch) -> Iterator[None]:
            lora = Lora(
                spec,
                range(first, spec.layers),
                roles,
                rank=options.rank,
                alpha=options.alpha,
                seed=options.seed,
            )
            rate = rate_for(options)
            self.trainer = Trainer(network, lora, run.split, rate=rate, batch=batch, seed=options.seed)
            if first:
                run.state, run.why = "loading", f"computing the first {first} layers once"
                yield
                self.trainer.freeze()
            weights.release()
            give_back_memory()  # what reading the weights took
            run.memory = {
                "limit": room + held,
                "before": held,
                "weights": network.nbytes,
                "adapter": 16 * lora.count,  # the numbers, their gradients, and the optimiser's two means
            }

        yield from began(first)
        if saved is not None:
            assert self.trainer is not None
            self.best_state = saved.into(run, self.trainer)
            return
        rows = len(run.split.train)

        def tier(full_s: float) -> Tier:
            return tier_for(options, spec.layers, rows=rows, full_s=full_s, left_s=self._left())

        now = Tier(first, min(options.batch, rows), "")
        if options.depth == "auto" and not deep:
            why = f"the last {DEPTH} of {spec.layers} layers: all of them do not fit into memory"
            now = replace(now, reason=why)
            yield from self._timed()
        else:
            # On a slow machine one step with all layers may take all the time that there is.
            guess = tier(self._guessed_s())
            if guess.first != first or guess.batch != now.batch:
                yield from began(guess.first, guess.batch)
                now = guess
                yield from self._timed()
            else:
                yield from self._timed()
                wanted = tier(self._step_s())
                if not self.failed and (wanted.first, wanted.batch) != (first, now.batch):
                    run.history, run.checks, self.best_state = [], {}, None
                    yield from began(wanted.first, wanted.batch)
                    yield from self._timed()
                now = wanted
        assert self.trainer is not None
        if self.ends is not None and options.minutes is not None:
            self._around_s = 60 * options.minutes - (self.ends - time.perf_counter()) + self.reserve
        run.plan = steps_for(
            options, now, rows=rows, step_s=self._step_s(), left_s=self._left(), around_s=self._around_s
        )
        self.trainer.total = max(run.plan.steps, self.trainer.step)
        yield  # what is planned is said before it is done

    def _guessed_s(self) -> float:
        """Guess the seconds of a step with all layers: three times what reading its rows takes."""
        run, trainer = self.run, self.trainer
        assert trainer is not None
        few = [*run.split.choose, *run.split.train][:PROBED]
        if self.ends is None or not few:
            return 0.0
        trainer.loss(few[:1])  # the first one prepares kernels
        began = time.perf_counter()
        trainer.loss(few)
        per_row = (time.perf_counter() - began) / len(few)
        guess = 3 * per_row * min(run.options.batch, len(run.split.train))
        # A guess is enough where all layers are out of reach; else they are timed.
        return guess if (self._left() or 0) < guess * ENOUGH / 2 else 0.0

    def _timed(self) -> Iterator[None]:
        """The held-out loss at the beginning, and the first steps."""
        assert self.trainer is not None
        self.run.state, self.run.why = "training", ""
        yield from self._check()
        for _ in range(min(TIMED, self.run.options.steps or TIMED)):
            left = self._left()
            if left is not None and self.run.history and left < WORTH * self.run.history[-1].seconds:
                break  # it is slow: that is known now
            yield from self._advance()
        self._note_memory()

    def _train(self) -> Iterator[None]:
        run, trainer = self.run, self.trainer
        assert trainer is not None and run.plan is not None
        apart = max(trainer.total // SAMPLED, 1)
        next_sample = trainer.step + apart
        while (trainer.step < trainer.total or self._due()) and not self.asked:
            if self.paused:
                run.state = "paused"
                yield
                time.sleep(0.05)
                continue
            run.state = "training"
            if self.ends is not None and (self._left() or 0) < self._step_s():
                run.why = f"{run.options.minutes:g} min are over"
                return
            if not self._due():  # a check that was interrupted is made again
                yield from self._advance()
            if self.failed:
                return
            if self._due():
                yield from self._check()
                self._note_memory()
                self._save()
                if len([step for step in run.checks if step > (run.best or 0)]) >= self.patience:
                    run.why = f"the held-out loss was lowest at step {run.best}, and rose after it"
                    return
                if self.ends is not None:  # slower than it seemed: the rate must still come down
                    fit = trainer.step + max(int((self._left() or 0) / self._step_s()), 0)
                    trainer.total = max(min(trainer.total, fit), trainer.step)
            if next_sample <= trainer.step < trainer.total and (
                self.ends is None or (self._left() or 0) > 3 * self.sample_s
            ):
                next_sample = trainer.step + apart
                self.keep("last")
                yield from self.sample()
                self.adapter = None

    def _due(self) -> bool:
        """Whether the held-out loss of this step is wanted, and not there yet."""
        run, step = self.run, self.trainer.step if self.trainer else 0
        if run.plan is None or not step or step in run.checks or step == self._kept_at:
            return False
        return step % run.plan.every == 0 or (self.trainer is not None and step == self.trainer.total)

    def _advance(self) -> Iterator[None]:
        run, trainer = self.run, self.trainer
        assert trainer is not None
        if self.failed:
            return
        began = time.perf_counter()

        def note(loss: float, tokens: int) -> None:
            run.history.append(TuneStep(trainer.step, loss, tokens, time.perf_counter() - began))

        loss, _ = trainer.advance(note)
        if loss != loss:
            kept = trainer.step if run.best is None else run.best
            self.failed, run.state = True, "failed"
            run.why = (
                f"the loss was no number at step {trainer.step + 1}: the adapter of step {kept} is kept. "
                "A lower learning rate may help"
            )
        yield

    def _check(self) -> Iterator[None]:
        """The held-out loss now; the adapter is noted where it is the best."""
        run, trainer = self.run, self.trainer
        assert trainer is not None
        if not run.split.choose:
            self._kept_at = trainer.step
            return
        loss = trainer.loss(run.split.choose)
        state = trainer.lora.state()
        with whole():
            run.checks[trainer.step] = loss
            if run.best == trainer.step:
                self.best_state = trainer.step, state
        give_back_memory()  # what steps of other sizes have left behind
        yield

    def _finish(self) -> Iterator[None]:
        run = self.run
        self.keep("last" if self.asked == "last" else "best")
        steps = self.trainer.step if self.trainer else 0
        run.why = run.why or f"{counted(steps)} {'were' if steps > 1 else 'was'} made"
        # more steps may have helped
        run.notes = [note for note in run.notes if not note.startswith(UNTAUGHT)]
        if not self.adapter_step and not self.failed:
            run.notes.append(self._untaught())
        yield from self.sample()
        if self.base_losses is not None and len(self.base_losses):
            after = row_losses(self._tuned(1.0).engine, run.split.final)
            run.perplexity = perplexity(self.base_losses, after, seed=run.options.seed)
        self._note_verbatim()
        self._note_memory()
        self.keep_named()
        run.state = "failed" if self.failed else "stopped" if self.asked else "done"
        self._save()
        yield

    def _untaught(self) -> str:
        """Say why nothing was learnt, and what would help."""
        step, slow = self.trainer.step if self.trainer else 0, self._step_s()
        if self.run.options.minutes is not None and step < WORTH:
            return f"{UNTAUGHT}: a step took {slow:.1f} s; {longer(slow, self._around_s)}"
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
        if self.run.keep and self.trainer is not None and self.trainer.step:
            self.keep("best")
            self.keep_named()

    def sample(self) -> Iterator[None]:
        """Answer the prompts with the adapter that is kept; of one step the newest answer stays."""
        run = self.run
        for prompt in run.prompts:
            answer = self._answer(self._tuned(run.strength), prompt)
            made = Sample(self.adapter_step, run.strength, prompt, answer)
            others = [each for each in run.samples if (each.step, each.prompt) != (made.step, prompt)]
            run.samples = [*others, made]
            yield

    def _tuned(self, strength: float) -> Model:
        assert self.adapter is not None
        return self.run.model.with_adapter(self.adapter, strength, name=self.run.name)

    def _answer(self, model: Model, prompt: str) -> Generation:
        return model.generate(prompt, temperature=0, max_tokens=self.run.options.max_tokens, alternatives=0)

    def _save(self) -> None:
        """Write the checkpoint. That it cannot be written is said, once, and stops no run."""
        if self.checkpoint is None or self.trainer is None:
            return
        try:
            self.checkpoint.write(self.run, self.trainer, self.best_state)
        except StoreError as error:
            note = f"no checkpoint is kept: {error}"
            if note not in self.run.notes:
                self.run.notes.append(note)

    def _note_verbatim(self) -> None:
        """Say where an answer has a long run of a row's tokens that the base's answer has not."""
        run = self.run
        for sample in (each for each in run.samples if each.step == self.adapter_step):
            count, row = by_heart([token.id for token in sample.answer.tokens], run.split.train)
            before = [token.id for token in run.before[sample.prompt].tokens]
            if count >= VERBATIM and count > by_heart(before, run.split.train)[0]:
                run.notes.append(f"row {row} comes back word for word: {count} tokens of it in one answer")

    def _note_memory(self) -> None:
        held = self.run.memory
        held["peak"] = machine.peak()
        held["activations"] = max(held["peak"] - held["before"] - held["weights"] - held["adapter"], 0)

    def _step_s(self) -> float:
        """Seconds of a step: the slowest of the last few, without the first, which prepares kernels."""
        steps = self.run.history[1:][-3:] or self.run.history
        return max((step.seconds for step in steps), default=1.0)

    def left_s(self) -> float:
        """Seconds that what is left is likely to take."""
        trainer = self.trainer
        steps = max(trainer.total - trainer.step, 0) if trainer else 0
        return steps * self._step_s() + self.reserve / 1.5

    def _left(self) -> float | None:
        """Seconds that are left for training, or None where time is no matter."""
        return None if self.ends is None else self.ends - time.perf_counter() - self.reserve


def _prompts_of(rows: Sequence[Row], examples: Sequence[Example]) -> tuple[str, ...]:
    """What is asked where nobody said what: questions of rows that are held out."""
    by_number = {row.number: row for row in rows}
    asked = [
        message["content"]
        for example in examples
        for message in by_number[example.row].messages[-2:-1]
        if message["role"] == "user" and len(by_number[example.row].messages) <= 2
    ]
    return tuple(dict.fromkeys(asked))[:PROMPTS]
