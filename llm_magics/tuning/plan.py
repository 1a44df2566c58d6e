"""How deep and how long: chosen from what the first steps took, and said with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from .options import DEPTH, TuneOptions

EPOCHS = 4.5  # what a few dozen rows can teach; more is learning by heart (measured: it turns after 4 to 5)
LEAST, ENOUGH = 30, 24  # steps: wanted for the fewest rows, and worth training all layers for
RATE = 3e-3  # for all layers and for the last few (tried: 1e-3 to 4e-3)
HEAD = 2.5  # layers that the head costs as much as
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


def layers_for(options: TuneOptions, layers: int, *, full_s: float, left_s: float | None) -> tuple[int, str]:
    """The first layer that learns, and why.

    Args:
        full_s: seconds of a step with all layers.
        left_s: seconds that training may take, or None.
    """
    if options.depth == "full":
        return 0, "all layers, as asked"
    if options.depth != "auto":
        depth = min(int(options.depth), layers)
        return layers - depth, f"the last {depth} of {layers} layers, as asked"
    fit = float("inf") if left_s is None else left_s / full_s
    if fit >= ENOUGH or layers <= DEPTH:
        return 0, f"all {layers} layers: a step takes {full_s:.2f} s"
    return layers - DEPTH, (
        f"the last {DEPTH} of {layers} layers: with all of them a step takes {full_s:.2f} s, and "
        f"{'only ' * (fit >= 1)}{counted(max(int(fit), 0))} would fit"
    )


def steps_for(
    options: TuneOptions, first: int, reason: str, *, rows: int, step_s: float, left_s: float | None
) -> Plan:
    """The plan, once the depth is known.

    Args:
        rows: to learn from.
        step_s: seconds of a step at this depth.
        left_s: seconds that training may take, or None.
    """
    batch = min(options.batch, rows)
    wanted = options.steps or max(LEAST, round(EPOCHS * rows / batch))
    fit = wanted if left_s is None else max(int(left_s / step_s), 1)
    steps = min(wanted, fit)
    epochs = steps * batch / rows
    if steps < wanted:
        why = f"{counted(steps)} ({epochs:.1f} epochs) fit{'s' * (steps == 1)} into {options.minutes:g} min"
    elif options.steps:
        why = f"{counted(steps)}, as asked ({epochs:.1f} epochs)"
    else:
        why = f"{counted(steps)}: {epochs:.1f} epochs, and more would be learning by heart"
    return Plan(first, steps, max(2, round(steps / CHECKS)), rate_for(options), f"{reason}; {why}")


def counted(steps: int) -> str:
    """Write a number of steps in words: "no step", "1 step", "12 steps"."""
    return f"{steps:,} step{'s' * (steps != 1)}" if steps else "no step"


def rate_for(options: TuneOptions) -> float:
    """The highest learning rate: what was asked for, or one that suits."""
    rate = options.learning_rate
    return RATE if isinstance(rate, str) else rate
