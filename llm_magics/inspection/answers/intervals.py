"""Intervals of shares and of their differences, 95 %."""

from __future__ import annotations

import math
from collections.abc import Sequence

_Z = 1.959963984540054  # of the normal distribution


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson 1927)."""
    if not total:
        return 0.0, 1.0
    p, z2 = right / total, _Z * _Z
    middle = (p + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z * math.sqrt(p * (1 - p) / total + z2 / (4 * total * total)) / (1 + z2 / total)
    return max(0.0, middle - half), min(1.0, middle + half)


def paired_difference(one: Sequence[bool], other: Sequence[bool]) -> tuple[float, float, float]:
    """Return the difference of two accuracies on the same rows, and its 95 % interval.

    Source: Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions":
    half a row is added to each of the four cells.
    """
    more = sum(a and not b for a, b in zip(one, other, strict=True))
    less = sum(b and not a for a, b in zip(one, other, strict=True))
    total = len(one)
    middle = (more - less) / (total + 2)
    variance = (more + less + 1 - (more - less) ** 2 / (total + 2)) / (total + 2) ** 2
    half = _Z * math.sqrt(max(variance, 0.0))
    shift = (more - less) / total if total else 0.0
    return shift, max(middle - half, -1.0), min(middle + half, 1.0)
