"""Generate the answers of a notebook again, and say which came out as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ...core.files import json_object
from ...core.records import Generation
from ...errors import LLMMagicsError, UsageError
from ...sanitize import printable, single_line
from ...views.bundle import read_output
from ...views.mime import GENERATION_MIME

ROUNDING = 0.5 / 1024 + 1e-6  # nats: what a notebook keeps of a logprob (core/token_columns.py)
TOLERANCE = 5e-3  # nats: the same tokens, with logprobs as near as that
MOST_BYTES = 256 << 20  # of a notebook
SIGNS = {"equal": "=", "close": "≈", "drifted": "≠", "not run": "–"}
_WORDS = {"equal": "bit-equal", "close": "within tolerance", "drifted": "drifted", "not run": "not run"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one answer.

    Attributes:
        cell: the execution count, or the place in the notebook where there is none.
        kind: a key of :data:`SIGNS`.
        tokens: of the answer.
        told: the reason, or the first token that differs.
        delta: the largest difference of logprobs of equal tokens, in nats.
    """

    cell: str
    kind: str
    tokens: int
    told: str = ""
    delta: float = 0.0

    def __str__(self) -> str:
        told = f", {self.told}" if self.told else ""
        return f"[{self.cell}]  {SIGNS[self.kind]} {_WORDS[self.kind]:<16} {self.tokens:>5,} tokens{told}"


def answers_of(path: Path) -> Iterator[tuple[str, Generation | None, str]]:
    """Yield the cell, the answer, and why it cannot be read, of every record in a notebook.

    Raises:
        UsageError: the file is no notebook.
    """
    try:
        cells = json_object(path, MOST_BYTES)["cells"]
        found = [
            (str(cell.get("execution_count") or number), output["data"])
            for number, cell in enumerate(cells, 1)
            for output in cell.get("outputs", ())
            if GENERATION_MIME in output.get("data", {})
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{single_line(str(path))} is no notebook that can be read: {single_line(str(error), most=80)}",
            hint="Write the name of a saved notebook.",
        ) from None
    for cell, data in found:
        try:
            yield cell, read_output(data), ""
        except LLMMagicsError as error:
            yield cell, None, error.message


def verify(path: Path, again: Callable[[Generation], Generation]) -> Iterator[Outcome]:
    """Yield the outcome of every answer of a notebook.

    Args:
        path: of the notebook.
        again: generates an answer again; what it raises says why it cannot.
    """
    for cell, answer, why in answers_of(path):
        if answer is None:
            yield Outcome(cell, "not run", 0, why)
            continue
        if answer.stop_reason == "interrupted":
            yield Outcome(cell, "not run", len(answer.tokens), "it was interrupted")
            continue
        try:
            made = again(answer.path(0))
        except LLMMagicsError as error:
            yield Outcome(cell, "not run", len(answer.tokens), error.message)
            continue
        yield compare(cell, answer, made)


def compare(cell: str, before: Generation, after: Generation) -> Outcome:
    """Return the outcome of one answer that was generated again."""
    pairs = list(zip(before.tokens, after.tokens, strict=False))
    first = next((n for n, (a, b) in enumerate(pairs) if a.id != b.id), None)
    if first is None and len(before.tokens) != len(after.tokens):
        first = len(pairs)
    same = pairs[:first]
    delta = max((abs(a.logprob - b.logprob) for a, b in same), default=0.0)
    if first is not None:
        texts = [
            f'"{single_line(item.tokens[first].text)}"' if first < len(item.tokens) else "the end"
            for item in (before, after)
        ]
        told = f"first at {first + 1}: {texts[0]} → {texts[1]}"
        if before.model.precision != after.model.precision:
            told += f" (precision {before.model.precision} → {after.model.precision})"
        return Outcome(cell, "drifted", len(before.tokens), told, delta)
    # What a notebook keeps is rounded: equal to what it would keep of the new one.
    kind = "equal" if delta <= ROUNDING else "close" if delta <= TOLERANCE else "drifted"
    told = f"largest Δ {delta:.4f} nats" if kind != "equal" else ""
    return Outcome(cell, kind, len(before.tokens), told, delta)


def summary(outcomes: list[Outcome]) -> str:
    """Return the number of each outcome, in one line."""
    counts = {kind: sum(item.kind == kind for item in outcomes) for kind in SIGNS}
    told = [f"{count} {_WORDS[kind]} {SIGNS[kind]}" for kind, count in counts.items() if count]
    return ", ".join(told) or "the notebook has no answers"


def to_html(outcomes: list[Outcome]) -> str:
    """Return a table of the outcomes."""
    rows = "".join(
        f"<tr><td>[{escape(item.cell)}]</td><td>{SIGNS[item.kind]} {escape(_WORDS[item.kind])}</td>"
        f"<td>{item.tokens:,}</td><td>{escape(printable(item.told))}</td></tr>"
        for item in outcomes
    )
    heads = "<tr><th>cell</th><th>outcome</th><th>tokens</th><th></th></tr>"
    return f"<p>{escape(summary(outcomes))}</p><table>{heads}{rows}</table>"


def as_bundle(outcomes: list[Outcome]) -> tuple[str, str]:
    """Return the outcomes as text and as HTML."""
    return "\n".join([*map(str, outcomes), summary(outcomes)]), to_html(outcomes)
