"""``%llm What is that?``: IPython would take the question mark for its own help and never call the magic."""

from __future__ import annotations

import re
from tokenize import TokenInfo

from IPython.core.inputtransformer2 import EscapedCommand, assemble_continued_line, find_end_of_continued_line


def help_of_a_cell(lines: list[str]) -> list[str]:
    """Return ``%%llm --help`` with an empty cell, which IPython refuses: the line magic's help."""
    first = lines[0] if lines else ""
    asked = re.match(r"%%(llm|llm_tune)\s+(--help|-h)\s*$", first)
    return [first[1:]] if asked and not "".join(lines[1:]).strip() else lines


class QuestionMarkTransform(EscapedCommand):
    """A line magic of ours that ends in a question mark. It goes before IPython's own HelpEnd.

    IPython finds lines by their tokens, so nothing inside a string or a cell magic is taken for one.
    """

    priority = 4  # HelpEnd has 5

    @classmethod
    def find(cls, tokens_by_line: list[list[TokenInfo]]) -> QuestionMarkTransform | None:
        for line in tokens_by_line:
            words = [token for token in line if token.string.strip()]
            if [token.string for token in words[:2]] != ["%", "llm"] or not words[-1].string.endswith("?"):
                continue
            sign, name = words[:2]
            if all(token.string == "?" for token in words[2:]):  # %llm? is IPython's own help
                continue
            if sign.end == name.start and not sign.line[: sign.start[1]].strip():
                return cls(sign.start)
        return None

    def transform(self, lines: list[str]) -> list[str]:
        row, column = self.start_line, self.start_col
        last = find_end_of_continued_line(lines, row)
        text = assemble_continued_line(lines, (row, column), last)[len("%llm") :].strip()
        call = f"{lines[row][:column]}get_ipython().run_line_magic('llm', {text!r})\n"
        return [*lines[:row], call, *lines[last + 1 :]]
