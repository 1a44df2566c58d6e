"""Run the cells of ``%%llm_tune``, and ``lm.tune``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core import progress
from ...core.output import Output
from ...errors import Interrupted, UsageError
from ...sanitize import safe_print
from ...sources import adapters
from ..inspection.output import ProgressOutput
from ..session import ModelProvider
from .request import TuneRequest, parse, usage

if TYPE_CHECKING:
    from ...models.model import Model
    from ...tuning.run import TuneRun


class TuneCell:
    """Run one cell of ``%%llm_tune``.

    Args:
        shell: IPython's shell.
        models: the model in use.
    """

    def __init__(self, shell: Any, models: ModelProvider) -> None:
        self.shell, self._models = shell, models

    def run(self, line: str, cell: str | None) -> None:
        """Tune, go on with a run, or show the help."""
        request = parse(line, cell, self.shell.user_ns)
        if request.command == "help":
            safe_print(usage())
        elif request.command == "resume":
            self._resume(request)
        else:
            self._tune(request)

    def _tune(self, request: TuneRequest) -> None:
        from ...tuning.dataset import read_rows
        from ...tuning.options import tune_options
        from ...tuning.training.hardware import import_torch

        # What is wrong is said before a model is loaded.
        tune_options(request.options)
        rows = read_rows(request.rows)
        rows = replace(rows, notes=[*rows.notes, *request.unresolved])
        import_torch()
        from ...tuning.api import new_run

        output = Output()
        with progress.quiet() if request.quiet else progress.shown_in(output):
            model = self._models.use(request.model, precision=request.precision)
        run = new_run(
            model,
            rows,
            prompts=request.prompts,
            name=request.name,
            keep=request.save,
            source=request.source,
            resume=request.folder,
            **request.options,
        )
        self.shell.user_ns[request.name] = run  # now: an interrupt must not lose it
        self._drive(run, request.quiet, output)
        if request.labels is not None:
            self._compare(run, request)

    def _compare(self, run: TuneRun, request: TuneRequest) -> None:
        """Show the labels of other rows before and after."""
        from .labels import compare_labels

        assert request.labels is not None
        output = ProgressOutput(self.shell, quiet=request.quiet)
        try:
            with output.capture_progress():
                record = compare_labels(run, request.labels)
        except KeyboardInterrupt:
            raise Interrupted("stopped; the adapter is kept, the labels were not compared") from None
        if record is not None:
            run.labels = record
            output.show_result(record, "")

    def _resume(self, request: TuneRequest) -> None:
        from ...tuning.run import TuneRun

        run = self.shell.user_ns.get(request.name)
        if not isinstance(run, TuneRun):
            raise UsageError(
                f"there is no run in {request.name}",
                hint=f"Use its saved adapter: %%llm -a {request.name}. The run ended with its kernel."
                if adapters.find(request.name)
                else "Name it: %llm_tune --resume -n NAME.",
            )
        if more := request.options.get("steps"):
            run.extend(more)
        self._drive(run, request.quiet)

    def _drive(self, run: TuneRun, quiet: bool, output: Output | None = None) -> None:
        try:
            run_with_view(run, self.shell, quiet=quiet, output=output)
        except KeyboardInterrupt:
            # The cell fails, so that "Run All" stops here too.
            raise Interrupted(
                f"stopped at step {run.step}; the adapter is kept, and %llm_tune --resume continues"
            ) from None


def tune(
    model: Model,
    rows: Any,
    *,
    prompts: Iterable[str] = (),
    name: str | None = None,
    resume: str | Path | None = None,
    show: bool = True,
    **options: Any,
) -> TuneRun:
    """Tune a LoRA on some rows, and see what it does: live where this is a notebook.

    A KeyboardInterrupt goes through; the run so far is ``model.last_tune``, and its ``resume()`` goes on.

    Args:
        model: a loaded one, converted by this package.
        rows: texts, pairs, ``{"prompt", "completion"}``, ``{"messages"}`` or ``{"text"}``; a pandas or
            ``datasets`` table; the name of a CSV, JSON, JSONL or text file.
        prompts: answered before, on the way and at the end; questions of held-out rows, if none are given.
        name: what the adapter is called. One with a name is kept in ``LLM_MAGICS_HOME/adapters``, for
            ``%%llm -a NAME`` and ``lm.load(adapter=NAME)`` of another day.
        resume: a folder that keeps the run at every check; where it holds one that was cut off, that goes on.
        show: a picture, or a line on stderr.
        **options: the fields of :class:`TuneOptions`: minutes, steps, depth, rank, alpha, targets,
            learning_rate, eval_fraction, batch, max_length, max_tokens, seed.

    Raises:
        UsageError: an option, or a row, is none, or torch is not installed. UnsupportedModel, StoreError,
            ModelFileError.
    """
    from IPython.core.getipython import get_ipython

    from ...tuning.dataset import read_rows
    from ...tuning.training.hardware import import_torch

    import_torch()
    from ...tuning.api import new_run

    source = str(rows) if isinstance(rows, Path) or (isinstance(rows, str) and "\n" not in rows) else "rows"
    run = new_run(
        model,
        read_rows(rows),
        prompts=prompts,
        name=name or "tuned",
        source=source,
        resume=resume,
        keep=name is not None,
        **options,
    )
    return run_with_view(run, get_ipython(), quiet=not show)


def run_with_view(run: TuneRun, shell: Any, *, quiet: bool, output: Output | None = None) -> TuneRun:
    """Make the run's steps, and show them: in ``output``, where there is one already."""
    from ...tuning.run import run_to_end
    from .output import RunView

    if quiet:
        return run_to_end(run)
    notebook = getattr(shell, "kernel", None) is not None
    view = RunView(run, notebook=notebook, output=output)
    if notebook:
        if "LLMMagics" not in shell.magics_manager.registry:
            shell.run_line_magic("load_ext", "llm_magics")
        shell.magics_manager.registry["LLMMagics"].workspace.commands.tuning.add(view)
    try:
        with view.lock:
            view.is_training = True
            return run_to_end(run, view.watch)
    finally:
        view.is_training = False
        if run.state == "interrupted":
            view.watch(run)
