"""Numbers for people, as the front end formats them too (labextension/tests/format.test.ts)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from llm_magics.core.format import percent

CASES = json.loads((Path(__file__).parents[1] / "golden" / "percent.json").read_text("utf-8"))


@pytest.mark.parametrize(("p", "text"), CASES)
def test_percent(p: float | None, text: str) -> None:
    assert percent(math.nan if p is None else p) == text
