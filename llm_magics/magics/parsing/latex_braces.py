"""Where braces are LaTeX: the groups of a backslash command, and what stands in mathematics."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

_COMMAND = re.compile(r"\\[A-Za-z]+\*?(?:\[[^\[\]{}\n]{0,200}\])*$")
_INDEX = re.compile(r"(?:\^|(?:^|[^A-Za-z0-9])[A-Za-z]_)$")  # x^{…}, x_{…}; but file_{name} is a name
_MARK = re.compile(r"\$\$|\$|\\[\[\]()]|\n\s*\n")
_CLOSING = {"\\[": "\\]", "\\(": "\\)", "$$": "$$", "$": "$"}
_LOOK_BACK = 260


class LatexBraces:
    """The braces of ``text`` that are LaTeX."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._math = _math(text)
        self._starts = [begin for begin, _ in self._math]
        self._last = -1  # where the newest group ended: another one may follow at once

    def end_at(self, brace: int) -> int:
        """Return where the LaTeX that the brace belongs to ends; 0 where it belongs to none."""
        place = bisect_right(self._starts, brace) - 1
        if place >= 0 and brace < self._math[place][1]:
            return self._math[place][1]
        if not self._is_group(brace):
            return 0
        self._last = self._ends.get(brace, 0)
        return self._last

    def _is_group(self, brace: int) -> bool:
        """Return whether it comes right after a backslash command, an index, or another group."""
        last = self._text[brace - 1] if brace else " "
        if brace == self._last or (brace - 1 == self._last and last in "_^"):
            return True
        before = self._text[max(0, brace - _LOOK_BACK) : brace]
        if last in "_^":
            return _INDEX.search(before) is not None
        return (last.isalpha() or last in "*]") and _COMMAND.search(before) is not None

    @cached_property
    def _ends(self) -> dict[int, int]:
        """Return opening brace → the place behind the one that closes it."""
        ends, opened = {}, []
        for result in re.finditer(r"\\.|[{}]", self._text, re.DOTALL):
            if result[0] == "{":
                opened.append(result.start())
            elif result[0] == "}" and opened:
                ends[opened.pop()] = result.end()
        return ends


def _math(text: str) -> list[tuple[int, int]]:
    """Return the spans of the text that are mathematics.

    $…$, $$…$$, \\(…\\) and \\[…\\], none over a blank line.

    Prices are no mathematics: after an opening dollar and before a closing one there is no space, no digit
    follows the closing one, and something in between is LaTeX.
    """
    spans = []
    begin, mark = 0, ""
    for result in _MARK.finditer(text):
        at, end, what = result.start(), result.end(), result[0]
        if mark and what == _CLOSING[mark]:
            inside = text[begin + len(mark) : at]
            dollars = (
                not inside[:1].isspace() and not inside[-1:].isspace() and not text[end : end + 1].isdigit()
            )
            if (mark != "$" or dollars) and re.search(r"[\\^_]", inside):
                spans.append((begin, end))
                mark = ""
            else:  # it may open what follows
                begin, mark = at, what if what in _CLOSING else ""
        elif what[0] == "\n":
            mark = ""
        elif what in _CLOSING and (not mark or mark == "$"):
            begin, mark = at, what
    return spans
