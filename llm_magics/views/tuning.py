"""A tuning run where no script runs: as HTML of the plainest tags, and as text. Made from its record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..sanitize import printable, single_line
from .drawing import MASS_SOLID, QUIET, curves
from .mime import TUNING_MIME

_BARS, _WIDE = "▁▂▃▄▅▆▇█", 60
WORDS = {
    "new": "Not begun",
    "loading": "Getting ready",
    "training": "Training",
    "paused": "Paused",
    "done": "Tuned",
    "stopped": "Stopped",
    "failed": "Failed",
    "interrupted": "Interrupted",
}
NO_FACTS = "A preview learns a manner, not facts: what it says in that manner may be wrong."
Record = Mapping[str, Any]


def tuning_bundle(record: Record) -> dict[str, Any]:
    """Return text, HTML with no script, and the record."""
    return {"text/plain": plain(record), "text/html": html(record), TUNING_MIME: dict(record)}


def plain(record: Record) -> str:
    """Return text with block curves and the answers before and after."""
    lines = [headline(record)]
    for name, curve in _curves(record):
        lines.append(f"{name:<9}{curve}")
    for item in record["prompts"]:
        lines += ["", f"> {printable(item['prompt'])}", f"before: {printable(''.join(item['before']))}"]
        if item["after"]:
            lines.append(f" after: {printable(''.join(text for text, _ in item['after'][-1]['text']))}")
    return "\n".join([*lines, "", *facts(record)])


def html(record: Record) -> str:
    """Return the same; words that the adapter changed are underlined. Every letter of a text is escaped."""
    parts = [f"<p><b>{escape(headline(record))}</b></p>"]
    if _curves(record):
        parts.append(_figure(record))
    for item in record["prompts"]:
        after = item["after"][-1] if item["after"] else None
        parts.append(f"<p>{escape(printable(item['prompt']))}</p>")
        # Not a table: pages that notebooks are exported to align its cells to the right.
        parts.append(f"<p><b>before</b>: {escape(printable(''.join(item['before'])))}</p>")
        if after:
            marked = "".join(
                f"<ins>{escape(printable(text))}</ins>" if new else escape(printable(text))
                for text, new in after["text"]
            )
            parts.append(f"<p><b>after</b>: {marked}</p>")
    return "\n".join([*parts, *(f"<p>{escape(fact)}</p>" for fact in facts(record))])


def _figure(record: Record) -> str:
    """Return the loss of training and of the rows that are held out."""
    series = [
        ("train", QUIET, *_numbers(record["loss"])),
        ("held-out", MASS_SOLID, *_numbers(record["held_out"])),
    ]
    words = "; ".join(f"{name} {curve}" for name, curve in _curves(record))
    return curves(f"loss: {words}", series, unit="loss, nats a token; steps").html()


def _numbers(curve: Sequence[Sequence[float | None]]) -> tuple[list[float], list[float]]:
    steps, values = ([math.nan if item is None else float(item) for item in axis] for axis in curve)
    return steps, values


def headline(record: Record) -> str:
    """Return what the run is doing, or how it ended, in one line."""
    state = str(record["state"])
    untaught = record["final"] and not record["adapter_step"] and state in ("done", "stopped")
    words = ["Nothing was learnt" if untaught else WORDS.get(state, state)]
    if record["total"]:
        words.append(f"step {record['step']:,} of {record['total']:,}")
    if record["left_s"] is not None and not record["final"]:
        words.append(f"{duration(record['left_s'])} left")
    if record["why"]:
        words.append(single_line(record["why"], most=300))
    return " · ".join(words)


def facts(record: Record) -> list[str]:
    """Return everything else about the run, one sentence each."""
    result = []
    rows, (learnt, of) = record["rows"], record["weights"]
    if record["plan"]:
        result.append(single_line(record["plan"]["reason"], most=400))
    if record["best"] is not None and record["held_out"][1]:
        checks = dict(zip(*record["held_out"], strict=True))
        first, best = record["held_out"][1][0], checks[record["best"]]
        result.append(
            f"Held-out loss {first:.2f} → {best:.2f} nats a token, lowest at step {record['best']}."
        )
    if record["perplexity"]:
        p = record["perplexity"]
        low, high = p["after_interval"]
        result.append(
            f"Perplexity {p['before']:.2f} → {p['after']:.2f} [{low:.2f}, {high:.2f}] "
            f"on {counted(p['rows'], 'row')} that nothing was chosen on."
        )
    result += [single_line(note, most=400) for note in record["notes"]]
    if of:
        result.append(
            f"{single_line(record['model']['name'])} · {counted(rows['train'], 'row')} of "
            f"{single_line(record['source'])} learnt, "
            f"{rows['choose']} to choose by, {rows['final']} for the figure · {learnt:,} trainable of "
            f"{of / 1e6:,.1f} M parameters · license {single_line(record['model']['licence'] or 'unknown')}"
        )
    if record["final"] and record["step"]:
        result.append(NO_FACTS)
    return result


def duration(seconds: float) -> str:
    """Return "12 s", "3 min 12 s"."""
    whole = max(round(seconds), 0)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def counted(count: int, what: str) -> str:
    """Return "1 row", "3 rows"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _curves(record: Record) -> list[tuple[str, str]]:
    loss, validation = record["loss"][1], record["held_out"][1]
    values = [value for value in (*loss, *validation) if value is not None and math.isfinite(value)]
    if len(values) < 2:
        return []
    top = max(values)
    return [
        (name, f"{_blocks(item, top)}  {item[0]:.2f} → {item[-1]:.2f}")
        for name, item in (("train", loss), ("held-out", validation))
        if len(item) > 1
    ]


def _blocks(values: Sequence[float], top: float) -> str:
    apart = max(1, math.ceil(len(values) / _WIDE))
    means = [sum(values[n : n + apart]) / len(values[n : n + apart]) for n in range(0, len(values), apart)]
    return "".join(_BARS[min(int(value / (top or 1) * len(_BARS)), len(_BARS) - 1)] for value in means)
