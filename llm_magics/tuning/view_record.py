"""What the notebook keeps of a run: plain JSON, from which every picture of it is drawn."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..core.payloads import PromptAnswersPayload, TunedAnswerPayload, TuningRecordPayload
from ..core.records import Generation
from ..sanitize import replace_surrogates
from .run import TuneRun
from .run_state import changed

SCHEMA = 1
MOST_POINTS = 600  # of the loss; of more, each stands for some


def view_record(run: TuneRun, *, id: str = "", left_s: float | None = None) -> TuningRecordPayload:
    """Return the record of a run as it is now.

    Args:
        run: the tuning run.
        id: by which its view knows it.
        left_s: seconds that are left, where that is known.
    """
    recent = run.history[-8:]
    seconds = sum(step.seconds for step in recent)
    apart = max(1, -(-len(run.history) // MOST_POINTS))
    history = run.history[::apart] if apart > 1 else run.history
    info = run.model.info
    record: TuningRecordPayload = {
        "schema": SCHEMA,
        "kind": "tuning",
        "id": id,
        "final": run.state not in ("new", "loading", "training", "paused"),
        "state": run.state,
        "why": run.message,
        "name": run.name,
        "kept": run.kept,
        "model": {"name": info.name, "precision": info.precision, "licence": info.license},
        "source": run.source,
        "rows": {
            "all": len(run.rows),
            "train": len(run.split.train),
            "choose": len(run.split.validation),
            "final": len(run.split.test),
        },
        "rank": run.options.rank,
        "plan": None if run.plan is None else run.plan.to_dict(),
        "step": run.step,
        "total": run.total,
        "tokens_per_s": round(sum(step.tokens for step in recent) / seconds, 1) if seconds else None,
        "left_s": None if left_s is None else round(left_s, 1),
        "memory": dict(run.memory),
        "weights": run.parameter_counts,
        "loss": [[step.step for step in history], [round(step.loss, 4) for step in history]],
        "held_out": [list(run.heldout_losses), [round(loss, 4) for loss in run.heldout_losses.values()]],
        "best": run.best,
        "rising": run.loss_rising,
        "notes": list(run.notes),
        "strength": run.strength,
        "adapter_step": run.adapter_step,
        "prompts": [_prompt(run, prompt) for prompt in run.prompts if prompt in run.base_answers],
        "perplexity": None if run.perplexity is None else asdict(run.perplexity),
    }
    return replace_surrogates(record)  # type: ignore[no-any-return]


def _prompt(run: TuneRun, prompt: str) -> PromptAnswersPayload:
    """Return a prompt with the answer before, and those since, each with which of its words differ."""
    before = run.base_answers[prompt]
    ids = [token.id for token in before.tokens]
    after: list[TunedAnswerPayload] = []
    for sample in run.samples:
        if sample.prompt == prompt:
            lost, gained = changed(ids, [token.id for token in sample.answer.tokens])
            after.append(
                {
                    "step": sample.step,
                    "strength": sample.strength,
                    "text": _pieces(sample.answer, gained),
                    "lost": _spans(lost),
                }
            )
    return {"prompt": prompt, "before": [token.text for token in before.tokens], "after": after}


def _pieces(answer: Generation, marks: tuple[bool, ...]) -> list[list[Any]]:
    """Return the text in pieces that are alike: text, and 1 where it is new."""
    result: list[list[Any]] = []
    for token, mark in zip(answer.tokens, marks, strict=True):
        if not token.text:
            continue
        if result and result[-1][1] == int(mark):
            result[-1][0] += token.text
        else:
            result.append([token.text, int(mark)])
    return result


def _spans(marks: tuple[bool, ...]) -> list[int]:
    """Return the places that are marked."""
    return [place for place, mark in enumerate(marks) if mark]
