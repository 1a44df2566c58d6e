"""Several models side by side, and the answers of a notebook generated again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from playwright.sync_api import expect

from tests.browser.server import Page, notebook

Open = Callable[..., Page]


def test_two_models_side_by_side(either: Open, shot: Any) -> None:
    page = either(
        notebook(
            "%load_ext llm_magics",
            "%%llm -m default:fp32 -m default:int4 -t 0 -n 90 --fresh\nWhy is the sky blue? Two sentences.",
        )
    )
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    # Both columns grow at once.
    expect(out.locator(".caret")).to_have_count(2, timeout=60_000)
    expect(out.get_by_role("button", name="Stop")).to_be_visible()
    expect(out.locator(".caret")).to_have_count(0, timeout=60_000)
    expect(out.get_by_role("button", name="Stop")).to_be_hidden()
    expect(out.locator(".column")).to_have_count(2)
    expect(out.locator(".foot")).to_contain_text("they part at token")
    expect(out.locator(".parted")).to_have_count(2)
    assert out.locator(".weighed tbody tr").count() >= 2
    out.locator(".a .text").focus()
    page.page.keyboard.press("n")
    expect(out.locator(".say")).to_contain_text("bits")
    shot(page, "side-by-side")
    # It is kept in the notebook, and looks the same where no kernel runs.
    page.saved()
    page.shut()
    page.page.reload()
    expect(page.output(1).locator(".parted")).to_have_count(2)


def test_both_models_are_stopped_at_once(lab: Open) -> None:
    page = lab(
        notebook(
            "%load_ext llm_magics",
            "%%llm -m default:int8 -m default:int4 -t 0 -n 2000 --fresh --raw -o two\nOnce upon a time",
            "print(len(two), two[0].stop_reason, two[1].stop_reason)",
        )
    )
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    expect(out.locator(".caret")).to_have_count(2, timeout=60_000)
    out.get_by_role("button", name="Stop").click()
    expect(out.locator(".state").first).to_have_text("stopped", timeout=20_000)
    page.run(2)
    expect(page.output(2)).to_contain_text("2 interrupted interrupted")


def test_the_answers_of_a_notebook_are_verified(either: Open, shot: Any, tmp_path: Path) -> None:
    lesson = nbformat.from_dict(
        notebook(
            "%load_ext llm_magics",
            "%%llm -t 0 -n 20\nWhy is the sky blue?",
            "%%llm -p fp32 -t 0 -n 90\nWhy is the sky blue? Two sentences.",
        )
    )
    NotebookClient(lesson, timeout=120).execute()
    path = tmp_path / "lesson.ipynb"
    # Its second answer says that it is of the model that is in use: it comes out as another one.
    nbformat.write(lesson, path)
    first, second = (cell["outputs"][-1]["data"] for cell in lesson["cells"][1:])
    mime = next(name for name in first if "generation" in name)
    second[mime]["model"] = first[mime]["model"]
    path.write_text(json.dumps(lesson))
    page = either(notebook("%load_ext llm_magics", "%%llm -m default -n 1\nhi", f"%llm verify {path}"))
    for cell in range(3):
        page.run(cell)
    out = page.output(2)
    expect(out.locator(".totals")).to_contain_text("2 answers")
    expect(out.locator(".outcome.equal")).to_have_count(1)
    drifted = out.locator(".line", has=page.page.locator(".outcome.drifted"))
    expect(drifted).to_contain_text("Two sentences.")
    drifted.click()
    expect(out.locator(".details .column")).to_have_count(2)
    expect(out.locator(".details .parted")).to_have_count(2)
    shot(page, "verify")
    page.page.keyboard.press("Enter")
    expect(out.locator(".details")).to_have_count(0)
