"""Buttons, palette commands and the launcher card in JupyterLab and Notebook 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from llm_magics.views.mime import GENERATION_MIME
from tests.browser.server import Page, notebook

Open = Callable[..., Page]


def from_palette(page: Page, words: str) -> None:
    page.page.keyboard.press("Control+Shift+C")
    page.page.locator(".lm-CommandPalette-input").fill(words)
    page.page.keyboard.press("Enter")


def test_show_tokens_and_explain_an_error(either: Open, shot: Any) -> None:
    page = either(
        notebook(
            "%load_ext llm_magics", "%%llm -t 0 -n 12\nWhy is the sky blue?", "total = 3\ntotal / nothing"
        )
    )
    for cell in range(3):
        page.run(cell)
    cells = page.page.locator(".jp-Notebook .jp-CodeCell")
    # The answer stands as text; the button shows its tokens, and the notebook keeps that.
    cells.nth(1).locator(".jp-InputPrompt").click()
    strip = page.output(1)
    expect(strip.locator(".segments [aria-checked=true]")).to_have_text("Text")
    toolbar = cells.nth(1).locator(".jp-cell-toolbar")
    toolbar.get_by_text("Show Tokens").click()
    expect(strip.locator(".segments [aria-checked=true]")).to_have_text("Surprisal")
    expect(toolbar.get_by_text("Show as Text")).to_be_visible()
    shot(page, "commands-tokens")
    saved = page.saved()
    (output,) = saved["cells"][1]["outputs"]
    assert output["data"][GENERATION_MIME]["view"] == "tokens"
    from_palette(page, "Show as Text")
    expect(strip.locator(".segments [aria-checked=true]")).to_have_text("Text")
    # A failed cell offers the correction, in a cell below that does not run.
    cells.nth(2).locator(".jp-InputPrompt").click()
    toolbar = cells.nth(2).locator(".jp-cell-toolbar")
    expect(toolbar.get_by_text("Show Tokens")).to_be_hidden()
    toolbar.get_by_text("Explain This Error").click()
    expect(cells).to_have_count(4)
    expect(cells.nth(3).locator(".cm-content")).to_have_text("%llm fix 3")
    assert cells.nth(3).locator(".jp-OutputArea-output").count() == 0
    # A cell without answer and error has no button of ours.
    cells.nth(0).locator(".jp-InputPrompt").click()
    expect(cells.nth(0).locator(".jp-cell-toolbar")).to_be_visible()
    for name in ("Show Tokens", "Explain This Error"):
        expect(cells.nth(0).locator(".jp-cell-toolbar").get_by_text(name)).to_be_hidden()
    # By the keyboard alone: the palette, on the failed cell.
    cells.nth(2).locator(".jp-InputPrompt").click()
    from_palette(page, "Explain This Error")
    expect(cells).to_have_count(5)


def test_a_playground_from_the_palette(either: Open) -> None:
    page = either(notebook("1 + 1"))
    page.wait_for_kernel()
    from_palette(page, "Open a Model Playground")
    expect(page.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(2)
    expect(page.output(1).locator("textarea").first).to_be_visible(timeout=30_000)


def test_a_playground_from_the_launcher(lab: Open) -> None:
    page = lab(notebook("1 + 1"))
    page.wait_for_kernel()
    from_palette(page, "New Launcher")
    page.page.locator(".jp-LauncherCard", has_text="Model Playground").click()
    playground = page.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output textarea")
    expect(playground.first).to_be_visible(timeout=60_000)
