"""docs/reference.md has the tables that the parser gives."""

from __future__ import annotations

import pytest

from tools import reference


def test_the_tables_are_those_of_the_parser() -> None:
    page = reference.PAGE.read_text("utf-8")
    assert reference.fill(page) == page, "run: python tools/reference.py"


def test_a_page_without_a_marker_is_an_error() -> None:
    with pytest.raises(ValueError, match="no marker"):
        reference.fill("# Reference")
