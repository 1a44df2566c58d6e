"""Calibration of labels, checked by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from llm_magics.inspection.answers.calibration import (
    LEAST_ROWS,
    calibrate,
    calibration_error,
    fit_temperature,
    isotonic_steps,
    softened,
    step_rates,
)


def simulated(rows: int, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Shares of three labels that are so many times too sure, and truths drawn from the honest shares."""
    rng = np.random.default_rng(seed)
    logs = np.log(softened(rng.standard_normal((rows, 3)) * 2, 1.0))
    truth = np.array([rng.choice(3, p=row) for row in softened(logs, 1.0)])
    return np.log(softened(logs * temperature, 1.0)), truth


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_a_simulation_is_found(temperature: float) -> None:
    logs, truth = simulated(6000, temperature)
    assert fit_temperature(logs, truth) == pytest.approx(temperature, rel=0.08)


def test_shares_are_honest_afterwards() -> None:
    logs, truth = simulated(4000, 3.0, seed=1)
    found = calibrate(np.exp(logs).tolist(), truth.tolist())
    assert found is not None and found.temperature == pytest.approx(3.0, rel=0.15)
    assert found.after < 0.04 < 0.1 < found.before and found.rows == 2000
    assert found.threshold is not None and 0 < found.above[0] < 1
    assert found.above[1] == pytest.approx(0.9, abs=0.05)


def test_the_temperature_covers_over_many_runs() -> None:
    """Of 100 runs with 200 rows, the fitted temperature is within 40 % of the true one in 95 at least."""
    near = sum(0.6 < fit_temperature(*simulated(200, 2.0, seed)) / 2.0 < 1.4 for seed in range(100))
    assert near >= 95


def test_few_rows_and_certain_ones() -> None:
    logs, truth = simulated(LEAST_ROWS - 1, 1.0)
    assert calibrate(np.exp(logs).tolist(), truth.tolist()) is None
    certain = [[1.0, 0.0]] * 60
    found = calibrate(certain, [0] * 60)
    assert found is not None and found.after == pytest.approx(0, abs=1e-6)
    wrong = calibrate(certain, [1] * 60)
    assert wrong is not None and wrong.threshold is None and wrong.above == (0.0, 0.0)
    assert calibration_error(np.array([[0.8, 0.2]] * 10), np.array([0] * 8 + [1] * 2)) == pytest.approx(0)


def test_isotonic_steps_are_the_nearest_rising_function() -> None:
    """Against the max-min formula of isotonic regression, on random rows with equal shares among them."""
    rng = np.random.default_rng(0)
    for rows in (1, 2, 7, 40):
        shares = rng.integers(0, 12, rows) / 12
        right = rng.random(rows) < shares
        values = np.unique(shares)
        expected = []
        for n in range(len(values)):
            means = [
                [right[(shares >= low) & (shares <= high)].mean() for high in values[n:]]
                for low in values[: n + 1]
            ]
            expected.append(max(min(row) for row in means))
        steps = isotonic_steps(shares, right)
        assert step_rates(steps, values) == pytest.approx(expected)
        assert [rate for _, rate in steps] == sorted({rate for _, rate in steps}), "steps rise"


def test_isotonic_regression_mends_what_a_temperature_cannot() -> None:
    """Labels that are right in 70 % of the rows wherever the share is between 0.5 and 0.9."""
    rng = np.random.default_rng(1)
    top = rng.uniform(0.5, 1.0, 4000)
    rate = np.where(top < 0.9, 0.7, 0.98)
    truth = (rng.random(4000) >= rate).astype(int)
    found = calibrate(np.stack([top, 1 - top], 1).tolist(), truth.tolist())
    assert found is not None and found.isotonic is not None
    assert found.isotonic < 0.03 < found.after and len(found.steps) > 1
    few = calibrate(np.stack([top, 1 - top], 1)[:500].tolist(), truth[:500].tolist())
    assert few is not None and few.isotonic is None and few.steps == ()
