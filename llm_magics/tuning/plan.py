"""How deep and how long: chosen from what the first steps took, and said with the reason."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .options import BATCH, DEPTH, TuneOptions

EPOCHS = 4.5  # what a few dozen rows can teach; more is learning by heart (measured: it turns after 4 to 5)
LEAST, ENOUGH = 30, 24  # steps: wanted for the fewest rows, and worth training all layers for
RATE = 3e-3  # for all layers and for the last few (tried: 1e-3 to 4e-3)
HEAD = 2.5  # layers that the head costs as much as
SHALLOW = (DEPTH, 4, 2)  # layers that learn where the time is too short for all
WORTH = 15  # steps that teach something: what a longer time is named for
CHECKS = 12  # times that the held-out loss is computed


@dataclass(frozen=True, slots=True)
class Plan:
    """What is going to be done.

    Attributes:
        first: the first layer that learns.
        steps: so many.
        every: the held-out loss is computed every so many steps.
        rate: the highest learning rate.
        reason: of depth and steps, in words.
    """

    first: int
    steps: int
    every: int
    rate: float
    reason: str


@dataclass(frozen=True, slots=True)
class Tier:
    """How much is computed in a step.

    Attributes:
        first: the first layer that learns.
        batch: rows a step.
        reason: why, in words.
    """

    first: int
    batch: int
    reason: str


def tier_for(options: TuneOptions, layers: int, *, rows: int, full_s: float, left_s: float | None) -> Tier:
    """Choose the layers that learn, and the rows of a step, so that enough steps fit into the time.

    What costs less is taken only where it must be: first fewer layers, then fewer rows a step.

    Args:
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
    depth, size = next((tier for tier in tiers if fit / _cost(tier, layers, batch) >= ENOUGH), tiers[-1])
    with_all = f"with all of them a step takes {full_s:.2f} s, and {_only(fit)} would fit"
    fewer = f", {size} row{'s' * (size > 1)} a step" if size < batch else ""
    return Tier(layers - depth, size, f"the last {depth} of {layers} layers{fewer}: {with_all}")


def _cost(tier: tuple[int, int], layers: int, batch: int) -> float:
    """A step's time beside that of one with all layers and rows."""
    depth, size = tier
    return (depth + HEAD) / (layers + HEAD) * size / batch


def _only(fit: float) -> str:
    return f"{'only ' * (fit >= 1)}{counted(max(int(fit), 0))}"


def steps_for(
    options: TuneOptions, tier: Tier, *, rows: int, step_s: float, left_s: float | None, around_s: float
) -> Plan:
    """The plan, once the depth is known.

    Args:
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
        why = f"{counted(steps)} ({epochs:.1f} epochs) fit{'s' * (steps == 1)} into {options.minutes:g} min"
        if steps < WORTH:
            why += f", which is short for this machine: {longer(step_s, around_s)}"
    elif options.steps:
        why = f"{counted(steps)}, as asked ({epochs:.1f} epochs)"
    else:
        why = f"{counted(steps)}: {epochs:.1f} epochs, and more would be learning by heart"
    return Plan(tier.first, steps, max(2, round(steps / CHECKS)), rate_for(options), f"{tier.reason}; {why}")


def longer(step_s: float, around_s: float) -> str:
    """Name the time that would teach something."""
    return f"--minutes {math.ceil((WORTH * step_s + around_s) / 60)} would make about {counted(WORTH)}"


def counted(steps: int) -> str:
    """Write a number of steps in words: "no step", "1 step", "12 steps"."""
    return f"{steps:,} step{'s' * (steps != 1)}" if steps else "no step"


def rate_for(options: TuneOptions) -> float:
    """The highest learning rate: what was asked for, or one that suits."""
    rate = options.learning_rate
    return RATE if isinstance(rate, str) else rate
