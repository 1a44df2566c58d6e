"""The interval of the difference of two accuracies."""

from __future__ import annotations

import math
from collections.abc import Sequence

Z = 1.959964  # of 95 %


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
    half = Z * math.sqrt(max(variance, 0.0))
    shift = (more - less) / total if total else 0.0
    return shift, max(middle - half, -1.0), min(middle + half, 1.0)
