"""``%%llm_tune --decide``: teach labels on labelled rows, and compare before and after on other rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core import progress
from ...errors import LLMMagicsError, UsageError
from ...sanitize import single_line
from ..answers.rows import read_rows, row_prompts

if TYPE_CHECKING:
    from ...evaluation.evaluation import Evaluation
    from ...evaluation.scoring import Likelihood
    from ...inspection.answers.choices import Choices
    from ...tuning.run import TuneRun

EVAL_FRACTION = 0.3  # of the rows: an accuracy needs more of them than a loss
MOST_LABELS = 50
_MOST_COMPARED = 400


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows with their true labels.

    Attributes:
        prompts: of the rows.
        truth: the label of each.
        labels: all of them, sorted.
    """

    prompts: list[str]
    truth: list[str]
    labels: list[str]

    def to_rows(self) -> list[dict[str, str]]:
        """Return the rows as a run learns them."""
        return [
            {"prompt": prompt, "completion": label}
            for prompt, label in zip(self.prompts, self.truth, strict=True)
        ]


def labelled_rows(column: str, template: str, namespace: Mapping[str, Any]) -> LabelledRows:
    """Return the rows of a table that have a label.

    Args:
        column: "df.label", the column of the true labels.
        template: the prompt of a row, with the names of other columns in braces.
        namespace: the variables of the notebook.

    Raises:
        UsageError: there is no such column, the prompt has the label in it, or the labels cannot be learned.
    """
    source = read_rows(column, namespace, "--decide")
    if source.table is None:
        raise UsageError(
            f"--decide needs a column of a table, got {single_line(column)!r:.60}",
            hint="Write for example --decide df.label.",
        )
    if f"{{{source.column}}}" in template or "{row}" in template:
        raise UsageError(
            f"the prompt has the label in it: {{{source.column}}}", hint="Use the other columns of the row."
        )
    prompts = row_prompts(template, source, namespace, evaluate=False)
    known = [
        (prompt, str(value).strip())
        for prompt, value in zip(prompts, source.values, strict=True)
        if isinstance(prompt, str) and str(value).strip() and prompt is not value
    ]
    labels = sorted({label for _, label in known})
    if not 2 <= len(labels) <= MOST_LABELS:
        raise UsageError(
            f"{single_line(column)} has {len(labels)} different labels; 2 to {MOST_LABELS} can be learned",
            hint="Choose a column with a few labels.",
        )
    return LabelledRows([prompt for prompt, _ in known], [label for _, label in known], labels)


def compare_labels(run: TuneRun, rows: LabelledRows) -> Evaluation | None:
    """Return what the model says of the rows that it did not learn from, before and after.

    Args:
        run: a finished run on ``rows``.
        rows: its rows.

    Returns:
        None where no row was put aside.
    """
    from ...evaluation.evaluation import ModelRun, make_evaluation
    from ...evaluation.items import Item

    places = sorted({example.row - 1 for example in run.split.test})[:_MOST_COMPARED]
    if not places:
        return None
    models = (run.model, run.tuned_model)
    runs = [ModelRun(model.info) for model in models]
    items = [
        Item(rows.prompts[n], tuple(rows.labels), "", (rows.labels.index(rows.truth[n]),)) for n in places
    ]
    with progress.progress_bar("comparing labels", len(places) * 2, unit="row") as step:
        for model, result in zip(models, runs, strict=True):
            # In order: nothing is read from a journal, and an error ends the comparison.
            for _, choice in model.choose_rows([rows.prompts[n] for n in places], rows.labels, keep=False):
                if isinstance(choice, LLMMagicsError):
                    raise choice
                scores, texts = _read(choice.record)
                result.scores.append(scores)
                result.texts.append(texts)
                step(1)
    return make_evaluation(f"{run.name}: labels of {len(places):,} rows that it did not see", items, runs)


def _read(record: Choices) -> tuple[list[Likelihood], list[tuple[str, ...]]]:
    """Return the log-likelihood of each label of a row, and the texts of its tokens."""
    from ...evaluation.scoring import Likelihood

    logprobs, at = record.arrays["logprob"], 0
    scores, texts = [], []
    for label in record.head["labels"]:
        (spelling,) = label["spellings"]
        count = len(spelling["ids"])
        scores.append(Likelihood(tuple(spelling["ids"]), np.asarray(logprobs[at : at + count]), False))
        texts.append(tuple(spelling["texts"]))
        at += count
    return scores, texts
