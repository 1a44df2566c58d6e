"""What was built of the front end is what its sources give."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_built_files_are_not_stale() -> None:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec and spec.loader
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    assert hook.is_fresh(), "run make frontend"


def test_it_is_small_and_asks_for_nothing_from_elsewhere() -> None:
    widget = (ROOT / "llm_magics/static/widget.js").read_bytes()
    lab = b"".join(path.read_bytes() for path in (ROOT / "llm_magics/labextension").rglob("*.js"))
    assert len(gzip.compress(widget)) <= 120_000 and len(gzip.compress(lab)) <= 130_000
    for code in (widget, lab):
        assert b"eval(" not in code and b"innerHTML" not in code
        urls = {part.split(b'"')[0].split(b"'")[0] for part in code.split(b"https://")[1:]}
        assert not urls, urls


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((ROOT / "labextension/package-lock.json").read_text("utf-8"))
    places = {entry.get("resolved", "") for entry in lock["packages"].values()}
    assert all(not place or place.startswith("https://registry.npmjs.org/") for place in places)
