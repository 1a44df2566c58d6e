"""A corrected cell of a notebook, as the difference that it makes."""

from __future__ import annotations

import difflib
import re
from html import escape
from itertools import accumulate
from typing import Any, ClassVar

from ...core.records import ModelInfo
from ...sanitize import printable
from ...views.inspection_record import InspectionRecord, Stored, table

_CONTEXT = 3  # lines around a change
Marks = list[list[int]]  # ranges of letters: begin and end


class CellFix(InspectionRecord):
    """A cell before and after a correction. Made by ``%llm fix``; nothing of it is run.

    ``head``: the ``number`` of the cell, its source ``before`` and ``after``, and the ``lines`` of the
    difference: of each its ``sign`` (a space, "-", "+", or "@" for lines that are left out), its ``text``,
    and the ranges of letters that changed (``marks``).
    """

    kind = "fix"
    storage: ClassVar[Stored] = {}

    def to_text(self) -> str:
        """Return the difference as a unified diff."""
        head = [f"--- cell [{self.head['number']}]", "+++ corrected"]
        return "\n".join([*head, *(f"{line['sign']}{line['text']}" for line in self.head["lines"])])

    def page(self) -> str:
        """Return the difference as HTML."""
        return f"<pre>{escape(printable(self.to_text()))}</pre>"

    def to_pandas(self) -> Any:
        """Return one row for each line of the difference."""
        return table({name: [line[name] for line in self.head["lines"]] for name in ("sign", "text")})


def cell_fix(number: int, before: str, after: str, model: ModelInfo) -> CellFix:
    """Return the record of a corrected cell.

    Args:
        number: of the cell.
        before: its source.
        after: the corrected source.
        model: wrote the correction.
    """
    head = {"number": number, "before": before, "after": after, "lines": difference(before, after)}
    return CellFix(model, head)


def difference(before: str, after: str) -> list[dict[str, Any]]:
    """Return the lines that differ between two cells, with the lines around them; empty where none does."""
    old, new = before.rstrip().splitlines(), after.rstrip().splitlines()
    groups = list(difflib.SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(_CONTEXT))
    lines: list[dict[str, Any]] = []
    for number, group in enumerate(groups):
        if number or group[0][1]:
            lines.append(_line("@", f" line {group[0][1] + 1}"))
        for kind, begin, end, start, stop in group:
            if kind == "equal":
                lines += [_line(" ", text) for text in old[begin:end]]
                continue
            removed, added = old[begin:end], new[start:stop]
            pairs = [changed_letters(*pair) for pair in zip(removed, added, strict=False)]
            lines += [_marked("-", text, pairs, n, 0) for n, text in enumerate(removed)]
            lines += [_marked("+", text, pairs, n, 1) for n, text in enumerate(added)]
    return lines


def changed_letters(old: str, new: str) -> tuple[Marks, Marks]:
    """Return the ranges of letters that differ in two lines, by words; all of them where little is alike."""
    one, other = (re.findall(r"\w+|\s+|[^\w\s]", text) for text in (old, new))
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    if matcher.ratio() < 0.5:
        return [], []
    ends = [[*accumulate(map(len, words), initial=0)] for words in (one, other)]
    marks: tuple[Marks, Marks] = ([], [])
    for kind, begin, end, start, stop in matcher.get_opcodes():
        for side, (first, last) in enumerate(((begin, end), (start, stop))):
            if kind != "equal" and first < last:
                marks[side].append([ends[side][first], ends[side][last]])
    return marks


def _line(sign: str, text: str, marks: Marks | None = None) -> dict[str, Any]:
    return {"sign": sign, "text": text, "marks": marks or []}


def _marked(sign: str, text: str, pairs: list[tuple[Marks, Marks]], n: int, side: int) -> dict[str, Any]:
    return _line(sign, text, pairs[n][side] if n < len(pairs) else None)
