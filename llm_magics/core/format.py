"""Format numbers for people. Twin: labextension/src/ui/format.ts."""

from __future__ import annotations

import math


def percent(p: float) -> str:
    """Format a probability with two digits: 21 %, 2.1 %, 0.21 %; 100 % only from 99.95 on."""
    value = 100 * p
    if not math.isfinite(value):
        return "–"
    if value < 0.01:
        return "<0.01 %"
    if value >= 99.5:
        return "100 %" if value >= 99.95 else f"{value:.1f} %"
    digits = 0 if value >= 9.95 else 1 if value >= 0.995 else 2 if value >= 0.0995 else 3
    return f"{value:.{digits}f} %"


def size(count: float) -> str:
    """Return a number of bytes as "98 MB" or "1.3 GB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
