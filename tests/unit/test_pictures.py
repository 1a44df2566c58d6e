"""Records of the inside: golden ones, which vitest draws too, and what every kind can do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.inspection.logit_lens import LogitLens
from llm_magics.views import standalone_html
from llm_magics.views.inspection_record import InspectionRecord
from llm_magics.views.mime import INSPECTION_MIME
from tests.support import pictures
from tests.support.drawings import without_pictures

GOLDEN = Path(__file__).parents[1] / "golden"
TEXTS: list[str] = json.loads((GOLDEN.parent / "hostile_texts.json").read_text("utf-8"))


def same(one: InspectionRecord, other: InspectionRecord) -> None:
    assert one.head == other.head and one.model == other.model and one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        assert np.allclose(array, other.arrays[name], atol=2e-3, equal_nan=True), name


@pytest.mark.parametrize("kind", pictures.KINDS)
def test_golden_records_are_read(kind: str) -> None:
    """What was saved by this version can be opened by every later one."""
    saved = json.loads((GOLDEN / "inside-1.json").read_text("utf-8"))
    made = pictures.KINDS[kind]()
    same(type(made).from_payload(saved[kind]), made)
    same(type(made).from_payload(made.to_payload()), made)
    same(type(made).from_dict(json.loads(json.dumps(made.to_dict()))), made)


@pytest.mark.parametrize("kind", pictures.KINDS)
def test_every_kind_shows_itself(kind: str, tmp_path: Path) -> None:
    made = pictures.KINDS[kind]()
    data, _ = made._repr_mimebundle_()
    assert len(data["text/plain"]) > 30 and data[INSPECTION_MIME]["view"] == kind
    rest, drawn = without_pictures(data["text/html"])
    tables = ("choices", "decisions", "evaluation", "fix", "rows", "side_by_side", "verify")
    assert kind in tables or (rest.startswith("<pre><code>") and rest.endswith("</code></pre>"))
    assert bool(drawn) == (kind not in ("walk", "replay", "tokenizers", "models", "card", *tables))
    assert len(made.to_pandas()) > 0
    path = made.save_html(tmp_path / "a page.html")
    text = path.read_text("utf-8")
    assert (
        '"view": "' + kind in text.replace("\\u003c", "<")
        and "src=" not in without_pictures(text.split("<script>")[0])[0]
    )
    assert [each.name for each in tmp_path.iterdir()] == ["a page.html"]


@pytest.mark.parametrize("kind", pictures.KINDS)
def test_hostile_texts_stay_text(kind: str, tmp_path: Path) -> None:
    for text in TEXTS:
        made = pictures.KINDS[kind](text)
        data = made.mime_bundle()
        assert "\x1b" not in data["text/plain"] and "\u202e" not in data["text/plain"]
        rest, _ = without_pictures(data["text/html"])
        assert "<" not in re.sub(r"</?(?:p|b|pre|code|table|tr|t[hd])>", "", rest)
        json.dumps(data, allow_nan=False).encode("utf-8")
        record = made.save_html(tmp_path / "a.html").read_text("utf-8")
        inside = record.split('id="record">')[1].split("</script>")[0]
        assert "<" not in inside and json.loads(inside)["payload"] == data[INSPECTION_MIME]


def test_a_page_cannot_be_written_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(lm.StoreError, match="cannot be written"):
        pictures.KINDS["lens"]().save_html(tmp_path / "none" / "a.html")


def test_a_page_holds_the_views() -> None:
    assert standalone_html.SCRIPT.exists(), "make frontend"


def test_what_a_type_cannot_hold_is_the_nearest() -> None:
    made = pictures.KINDS["lens"]()
    made.arrays["logprob"] = np.full((3, 4), -1000.0, np.float32)
    made.arrays["kl"] = np.full((3, 4), np.nan, np.float32)
    again = LogitLens.from_payload(made.to_payload())
    assert np.allclose(again.arrays["logprob"], -65535 / 1024) and (again.arrays["kl"] == 0).all()


def test_a_record_of_another_kind_is_refused() -> None:
    other: Any = {**pictures.KINDS["lens"]().to_payload(), "view": "walk"}
    with pytest.raises(lm.ModelFileError, match="not a lens record"):
        LogitLens.from_payload(other)
