"""What the notebook keeps of a run: plain JSON, from which every picture of it is drawn."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..clean import sound
from ..core.records import Generation
from .records import changed
from .run import TuneRun

SCHEMA = 1
MOST_POINTS = 600  # of the loss; of more, each stands for some


def record_of(run: TuneRun, *, id: str = "", left_s: float | None = None) -> dict[str, Any]:
    """The record of a run as it is now.

    Args:
        id: by which its view knows it.
        left_s: seconds that are left, where that is known.
    """
    recent = run.history[-8:]
    seconds = sum(step.seconds for step in recent)
    apart = max(1, -(-len(run.history) // MOST_POINTS))
    kept = run.history[::apart] if apart > 1 else run.history
    info = run.model.info
    return sound(  # type: ignore[no-any-return]
        {
            "schema": SCHEMA,
            "kind": "tuning",
            "id": id,
            "final": run.state not in ("new", "loading", "training", "paused"),
            "state": run.state,
            "why": run.why,
            "name": run.name,
            "kept": run.kept,
            "model": {"name": info.name, "precision": info.precision, "licence": info.licence},
            "source": run.source,
            "rows": {
                "all": len(run.rows),
                "train": len(run.split.train),
                "choose": len(run.split.choose),
                "final": len(run.split.final),
            },
            "rank": run.options.rank,
            "plan": None if run.plan is None else asdict(run.plan),
            "step": run.step,
            "total": run.total,
            "tokens_per_s": round(sum(step.tokens for step in recent) / seconds, 1) if seconds else None,
            "left_s": None if left_s is None else round(left_s, 1),
            "memory": dict(run.memory),
            "weights": run.counts,
            "loss": [[step.step for step in kept], [round(step.loss, 4) for step in kept]],
            "held_out": [list(run.checks), [round(loss, 4) for loss in run.checks.values()]],
            "best": run.best,
            "rising": run.rising,
            "notes": list(run.notes),
            "strength": run.strength,
            "adapter_step": run.adapter_step,
            "prompts": [_prompt(run, prompt) for prompt in run.prompts if prompt in run.before],
            "perplexity": None if run.perplexity is None else asdict(run.perplexity),
        }
    )


def _prompt(run: TuneRun, prompt: str) -> dict[str, Any]:
    """A prompt with the answer before, and those since, each with which of its words differ."""
    before = run.before[prompt]
    ids = [token.id for token in before.tokens]
    after = []
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
    """The text in pieces that are alike: text, and 1 where it is new."""
    found: list[list[Any]] = []
    for token, mark in zip(answer.tokens, marks, strict=True):
        if not token.text:
            continue
        if found and found[-1][1] == int(mark):
            found[-1][0] += token.text
        else:
            found.append([token.text, int(mark)])
    return found


def _spans(marks: tuple[bool, ...]) -> list[int]:
    """The places that are marked."""
    return [place for place, mark in enumerate(marks) if mark]
