"""The answers of a notebook, generated again: which came out as they were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

from ...core.records import Generation, ModelInfo
from ...sanitize import printable, single_line
from ...views.inspection_record import InspectionRecord, Stored, table
from .side_by_side import answer_row, logprobs, pair_row

ROUNDING = 0.5 / 1024 + 1e-6  # nats: what a notebook keeps of a logprob (core/token_columns.py)
TOLERANCE = 5e-3  # nats: the same tokens, with logprobs as near as that
SIGNS = {"equal": "=", "close": "≈", "drifted": "≠", "not run": "–"}
WORDS = {"equal": "bit-equal", "close": "within tolerance", "drifted": "drifted", "not run": "not run"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one answer.

    Attributes:
        cell: the execution count, or the place in the notebook where there is none.
        asks: the beginning of what the cell asks.
        kind: a key of :data:`SIGNS`.
        before: the answer of the notebook; None where it cannot be read.
        after: the answer that was generated now; None where none was.
        told: the reason, or the first token that differs.
        delta: the largest difference of logprobs of equal tokens, in nats.
        token: the first token that differs, from 1; 0 for none.
    """

    cell: str
    asks: str
    kind: str
    before: Generation | None = None
    after: Generation | None = None
    told: str = ""
    delta: float = 0.0
    token: int = 0


class Verification(InspectionRecord):
    """The outcomes of a notebook's answers. Made by ``%llm verify``.

    ``head["outcomes"]``: of each answer its ``cell``, what it ``asks``, its ``model``, the ``precision`` that
    answered now, its ``tokens``, ``kind``, ``told``, ``delta`` (bits), ``token``, and of one that drifted
    both ``answers`` and their ``pair`` as in a SideBySide. ``head["seconds"]``, ``head["path"]``.
    ``logprob`` (tokens of all answers that drifted,), nats.
    """

    kind = "verify"
    storage: ClassVar[Stored] = {"logprob": ("f4", 1)}

    def to_text(self) -> str:
        """Return a line for each answer, and the number of each outcome."""
        lines = []
        for item in self.head["outcomes"]:
            told = f", {single_line(item['told'])}" if item["told"] else ""
            sign, word = SIGNS[item["kind"]], WORDS[item["kind"]]
            lines.append(
                f"[{single_line(item['cell'])}]  {sign} {word:<16} {item['tokens']:>5,} tokens{told}"
            )
        return "\n".join([*lines, summary([item["kind"] for item in self.head["outcomes"]])])

    def page(self) -> str:
        """Return a table of the outcomes."""
        rows = "".join(
            f"<tr><td>[{escape(printable(item['cell']))}]</td><td>{escape(printable(item['asks']))}</td>"
            f"<td>{SIGNS[item['kind']]} {escape(WORDS[item['kind']])}</td>"
            f"<td>{item['tokens']:,}</td><td>{escape(printable(item['told']))}</td></tr>"
            for item in self.head["outcomes"]
        )
        heads = "<tr><th>cell</th><th>asks</th><th>outcome</th><th>tokens</th><th></th></tr>"
        counts = summary([item["kind"] for item in self.head["outcomes"]])
        return f"<p>{escape(counts)}</p><table>{heads}{rows}</table>"

    def to_pandas(self) -> Any:
        """Return one row for each answer."""
        names = ("cell", "asks", "kind", "tokens", "told", "delta")
        return table({name: [item[name] for item in self.head["outcomes"]] for name in names})


def verification(outcomes: Sequence[Outcome], *, path: str, seconds: float) -> Verification:
    """Return the record of outcomes.

    Args:
        outcomes: in the order of the notebook.
        path: of the notebook.
        seconds: that the answers took now.
    """
    rows, drifted = [], []
    for item in outcomes:
        before, after = item.before, item.after
        row: dict[str, Any] = {
            "cell": item.cell,
            "asks": item.asks,
            "model": (before.model if before else ModelInfo("")).to_dict(),
            "precision": after.model.precision if after else "",
            "tokens": len(before.tokens) if before else 0,
            "kind": item.kind,
            "told": item.told,
            "delta": item.delta / math.log(2),
            "token": item.token,
            "answers": [],
            "pair": {},
        }
        if item.kind == "drifted" and before and after:
            row["answers"] = [answer_row(before), answer_row(after)]
            row["pair"] = pair_row(before, after)
            drifted += [before, after]
        rows.append(row)
    model = next((item.before.model for item in outcomes if item.before), ModelInfo(""))
    return Verification(
        model, {"outcomes": rows, "path": path, "seconds": seconds}, {"logprob": logprobs(drifted)}
    )


def compare_again(cell: str, asks: str, before: Generation, after: Generation) -> Outcome:
    """Return the outcome of one answer that was generated again."""
    pairs = list(zip(before.tokens, after.tokens, strict=False))
    first = next((n for n, (a, b) in enumerate(pairs) if a.id != b.id), None)
    if first is None and len(before.tokens) != len(after.tokens):
        first = len(pairs)
    delta = max((abs(a.logprob - b.logprob) for a, b in pairs[:first]), default=0.0)
    if first is not None:
        texts = [
            f'"{single_line(item.tokens[first].text)}"' if first < len(item.tokens) else "the end"
            for item in (before, after)
        ]
        told = f"first at {first + 1}: {texts[0]} → {texts[1]}"
        if before.model.precision != after.model.precision:
            told += f" (precision {before.model.precision} → {after.model.precision})"
        return Outcome(cell, asks, "drifted", before, after, told, delta, first + 1)
    # What a notebook keeps is rounded: equal to what it would keep of the new one.
    kind = "equal" if delta <= ROUNDING else "close" if delta <= TOLERANCE else "drifted"
    told = f"largest Δ {delta:.4f} nats" if kind != "equal" else ""
    return Outcome(cell, asks, kind, before, after, told, delta)


def summary(kinds: Sequence[str]) -> str:
    """Return the number of each outcome, in one line."""
    counts = {kind: sum(item == kind for item in kinds) for kind in SIGNS}
    told = [f"{count} {WORDS[kind]} {SIGNS[kind]}" for kind, count in counts.items() if count]
    return ", ".join(told) or "the notebook has no answers"
