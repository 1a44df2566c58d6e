"""Models side by side on the questions of a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, ClassVar

import numpy as np

from ..core.format import percent
from ..core.records import ModelInfo
from ..inspection.answers.intervals import paired_difference, wilson_interval
from ..sanitize import printable, single_line
from ..views.inspection_record import InspectionRecord, Stored, table
from .items import Item
from .scoring import Likelihood

MOST_ITEMS = 400  # whose choices and tokens a record keeps
MOST_CONTEXT = 1_500  # letters
_SHOWN = 8  # of the terminal


@dataclass(frozen=True, slots=True)
class ModelRun:
    """What one model made of the items.

    Attributes:
        model: as the record names it.
        texts: of the tokens of each choice, of each item.
        scores: of each choice, of each item.
    """

    model: ModelInfo
    texts: list[list[tuple[str, ...]]] = field(default_factory=list)
    scores: list[list[Likelihood]] = field(default_factory=list)

    def picks(self, items: Sequence[Item], *, normalized: bool) -> list[int]:
        """Return the likeliest choice of each item; ``normalized``: by the logprob a letter of the choice."""
        result = []
        for item, scores in zip(items, self.scores, strict=True):
            sizes = [len(choice) if normalized else 1 for choice in item.choices]
            result.append(int(np.argmax([one.total / size for one, size in zip(scores, sizes, strict=True)])))
        return result


class Evaluation(InspectionRecord):
    """A task and the models that answered it. Made by :func:`evaluate`.

    ``head["task"]``, ``head["total"]`` (items). ``head["models"]``: of each its ``model``, ``acc`` and
    ``acc_norm`` (by the logprob a letter) with the bounds of their 95 % intervals (Wilson), and
    ``difference`` to the first model with its interval (paired, Agresti and Min 2005). ``head["items"]``,
    those first in which the models differ: ``number`` from 1, ``context``, ``choices``, ``gold`` (places of
    the right ones), ``picks`` (of each model), and ``texts`` (of each model, of each choice, of each token).
    ``logprob``: of all these tokens one after the other, nats.
    """

    kind = "evaluation"
    storage: ClassVar[Stored] = {"logprob": ("f4", 1)}

    def to_text(self) -> str:
        """Return a row for each model, and the items in which they differ most."""
        head = self.head
        lines = [f"{printable(head['task'])} · {head['total']:,} items"]
        names = [_name(item["model"]) for item in head["models"]]
        width = max(map(len, names))
        for name, item in zip(names, head["models"], strict=True):
            low, high = item["acc_bounds"]
            line = f"{name:<{width}}  accuracy {percent(item['acc'])} [{percent(low)}, {percent(high)}]"
            line += f"  by letter {percent(item['acc_norm'])}"
            if difference := item.get("difference"):
                shift, low, high = (100 * value for value in difference)
                line += f"  difference {shift:+.1f} [{low:+.1f}, {high:+.1f}] points"
            lines.append(line)
        for item in head["items"][:_SHOWN]:
            marks = "".join("✓" if pick in item["gold"] else "✗" for pick in item["picks"])
            question = single_line(item["context"], most=10_000)[-60:]
            lines.append(f"{item['number']:>6}  {marks}  … {question}")
        return "\n".join(lines)

    def page(self) -> str:
        """Return the models as a table."""
        rows = []
        for item in self.head["models"]:
            low, high = item["acc_bounds"]
            difference = item.get("difference")
            shift = f"{100 * difference[0]:+.1f} points" if difference else ""
            rows.append(
                f"<tr><td>{escape(_name(item['model']))}</td><td>{percent(item['acc'])}</td>"
                f"<td>{percent(low)} to {percent(high)}</td><td>{percent(item['acc_norm'])}</td>"
                f"<td>{shift}</td></tr>"
            )
        heads = ("model", "accuracy", "95 % interval", "by letter", "difference")
        top = "".join(f"<th>{name}</th>" for name in heads)
        title = escape(printable(f"{self.head['task']} · {self.head['total']:,} items"))
        return f"<p>{title}</p><table><tr>{top}</tr>{''.join(rows)}</table>"

    def to_pandas(self) -> Any:
        """Return one row for each item of the record."""
        items, models = self.head["items"], self.head["models"]
        columns: dict[str, Any] = {
            "item": [item["number"] for item in items],
            "context": [item["context"] for item in items],
            "gold": [item["choices"][item["gold"][0]] for item in items],
        }
        for n, model in enumerate(models):
            columns[_name(model["model"])] = [item["choices"][item["picks"][n]] for item in items]
        return table(columns)


def _name(model: dict[str, str]) -> str:
    return single_line(", ".join(filter(None, (model["name"], model["precision"]))))


def make_evaluation(task: str, items: Sequence[Item], runs: Sequence[ModelRun]) -> Evaluation:
    """Return the record of a finished evaluation.

    Args:
        task: its name.
        items: the questions.
        runs: what each model made of them.
    """
    picks = [run.picks(items, normalized=False) for run in runs]
    letters = [run.picks(items, normalized=True) for run in runs]
    right = [[pick in item.gold for pick, item in zip(picked, items, strict=True)] for picked in picks]
    models: list[dict[str, Any]] = []
    for n, run in enumerate(runs):
        hits = sum(pick in item.gold for pick, item in zip(letters[n], items, strict=True))
        row: dict[str, Any] = {
            "model": run.model.to_dict(),
            "acc": sum(right[n]) / len(items),
            "acc_bounds": list(wilson_interval(sum(right[n]), len(items))),
            "acc_norm": hits / len(items),
            "acc_norm_bounds": list(wilson_interval(hits, len(items))),
        }
        if n:
            row["difference"] = list(paired_difference(right[n], right[0]))
        models.append(row)
    order = sorted(range(len(items)), key=lambda n: (-_disagreement(runs, right, n), n))[:MOST_ITEMS]
    shown = [
        {
            "number": n + 1,
            "context": items[n].context[-MOST_CONTEXT:],
            "choices": list(items[n].choices),
            "gold": list(items[n].gold),
            "picks": [picked[n] for picked in picks],
            "texts": [[list(texts) for texts in run.texts[n]] for run in runs],
        }
        for n in order
    ]
    parts = [score.logprobs for n in order for run in runs for score in run.scores[n]]
    head = {"task": task, "total": len(items), "models": models, "items": shown}
    return Evaluation(runs[0].model, head, {"logprob": np.concatenate(parts).astype(np.float32)})


def _disagreement(runs: Sequence[ModelRun], right: Sequence[Sequence[bool]], n: int) -> float:
    """Return how much the models differ on an item; with one model, how sure it is of a wrong choice."""
    shares = np.array([_shares(run.scores[n]) for run in runs])
    if len(runs) == 1:
        return float(shares[0].max()) * (1 if not right[0][n] else -1)
    distance = float(np.abs(shares - shares[0]).sum(1).max()) / 2
    return distance + (2 if len({hits[n] for hits in right}) > 1 else 0)


def _shares(scores: Sequence[Likelihood]) -> np.ndarray[Any, Any]:
    totals = np.array([score.total for score in scores])
    weights = np.exp(totals - totals.max())
    return np.asarray(weights / weights.sum())
