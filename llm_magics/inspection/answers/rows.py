"""A run over many rows: how far it is, what came of it, and how often it was right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Any, ClassVar

from ...core.format import percent
from ...core.records import ModelInfo
from ...sanitize import printable, single_line
from ...views.inspection_record import InspectionRecord, Stored, table
from .calibration import calibrate
from .intervals import wilson_interval

MOST_ERRORS, MOST_SHOWN, MOST_LABELS = 50, 8, 30
MOST_SHARES, MOST_MOMENTS, MOST_WORKERS = 6, 120, 8
_LETTERS = 300  # of a row that are shown
_LEAST_IN_BIN = 20  # rows that a point of the reliability plot needs


@dataclass(frozen=True, slots=True)
class RowResult:
    """What came of one row.

    Attributes:
        row: its number, from 0.
        text: what was asked about.
        answer: as text; empty where there is an error.
        p: the share of the label among all labels; None where none was chosen.
        error: why there is no answer; empty where there is one.
        shares: of all labels; empty where none was chosen.
    """

    row: int
    text: str
    answer: str = ""
    p: float | None = None
    error: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class RowsState:
    """A run in the making.

    Attributes:
        source: what is mapped, such as "df.review".
        total: how many rows there are.
        results: those that are finished, by row.
        truth: the true labels, by row; empty where there are none.
        seconds: since the run began.
        state: "running", "done" or "stopped".
        columns: what was written to the table.
        moments: seconds since the run began, and the rows that were finished then.
        workers: of a cluster: name, host, rows, memory, memory_limit, working and present of each.
    """

    source: str
    total: int
    results: dict[int, RowResult] = field(default_factory=dict)
    truth: Mapping[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    state: str = "running"
    columns: tuple[str, ...] = ()
    moments: list[tuple[float, int]] = field(default_factory=list)
    workers: Sequence[Mapping[str, Any]] = ()


class RowsRun(InspectionRecord):
    """A run over rows. Made by ``%%llm --map``.

    ``head``: ``source``, ``state``, ``total``, ``done``, ``failed``, ``seconds``, ``columns``;
    ``errors``: row and message; ``first`` and ``least`` (those with the least sure labels): row, text,
    answer, share, truth; ``labels``: name, count and true count; ``accuracy``: right, total, low, high and
    commonest, or empty; ``confusion``: names and counts by truth and label; ``reliability``: for each bin
    the mean share, the rows, the right ones and a 95 % interval;
    ``calibration``: see Calibration. ``share_names``: the labels whose shares each shown row has, in order;
    ``rate``: seconds and rows a second between two moments; ``workers``: see RowsState, absent in records of
    earlier versions.
    """

    kind = "rows"
    storage: ClassVar[Stored] = {}

    def to_text(self) -> str:
        """Return the state, the labels, the accuracy and the rows with errors."""
        h = self.head
        words = {"running": "running", "done": "done", "stopped": "stopped: run the cell again to continue"}
        rate = h["done"] / h["seconds"] if h["seconds"] else 0.0
        lines = [
            f"{h['done']:,} of {h['total']:,} rows of {single_line(h['source'])} in {h['seconds']:.1f} s "
            f"({rate:.1f} rows/s), {words[h['state']]}"
        ]
        if h["failed"]:
            rows = ", ".join(f"{row:,}" for row, _ in h["errors"][:5])
            lines.append(f"{h['failed']:,} with an error: rows {rows}")
        if h["labels"]:
            total = sum(item["count"] for item in h["labels"]) or 1
            shown = [
                f"{single_line(item['name'])} {percent(item['count'] / total)}" for item in h["labels"][:8]
            ]
            lines.append(", ".join(shown))
        if a := h["accuracy"]:
            lines.append(
                f"accuracy {percent(a['right'] / a['total'])} [{percent(a['low'])}, {percent(a['high'])}]; "
                f"always the commonest label: {percent(a['commonest'])}"
            )
        if c := h["calibration"]:
            lines.append(
                f"divided by temperature {c['temperature']:.2f} the shares are off by {percent(c['after'])} "
                f"({percent(c['before'])} before), judged on {c['rows']:,} other rows"
            )
            if c.get("isotonic") is not None:
                lines[-1] += f"; by isotonic regression {percent(c['isotonic'])}"
        if h["columns"]:
            lines.append(f"written: {', '.join(map(single_line, h['columns']))}")
        return "\n".join(lines)

    def page(self) -> str:
        """Return the same with tables of the first, the least sure and the failed rows."""
        h = self.head
        parts = [f"<pre>{escape(printable(self.to_text()))}</pre>"]
        for title, rows in (("first results", h["first"]), ("least sure", h["least"])):
            if rows:
                cells = "".join(
                    f"<tr><td>{row['row']:,}</td><td>{escape(printable(row['text']))}</td>"
                    f"<td><b>{escape(printable(row['answer']))}</b></td></tr>"
                    for row in rows
                )
                parts.append(f"<p>{title}</p><table>{cells}</table>")
        if h["errors"]:
            cells = "".join(
                f"<tr><td>{row:,}</td><td>{escape(printable(told))}</td></tr>" for row, told in h["errors"]
            )
            parts.append(f"<p>errors</p><table>{cells}</table>")
        return "".join(parts)

    def to_pandas(self) -> Any:
        """Return one row for each label."""
        names = ("name", "count", "truth")
        return table({name: [item[name] for item in self.head["labels"]] for name in names})


def rows_run(state: RowsState, model: ModelInfo) -> RowsRun:
    """Return the record of a run as it is now."""
    done = [state.results[row] for row in sorted(state.results)]
    good = [item for item in done if not item.error]
    bad = [item for item in done if item.error]
    sure = [item for item in good if item.p is not None]
    names = list(sure[0].shares)[:MOST_SHARES] if sure else []
    head = {
        "source": state.source,
        "state": state.state,
        "total": state.total,
        "done": len(done),
        "failed": len(bad),
        "seconds": state.seconds,
        "columns": list(state.columns),
        "errors": [[item.row, item.error] for item in reversed(bad[-MOST_ERRORS:])],
        "first": [_shown(item, state.truth, names) for item in good[:MOST_SHOWN]],
        "least": [
            _shown(item, state.truth, names)
            for item in sorted(sure, key=lambda item: item.p or 0.0)[:MOST_SHOWN]
        ],
        "labels": _labels(sure, state.truth),
        "share_names": names,
        "rate": _rates(state.moments),
        "workers": [dict(worker) for worker in state.workers[:MOST_WORKERS]],
        "more_workers": max(len(state.workers) - MOST_WORKERS, 0),
        **_scores(sure, state.truth),
    }
    return RowsRun(model, head)


def _rates(moments: Sequence[tuple[float, int]]) -> list[list[float]]:
    """Return seconds and rows a second between the moments, of which at most so many are used."""
    step = max(1, -(-len(moments) // MOST_MOMENTS))
    kept = [*moments[::step], *moments[-1:]]
    pairs = [(one, other) for one, other in pairwise(kept) if other[0] > one[0]]
    return [[b[0] for _, b in pairs], [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs]]


def _shown(item: RowResult, truth: Mapping[int, str], names: Sequence[str]) -> dict[str, Any]:
    return {
        "row": item.row,
        "text": single_line(item.text, most=_LETTERS),
        "answer": single_line(item.answer, most=_LETTERS),
        "p": item.p,
        "truth": truth.get(item.row, ""),
        "shares": [item.shares.get(name, 0.0) for name in names] if item.shares else [],
    }


def _labels(sure: Sequence[RowResult], truth: Mapping[int, str]) -> list[dict[str, Any]]:
    """Return the labels by how often they were given, with how often they are true."""
    counts = Counter(item.answer for item in sure)
    real = Counter(truth[item.row] for item in sure if item.row in truth)
    names = sorted({*counts, *real}, key=lambda name: (-counts[name], name))[:MOST_LABELS]
    return [{"name": name, "count": counts[name], "truth": real[name]} for name in names]


def _scores(sure: Sequence[RowResult], truth: Mapping[int, str]) -> dict[str, Any]:
    """Return how often the labels were right, which were mixed up, and whether the shares tell it."""
    known = [(item, truth[item.row]) for item in sure if item.row in truth]
    if not known:
        return {"accuracy": {}, "confusion": {}, "reliability": [], "calibration": {}}
    right = sum(item.answer == real for item, real in known)
    low, high = wilson_interval(right, len(known))
    commonest = Counter(real for _, real in known).most_common(1)[0][1] / len(known)
    names = [item["name"] for item in _labels(sure, truth)][:12]
    pairs = Counter((real, item.answer) for item, real in known)
    bins: list[dict[str, Any]] = []
    for number in range(10):
        inside = [(item, real) for item, real in known if min(int((item.p or 0.0) * 10), 9) == number]
        if len(inside) < _LEAST_IN_BIN:
            continue
        hits = sum(item.answer == real for item, real in inside)
        bounds = wilson_interval(hits, len(inside))
        mean = math.fsum(item.p or 0.0 for item, _ in inside) / len(inside)
        bins.append({"mean": mean, "rows": len(inside), "right": hits / len(inside), "bounds": list(bounds)})
    return {
        "accuracy": {"right": right, "total": len(known), "low": low, "high": high, "commonest": commonest},
        "confusion": {
            "names": names,
            "counts": [[pairs[real, label] for label in names] for real in names],
        },
        "reliability": bins,
        "calibration": _calibration(known),
    }


def _calibration(known: Sequence[tuple[RowResult, str]]) -> dict[str, Any]:
    """Return a temperature that makes the shares tell how often they are right; empty for too few rows."""
    names = list(known[0][0].shares)
    fitting = [(item, real) for item, real in known if list(item.shares) == names and real in names]
    calibration = calibrate(
        [[item.shares[name] for name in names] for item, _ in fitting],
        [names.index(real) for _, real in fitting],
    )
    return {} if calibration is None else calibration.to_dict()
