"""Differences of cells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llm_magics import ModelInfo
from llm_magics.inspection.answers.cell_fix import cell_fix, changed_letters, difference


def test_a_difference_has_its_lines_and_the_letters_that_changed() -> None:
    before = "\n".join([*(f"x{n} = {n}" for n in range(9)), "total = sum(price)", "print(total)"])
    lines = difference(before, before.replace("(price)", "(prices)") + "\n")
    assert [line["sign"] for line in lines] == ["@", " ", " ", " ", "-", "+", " "]
    assert lines[0]["text"] == " line 7"
    assert lines[4]["marks"] == [[12, 17]] and lines[5]["marks"] == [[12, 18]]
    assert difference("a\n", "a") == []


def test_lines_that_have_little_in_common_are_not_marked() -> None:
    assert changed_letters("import math", "return total / 3") == ([], [])


def test_the_text_is_a_unified_diff() -> None:
    fix = cell_fix(3, "a = 1\nb = a", "a = 2\nb = a", ModelInfo("m"))
    assert fix.to_text() == "--- cell [3]\n+++ corrected\n-a = 1\n+a = 2\n b = a"
    assert "<script" not in cell_fix(3, "a", "<script>", ModelInfo("m")).page()


CODE = st.text(alphabet="ab 1=()\n\té😀", max_size=60)


@given(CODE, CODE)
def test_both_cells_come_out_of_the_difference(before: str, after: str) -> None:
    """With all lines shown, the removed and the kept lines are the old cell; marks lie within their lines."""
    lines = difference(before, after)
    for line in lines:
        places = [place for mark in line["marks"] for place in mark]
        assert places == sorted(places) and all(0 <= place <= len(line["text"]) for place in places)
    if lines and not any(line["sign"] == "@" for line in lines):
        kept = [line["text"] for line in lines if line["sign"] in " -"]
        assert before.rstrip().splitlines()[: len(kept)] == kept
        new = [line["text"] for line in lines if line["sign"] in " +"]
        assert after.rstrip().splitlines()[: len(new)] == new
