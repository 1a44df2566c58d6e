"""Pictures for pages where no script runs: SVG in an ``img`` element, which most hosts show."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape

from ..sanitize import single_line

# The light theme of the views (labextension/src/ui/theme.css.ts): orange is surprise, blue is mass.
INK, QUIET, RULE, TRACK, GROUND = "#212121", "#616161", "#e0e0e0", "#eeeeee", "#ffffff"
MASS = (GROUND, "#e3f3fd", "#c5e5fa", "#a0d3f9", "#79bbf3", "#5aa0e6")
HEAT = (GROUND, "#fef2d9", "#ffe2b3", "#ffcc88", "#fca94b", "#f0872d")
MASS_SOLID, HEAT_SOLID = "#1565c0", "#c2570c"
_MONO = "ui-monospace,Menlo,Consolas,monospace"
_NOT_XML = re.compile("[\ufffe\uffff]")
MOST_BYTES = 200_000  # of a picture in a notebook's file; a larger one is left out


class Drawing:
    """A picture in the making: rectangles, lines and texts, in pixels.

    Args:
        title: says in words what the picture shows, for those who do not see it.
    """

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width, self.height, self.title = width, height, single_line(title, most=300)
        self._parts: list[str] = []

    def rect(self, x: float, y: float, width: float, height: float, fill: str, *, edge: str = "") -> None:
        stroke = f' stroke="{edge}"' if edge else ""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" '
            f'fill="{fill}"{stroke}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 11,
        fill: str = INK,
        anchor: str = "start",
        mono: bool = False,
        most: int = 60,
    ) -> None:
        """Write words with their baseline at ``y``; longer ones than ``most`` letters are cut."""
        shown = escape(_NOT_XML.sub("\ufffd", single_line(words, most=most)))
        face = f' font-family="{_MONO}"' if mono else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{fill}" text-anchor="{anchor}"{face}>'
            f"{shown}</text>"
        )

    def path(self, points: Sequence[tuple[float, float]], stroke: str, *, width: float = 1.5) -> None:
        """Draw a line through the points."""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(
            f'<polyline points="{places}" fill="none" stroke="{stroke}" stroke-width="{width:g}"/>'
        )

    def svg(self) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}" font-family="system-ui,sans-serif">'
            f'<rect width="100%" height="100%" fill="{GROUND}"/>{"".join(self._parts)}</svg>'
        )

    def html(self) -> str:
        """Return the picture as an element; empty where it would be too large."""
        data = self.svg().encode()
        if len(data) > MOST_BYTES:
            return ""
        source = base64.b64encode(data).decode()
        return f'<p><img alt="{escape(self.title)}" src="data:image/svg+xml;base64,{source}"></p>'


def step(edges: Sequence[float], value: float) -> int:
    """Return how many of the edges are reached."""
    return sum(value >= edge for edge in edges)


def curves(
    title: str, series: Sequence[tuple[str, str, Sequence[float], Sequence[float]]], *, unit: str
) -> Drawing:
    """Draw lines over one axis each way.

    Args:
        title: the title of the figure.
        series: name, colour, x and y of each; values that are not finite are left out.
        unit: of y.
    """
    drawing = Drawing(720, 240, title)
    left, top, width, height = 56.0, 24.0, 560.0, 180.0
    points = [
        [(x, y) for x, y in zip(xs, ys, strict=True) if x == x and abs(y) < 1e300]  # NaN is not itself
        for _, _, xs, ys in series
    ]
    flat = [point for item in points for point in item]
    most_x = max((x for x, _ in flat), default=1.0) or 1.0
    most_y = max((y for _, y in flat), default=1.0) or 1.0
    for n in range(5):
        y = top + height * n / 4
        drawing.path([(left, y), (left + width, y)], RULE, width=1)
        drawing.text(left - 6, y + 4, f"{most_y * (4 - n) / 4:.2g}", fill=QUIET, anchor="end")
    drawing.text(8, 14, unit, fill=QUIET)
    drawing.text(left, top + height + 18, "0", fill=QUIET, anchor="middle")
    drawing.text(left + width, top + height + 18, f"{most_x:,.0f}", fill=QUIET, anchor="middle")
    for (name, colour, _, _), item in zip(series, points, strict=True):
        if not item:
            continue
        scaled = [(left + width * x / most_x, top + height * (1 - y / most_y)) for x, y in item]
        drawing.path(scaled, colour, width=2)
        drawing.text(scaled[-1][0] + 6, scaled[-1][1] + 4, name, fill=colour, most=24)
    return drawing


def bars(title: str, rows: Sequence[tuple[str, float, str, str]], *, labels: float = 180) -> Drawing:
    """Draw a bar for each row.

    Args:
        title: the title of the figure.
        rows: name, a share of the longest from -1 to 1, what stands behind it, and its colour.
        labels: width of the names.
    """
    drawing = Drawing(labels + 460, 22 * len(rows) + 12, title)
    signed = any(share < 0 for _, share, _, _ in rows)
    zero, wide = (labels + 170, 160.0) if signed else (labels + 8, 300.0)
    for n, (name, share, words, colour) in enumerate(rows):
        y = 8 + 22 * n
        drawing.text(labels, y + 12, name, anchor="end", mono=True, most=24)
        long = min(abs(share), 1) * wide
        drawing.rect(zero - (long if share < 0 else 0), y + 2, max(long, 1), 12, colour)
        drawing.text(zero + wide + 10, y + 12, words, fill=QUIET)
    return drawing
