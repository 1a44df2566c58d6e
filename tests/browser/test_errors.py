"""Errors of the magics in JupyterLab and Notebook 7."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Page, notebook
from tests.support.families import COMMON

Open = Callable[..., Page]
LARGE = {
    **COMMON,
    "model_type": "llama",
    "hidden_size": 16_384,
    "intermediate_size": 53_248,
    "num_hidden_layers": 126,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "max_position_embeddings": 131_072,
}


def test_errors_as_one_block(either: Open, shot: Any, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LARGE))
    (tmp_path / "model.safetensors").write_bytes(b"x")
    page = either(
        notebook(
            "%load_ext llm_magics\nimport llm_magics as lm\nlong = 'a word ' * 9000",
            "%%llm -t 0.7 --max-token 200\nWhy is the sky blue?",
            "1 / 0",
            "%%llm --see 1 -n 400\nWhat stands out?\n{long}",
            f"lm.load('{tmp_path}')",
            "%%llm -m smollm2-135m-instuct -n 2\nhi",
        )
    )
    for cell in range(6):
        page.run(cell)
    error = page.output(1)
    expect(error.locator(".what")).to_contain_text("UsageError")
    expect(error.locator(".what")).to_contain_text("unknown option --max-token")
    expect(error.locator("li code")).to_have_text("--max-tokens")
    expect(error.locator("a")).to_have_text("errors.md#usageerror")
    # Python's own errors are as always.
    expect(page.output(2)).to_contain_text("Traceback (most recent call last)")
    expect(page.output(2).locator(".block")).to_have_count(0)
    overflow = page.output(3)
    expect(overflow.locator(".what")).to_contain_text("too many")
    expect(overflow).not_to_contain_text("loading")
    expect(overflow.locator(".bar .over")).to_have_count(1)
    expect(page.output(4).locator(".why")).to_contain_text("weights")
    # The corrected cell is put below, and does not run.
    cells = page.page.locator(".jp-Notebook .jp-CodeCell")
    error.get_by_role("button", name="Correct the cell").click()
    expect(cells).to_have_count(7)
    expect(cells.nth(2).locator(".cm-content")).to_contain_text("--max-tokens 200")
    assert cells.nth(2).locator(".jp-OutputArea-output").count() == 0
    shot(page, "errors")
    # The blocks stay where the notebook is opened with no kernel; the button needs one.
    page.saved()
    page.page.reload()
    error = page.output(1)
    expect(error.locator(".what")).to_contain_text("unknown option --max-token")
    expect(error.get_by_role("button", name="Correct the cell")).to_be_visible()
    assert error.locator("[role=alert]").count() == 0


def test_errors_in_the_dark_on_a_narrow_page(dark_lab: Open, shot: Any) -> None:
    page = dark_lab(
        notebook("%load_ext llm_magics", "%%llm --temprature 1\nWhy?", "%%llm --see nothing-here\nWhy?"),
        viewport={"width": 620, "height": 900},
    )
    for cell in range(3):
        page.run(cell)
    expect(page.output(1).get_by_role("button", name="Correct the cell")).to_be_visible()
    expect(page.output(2).locator(".what")).to_contain_text("no cell and no variable")
    shot(page, "errors-dark")
