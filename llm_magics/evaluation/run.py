"""Evaluate models on a task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import progress, validation
from ..engine.answer import token_texts
from ..errors import UsageError
from ..inspection.reading.batch_score import ContinuationReader
from .evaluation import Evaluation, ModelRun, make_evaluation
from .items import items_of
from .scoring import likelihoods
from .task_file import read_task

if TYPE_CHECKING:
    from ..models.model import Model

MOST_MODELS = 6


def evaluate(
    task: str | Path, models: Model | Sequence[Model] | None = None, *, limit: int | None = None
) -> Evaluation:
    """Evaluate models on a multiple-choice task of lm-evaluation-harness.

    The log-likelihood of each choice is computed, and the likeliest one is compared with the right one. An
    interrupt goes through: an evaluation of a part would have other numbers.

    Args:
        task: the path of the task's YAML file. Its data are local files.
        models: one or several; None loads the default model.
        limit: the first so many questions; None: all.

    Raises:
        UsageError: the task cannot be read, or it has something that is not supported.
    """
    from ..models.loading.load import load
    from ..models.model import Model

    if models is None:
        models = [load()]
    models = [models] if isinstance(models, Model) else list(models)
    if not 1 <= len(models) <= MOST_MODELS:
        raise UsageError(f"evaluate takes 1 to {MOST_MODELS} models, got {len(models)}", hint="Use fewer.")
    for model in models:
        validation.require_instance(model, Model, "a model", hint="Pass results of load(…).")
    limit = None if limit is None else validation.require_int(limit, "limit", 1)
    file = read_task(task)
    items = list(items_of(file, limit))
    runs = []
    with progress.progress_bar(f"evaluating {file.name}", len(items) * len(models), unit="item") as step:
        for model in models:
            run, reader = ModelRun(model.info), ContinuationReader(model.runtime)
            for item in items:
                texts = [f"{item.delimiter}{choice}" for choice in item.choices]
                scores = likelihoods(model.runtime, item.context, texts, reader=reader)
                run.scores.append(scores)
                run.texts.append([tuple(token_texts(model.tokenizer, score.ids)) for score in scores])
                step(1)
            runs.append(run)
    return make_evaluation(file.name, items, runs)
