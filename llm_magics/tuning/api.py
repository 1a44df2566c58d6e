"""Create tuning runs, for the magic and for ``lm.tune``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..core import validation
from ..errors import UsageError
from ..models.model import Model
from .checkpoint import Checkpoint
from .options import tune_options
from .run import TuneRun


def new_run(
    model: Model,
    rows: Any,
    *,
    prompts: Iterable[str],
    name: str,
    source: str,
    resume: str | Path | None,
    keep: bool = False,
    **options: Any,
) -> TuneRun:
    """Create a run that has not started, and remember it as ``model.last_tune``.

    Args:
        model: the model to tune; of a model with an adapter, its base.
        rows: the dataset, as :func:`~.dataset.read_rows` returns it.
        prompts: prompts that are answered during the run.
        name: the name of the run and of its adapter.
        source: the name of the rows, for the view and the model card.
        resume: the folder of checkpoints, or None.
        keep: whether the adapter is saved under its name.
        **options: the fields of :class:`~.options.TuneOptions`.

    Raises:
        UsageError: an option is out of its range, or a prompt is not a string.
    """
    asked = (prompts,) if isinstance(prompts, str) else tuple(prompts)
    if not all(isinstance(prompt, str) and prompt.strip() for prompt in asked):
        raise UsageError(
            "prompts must be non-empty strings", hint='Pass for example prompts=["Who are you?"].'
        )
    checkpoint = None if resume is None else Checkpoint(validation.require_path(resume, "resume"))
    run = TuneRun(
        model.base or model,
        rows,
        tune_options(options),
        prompts=asked,
        name=name,
        source=source,
        checkpoint=checkpoint,
        keep=keep,
    )
    model.last_tune = run
    return run
