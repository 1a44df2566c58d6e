"""TuneRun: a preview from the first step to what is kept of it.

It is a generator of moments: whoever drives it is called back after every step, may show what there is, and
may stop at any of them. Orders (stop, pause, more steps) are flags that another thread may set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..core import given
from ..errors import UsageError
from ..models.adapter import Adapter
from ..models.merged import merge
from ..sources import adapters
from .checkpoint import Checkpoint
from .course import Course
from .examples import Mask, encode_rows, mask_of
from .options import TuneOptions
from .records import Comparison, Progress
from .rows import RowSet
from .save import KEPT, save_run
from .script import write_script

if TYPE_CHECKING:
    from ..models.model import Model


class TuneRun(Progress):
    """What a preview did, and what is left of it. Its attributes are those of :class:`Progress`."""

    def __init__(
        self,
        model: Model,
        rows: RowSet,
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
        self._course: Course | None = None

    def __repr__(self) -> str:
        return f"<TuneRun {self.name}: {self.state}, {self.step} steps on {len(self.split.train)} rows>"

    # What there is

    @property
    def step(self) -> int:
        trainer = self._course.trainer if self._course else None
        return trainer.step if trainer else 0

    @property
    def total(self) -> int:
        """Steps that there will be; 0 while that is not known."""
        trainer = self._course.trainer if self._course else None
        return trainer.total if trainer and self.plan else 0

    @property
    def counts(self) -> tuple[int, int]:
        """How many numbers are learnt, and how many weights the model has; 0 while that is not known."""
        trainer = self._course.trainer if self._course else None
        return (trainer.lora.count, trainer.network.count) if trainer else (0, 0)

    @property
    def left_s(self) -> float | None:
        """Seconds that the steps and the end are likely to take; None while that is not known."""
        course = self._course
        return course.left_s() if course and self.plan else None

    @property
    def adapter(self) -> Adapter:
        """What was learnt: at the best moment, once the run has ended; as it is now, while it goes on.

        Raises:
            UsageError: nothing was learnt yet.
        """
        course = self._course
        if course is None or course.trainer is None or not self.history:
            raise UsageError("nothing was learnt yet", hint="let it make some steps")
        if course.adapter is None:
            course.keep("last" if self.state == "training" else "best")
        assert course.adapter is not None
        return course.adapter

    @property
    def adapter_step(self) -> int:
        """The step that :attr:`adapter` is of."""
        return self._course.adapter_step if self._course else 0

    @property
    def tuned(self) -> Model:
        """The model with the adapter, at :attr:`strength`."""
        return self.model.with_adapter(self.adapter, self.strength, name=self.name)

    def mask(self, row: int) -> Mask:
        """What of a row is learnt, on its tokens: brackets, or underlined as a cell's last value.

        Args:
            row: its number in the source, from 1.

        Raises:
            UsageError: there is no such row, or it was left out.
        """
        found = next((each for each in self.rows if each.number == row), None)
        if found is None:
            raise UsageError(f"there is no row {given.shown(row)}", hint=f"1 to {len(self.rows):,}")
        return mask_of(self.model, encode_rows(self.model, [found], max_length=self.options.max_length)[0][0])

    def compare(self, prompt: str, **options: Any) -> Comparison:
        """The same prompt answered without and with the adapter, greedily if nothing else is said.

        Args:
            **options: fields of :class:`SamplingOptions`.
        """
        chosen = {"temperature": 0, "max_tokens": self.options.max_tokens, **options}
        base, tuned = (model.generate(prompt, **chosen) for model in (self.model, self.tuned))
        return Comparison(prompt, base, tuned, self.strength)

    def save(self, folder: str | Path) -> Path:
        """Write the adapter into a new folder: PEFT's files, ONNX Runtime's ``.onnx_adapter``, and a README
        with where it came from and what the base's licence asks.

        ``lm.load(…, adapter=folder)`` and ``%%llm --adapter folder`` use it; PEFT does too.

        Raises:
            UsageError: the folder exists, or nothing was learnt. StoreError: it cannot be written.
        """
        return save_run(self, self.adapter, self.adapter_step, folder)

    def keep_as(self, name: str) -> None:
        """Write the adapter into ``LLM_MAGICS_HOME/adapters``, where ``%%llm -a NAME`` finds it on another
        day. An adapter of another run that has the name gets a number.

        Raises:
            UsageError: the name cannot be one, or nothing was learnt.
        """
        adapters.folder_of(given.text(name, "name"))
        if not (self.adapter and self.adapter_step):
            raise UsageError("nothing was learnt that could be kept", hint="more steps: resume(more=50)")
        self.name, self.keep = name, True
        self._going().keep_named()

    def forget(self) -> None:
        """Remove what :meth:`keep_as`, or a run with a name, wrote.

        Raises:
            UsageError: it is not there any more. StoreError: it cannot be removed.
        """
        found = adapters.find(self.kept) if self.kept else None
        if found is None or found.run != self.id:
            raise UsageError("the adapter of this run is not kept", hint="%llm adapters lists those that are")
        adapters.remove(self.kept)
        self.keep, self.kept = False, ""
        self.notes = [note for note in self.notes if not note.startswith(KEPT)]

    def merge(self, folder: str | Path, *, precision: str = "auto") -> Path:
        """Write the model with the adapter in its weights, at this strength, into a new folder, which
        :func:`load` takes like any other.

        Raises:
            UsageError: the folder exists, or nothing was learnt. StoreError: it cannot be written.
        """
        return merge(self.model, self.adapter, folder, strength=self.strength, precision=precision)

    def script(self, folder: str | Path) -> Path:
        """Write a new folder for the full run elsewhere: a script of transformers, PEFT and accelerate, with
        the same rows, split and options. Gives the script's path.

        Raises:
            UsageError: the folder exists. StoreError: it cannot be written.
        """
        return write_script(self, folder)

    # Orders, from any thread

    def stop(self, keep: Literal["best", "last"] = "last") -> None:
        """End after this step, and keep the adapter as it is then, or as it was at its best."""
        course = self._going()
        course.asked, course.paused = keep, False

    def pause(self, wait: bool = True) -> None:
        """Wait before the next step, or go on."""
        self._going().paused = wait

    def more(self, steps: int) -> None:
        """So many steps more than were planned, whatever time and the held-out loss say."""
        course = self._going()
        if course.trainer is None:
            raise UsageError("it has not begun yet", hint="wait for its first steps")
        steps = given.whole(steps, "steps", 1, 100_000, hint="100")
        course.trainer.total = max(course.trainer.total, course.trainer.step) + steps
        course.ends, course.patience, course.asked = None, 1 << 30, ""

    def back(self) -> None:
        """Keep the adapter as it was when the held-out loss was lowest."""
        if self.best is None:
            raise UsageError("nothing is held out, so no moment is the best", hint="use eval_fraction=0.1")
        if self.state in ("training", "paused"):
            self.stop("best")
        else:
            self._going().keep("best")
            self._going().keep_named()

    # The run itself

    def go(self) -> Iterator[None]:
        """Make the steps that are left, and what comes before and after; pauses at every moment to be shown.

        After an interrupt it goes on where it was.
        """
        if self._course is None or self.plan is None:  # it had not really begun
            self._course = Course(self, self._checkpoint)
            self.history, self.checks, self.samples = [], {}, []
        course = self._course
        course.asked, course.adapter = "", None
        try:
            yield from course.whole()
        except (KeyboardInterrupt, GeneratorExit):
            self.state, self.why = "interrupted", f"interrupted at step {self.step}; go on with resume()"
            course.interrupted()
            raise
        except BaseException as error:
            if self.state not in ("done", "stopped", "failed"):
                self.state, self.why = "failed", f"{error}".splitlines()[0] if f"{error}" else "it failed"
            raise

    def answer(self) -> Iterator[None]:
        """Answer the prompts again, at the strength as it is now."""
        course = self._going()
        assert self.adapter is not None
        yield from course.sample()

    def resume(self, more: int = 0) -> TuneRun:
        """Go on where it was, after an interrupt or its end, with so many steps more."""
        if more:
            self.more(more)
        return watched(self)

    def _going(self) -> Course:
        if self._course is None:
            raise UsageError("the run has not begun", hint="lm.tune begins it")
        return self._course


def watched(run: TuneRun, watch: Callable[[TuneRun], None] | None = None) -> TuneRun:
    """Drive a run to its end; ``watch`` is told of every moment."""
    for _ in run.go():
        if watch:
            watch(run)
    return run
