"""Whether the shares of labels tell how often they are right, and a temperature that makes them tell it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_ROWS = 40  # of which half fit the temperature, and half judge it
LEAST_ISOTONIC = 1_000  # rows: its steps follow the noise of fewer
WANTED = 0.9  # of the rows above the threshold are right
_BINS = 10
_GOLDEN = (math.sqrt(5) - 1) / 2

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A temperature for the shares, fitted on one half of the rows and judged on the other.

    Attributes:
        temperature: the logarithms of the shares are divided by it; above 1 the model was too sure.
        before, after: how far shares are from how often they were right, on average (expected calibration
            error), on the rows that judge.
        threshold: the share, after the temperature, from which on 90 % were right; None where no share was.
        above: the part of the judging rows from it on, and how many of these were right.
        rows: how many judge.
        isotonic: the error of isotonic regression on the same rows; None where there are fewer than
            :data:`LEAST_ISOTONIC`.
        steps: its (share, rate) points: from each share on, before the temperature, so many are right.
    """

    temperature: float
    before: float
    after: float
    threshold: float | None
    above: tuple[float, float]
    rows: int
    isotonic: float | None = None
    steps: tuple[tuple[float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "temperature": self.temperature,
            "before": self.before,
            "after": self.after,
            "threshold": self.threshold,
            "above": list(self.above),
            "rows": self.rows,
            "isotonic": self.isotonic,
            "steps": [list(step) for step in self.steps],
        }


def calibrate(shares: Sequence[Sequence[float]], truth: Sequence[int]) -> Calibration | None:
    """Return a temperature that is fitted on every other row and judged on the rest.

    Temperature scaling: Guo et al. 2017, arXiv:1706.04599.

    Args:
        shares: (rows, labels), of each label among all.
        truth: the place of the true label, by row.

    Returns:
        The calibration; None where there are fewer than :data:`LEAST_ROWS` rows.
    """
    if len(truth) < LEAST_ROWS:
        return None
    logs, places = np.log(np.maximum(np.asarray(shares, np.float64), 1e-30)), np.asarray(truth)
    fit, judge = slice(0, None, 2), slice(1, None, 2)
    temperature = fit_temperature(logs[fit], places[fit])
    fitted, judged = softened(logs[fit], temperature), softened(logs[judge], temperature)
    threshold = _threshold(fitted, places[fit])
    sure = judged.max(1) >= (math.inf if threshold is None else threshold)
    right = judged.argmax(1) == places[judge]
    isotonic: float | None = None
    steps: tuple[tuple[float, float], ...] = ()
    if len(truth) >= LEAST_ISOTONIC:
        top = np.exp(logs).max(1)
        steps = isotonic_steps(top[fit], fitted.argmax(1) == places[fit])
        isotonic = _binned_error(step_rates(steps, top[judge]), right)
    return Calibration(
        temperature,
        calibration_error(np.exp(logs[judge]), places[judge]),
        calibration_error(judged, places[judge]),
        threshold,
        (float(sure.mean()), float(right[sure].mean()) if sure.any() else 0.0),
        len(right),
        isotonic,
        steps,
    )


def isotonic_steps(shares: Floats, right: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Return the steps of the rising function of the share that is nearest to how often labels are right.

    Pool adjacent violators (Ayer et al. 1955); for classifiers: Zadrozny and Elkan 2002.

    Args:
        shares: (rows,), of the chosen label.
        right: (rows,), whether it was.

    Returns:
        The lowest share of each step and its rate, both rising.
    """
    values, counts = np.unique(shares, return_counts=True)
    hits = np.bincount(np.searchsorted(values, shares), weights=right.astype(float), minlength=len(values))
    blocks: list[tuple[float, float, float]] = []  # the lowest share, how many were right, of how many
    for share, hit, count in zip(values.tolist(), hits.tolist(), counts.tolist(), strict=True):
        block = (share, hit, float(count))
        while blocks and blocks[-1][1] * block[2] >= block[1] * blocks[-1][2]:
            low, earlier, total = blocks.pop()
            block = (low, earlier + block[1], total + block[2])
        blocks.append(block)
    return tuple((low, hit / total) for low, hit, total in blocks)


def step_rates(steps: Sequence[tuple[float, float]], shares: Floats) -> Floats:
    """Return the rates of shares: those of the steps that they lie on."""
    lows, rates = np.asarray([low for low, _ in steps]), np.asarray([rate for _, rate in steps])
    result: Floats = rates[np.maximum(np.searchsorted(lows, shares, side="right") - 1, 0)]
    return result


def fit_temperature(logs: Floats, truth: NDArray[Any]) -> float:
    """Return the temperature under which the true labels are likeliest, from 0.05 to 20.

    The loss has one minimum in 1/temperature: it is found by golden sections.

    Args:
        logs: (rows, labels), the logarithms of the shares.
        truth: (rows,), places of the true labels.
    """
    low, high = math.log(0.05), math.log(20.0)

    def loss(at: float) -> float:
        p = softened(logs, math.exp(at))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(p, 1e-300)).mean())

    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    for _ in range(60):
        if loss(left) <= loss(right):
            high, right, left = right, left, right - _GOLDEN * (right - low)
        else:
            low, left, right = left, right, left + _GOLDEN * (high - left)
    return math.exp((low + high) / 2)


def softened(logs: Floats, temperature: float) -> Floats:
    """Return the shares under a temperature."""
    scaled = logs / temperature
    scaled = scaled - scaled.max(1, keepdims=True)
    odds: Floats = np.exp(scaled)
    shares: Floats = odds / odds.sum(1, keepdims=True)
    return shares


def calibration_error(shares: Floats, truth: NDArray[Any]) -> float:
    """Return the expected calibration error, in ten bins of equal width (Naeini et al. 2015)."""
    return _binned_error(shares.max(1), shares.argmax(1) == truth)


def _binned_error(sure: Floats, right: NDArray[np.bool_]) -> float:
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    total = 0.0
    for number in range(_BINS):
        inside = bins == number
        if inside.any():
            total += float(inside.sum()) * abs(float(sure[inside].mean()) - float(right[inside].mean()))
    return total / len(right)


def _threshold(shares: Floats, truth: NDArray[Any]) -> float | None:
    """Return the lowest share from which on :data:`WANTED` of the rows are right, of ten rows at least."""
    sure, right = shares.max(1), shares.argmax(1) == truth
    order = np.argsort(-sure, kind="stable")
    rates = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    good = np.flatnonzero((rates >= WANTED) & (np.arange(1, len(order) + 1) >= 10))
    return float(sure[order][good[-1]]) if len(good) else None
