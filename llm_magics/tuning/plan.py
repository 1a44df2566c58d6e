"""How deep and how long: chosen from what the first steps took, and said with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .options import BATCH, DEPTH, TuneOptions

EPOCHS = 4.5  # what a few dozen rows can teach; more is learning by heart (measured: it turns after 4 to 5)
LEAST, ENOUGH = 30, 24  # steps: wanted for the fewest rows, and worth training all layers for
RATE = 3e-3  # for all layers and for the last few (tried: 1e-3 to 4e-3)
HEAD = 2.5  # the cost of the LM head, in layers
SHALLOW = (DEPTH, 4, 2)  # layers that learn where the time is too short for all
WORTH = 15  # steps that teach something: what a longer time is named for
CHECKS = 12  # times that the held-out loss is computed


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be done.

    Attributes:
        first_layer: the first trainable layer; the layers below it are frozen.
        steps: optimizer steps.
        evaluate_every: steps between two computations of the validation loss.
        learning_rate: the highest learning rate.
        reason: the reason for depth and steps, for the user.
    """

    first_layer: int
    steps: int
    evaluate_every: int
    learning_rate: float
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return JSON with the names of saved runs and checkpoints."""
        return {saved: getattr(self, name) for saved, name in _SAVED.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Plan:
        """Read what :meth:`to_dict` wrote.

        Raises:
            KeyError: a name is missing or unknown.
        """
        return cls(**{_SAVED[saved]: value for saved, value in data.items()})


_SAVED = {
    "first": "first_layer",
    "steps": "steps",
    "every": "evaluate_every",
    "rate": "learning_rate",
    "reason": "reason",
}


@dataclass(frozen=True, slots=True)
class Tier:
    """How much is computed in a step.

    Attributes:
        first_layer: the first trainable layer.
        batch: rows per step.
        reason: the reason, for the user.
    """

    first_layer: int
    batch: int
    reason: str


def tier_for(options: TuneOptions, layers: int, *, rows: int, full_s: float, left_s: float | None) -> Tier:
    """Choose the layers that learn, and the rows of a step, so that enough steps fit into the time.

    What costs less is taken only where it must be: first fewer layers, then fewer rows a step.

    Args:
        options: the options of the run.
        layers: the number of layers.
        rows: to learn from.
        full_s: seconds of a step with all layers and as many rows as asked.
        left_s: seconds that training may take, or None.
    """
    batch = min(options.batch, rows)
    if options.depth == "full":
        return Tier(0, batch, "all layers, as asked")
    if options.depth != "auto":
        depth = min(int(options.depth), layers)
        return Tier(layers - depth, batch, f"the last {depth} of {layers} layers, as asked")
    fit = float("inf") if left_s is None else max(left_s, 0) / max(full_s, 1e-9)
    if fit >= ENOUGH or layers <= SHALLOW[0]:
        return Tier(0, batch, f"all {layers} layers: a step takes {full_s:.2f} s")
    tiers = [(depth, batch) for depth in SHALLOW if depth < layers]
    if options.batch == BATCH:  # nobody asked for so many
        tiers += [(SHALLOW[-1], size) for size in (batch // 2, batch // 4) if size]
    depth, size = next(
        (tier for tier in tiers if fit / _relative_cost(tier, layers, batch) >= ENOUGH), tiers[-1]
    )
    with_all = f"with all of them a step takes {full_s:.2f} s, and {_tier_note(fit)} would fit"
    fewer = f", {size} row{'s' * (size > 1)} a step" if size < batch else ""
    return Tier(layers - depth, size, f"the last {depth} of {layers} layers{fewer}: {with_all}")


def _relative_cost(tier: tuple[int, int], layers: int, batch: int) -> float:
    """Return a step's time next to that of one with all layers and rows."""
    depth, size = tier
    return (depth + HEAD) / (layers + HEAD) * size / batch


def _tier_note(fit: float) -> str:
    return f"{'only ' * (fit >= 1)}{format_steps(max(int(fit), 0))}"


def steps_for(
    options: TuneOptions, tier: Tier, *, rows: int, step_s: float, left_s: float | None, around_s: float
) -> Plan:
    """Return the plan, once the depth is known.

    Args:
        options: the options of the run.
        tier: the chosen tier.
        rows: to learn from.
        step_s: seconds of a step at this depth.
        left_s: seconds that training may take, or None.
        around_s: seconds that all but the steps takes.
    """
    batch = min(tier.batch, rows)
    wanted = options.steps or max(LEAST, round(EPOCHS * rows / batch))
    fit = wanted if left_s is None else max(int(left_s / step_s), 1)
    steps = min(wanted, fit)
    epochs = steps * batch / rows
    if steps < wanted:
        fits = "fits" if steps == 1 else "fit"
        why = f"{format_steps(steps)} ({epochs:.1f} epochs) {fits} into {options.minutes:g} min"
        if steps < WORTH:
            why += f", which is short for this machine: {minutes_needed(step_s, around_s)}"
    elif options.steps:
        why = f"{format_steps(steps)}, as asked ({epochs:.1f} epochs)"
    else:
        why = f"{format_steps(steps)}: {epochs:.1f} epochs, and more would be learning by heart"
    return Plan(
        tier.first_layer,
        steps,
        max(2, round(steps / CHECKS)),
        default_learning_rate(options),
        f"{tier.reason}; {why}",
    )


def minutes_needed(step_s: float, around_s: float) -> str:
    """Name the time that would teach something."""
    return f"--minutes {math.ceil((WORTH * step_s + around_s) / 60)} would make about {format_steps(WORTH)}"


def format_steps(steps: int) -> str:
    """Write a number of steps in words: "no step", "1 step", "12 steps"."""
    return f"{steps:,} step{'s' * (steps != 1)}" if steps else "no step"


def default_learning_rate(options: TuneOptions) -> float:
    """Return the highest learning rate: what was asked for, or one that suits."""
    rate = options.learning_rate
    return RATE if isinstance(rate, str) else rate
