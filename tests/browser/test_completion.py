"""The completions of the kernel in the popup of JupyterLab and Notebook 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Page, notebook

Open = Callable[..., Page]


def test_options_and_variables_in_the_popup(either: Open, shot: Any) -> None:
    page = either(notebook("%load_ext llm_magics\ncolours = ['red']", "", ""))
    page.run(0)
    keys = page.page.keyboard
    cells = page.page.locator(".jp-Notebook .jp-CodeCell")

    def type_in(cell: int, text: str) -> Any:
        cells.nth(cell).locator(".cm-content").click()
        keys.press("Control+a")
        keys.press("Delete")
        keys.type(text, delay=30)
        keys.press("Tab")
        return page.page.locator(".jp-Completer")

    popup = type_in(1, "%%llm --t")
    expect(popup).to_be_visible(timeout=15_000)
    for option in ("--temperature", "--top-p", "--tools"):
        expect(popup.locator(".jp-Completer-match", has_text=option).first).to_be_visible()
    shot(page, "completion")
    keys.press("Escape")
    # Enter takes the first one.
    popup = type_in(1, "%%llm --tem")
    expect(popup).to_be_visible(timeout=15_000)
    keys.press("Enter")
    expect(cells.nth(1).locator(".cm-content")).to_contain_text("--temperature")
    # A variable inside the braces of a prompt.
    popup = type_in(2, "%%llm\nWhat is {colo")
    expect(popup.locator(".jp-Completer-match", has_text="colours")).to_be_visible(timeout=15_000)
    keys.press("Enter")
    expect(cells.nth(2).locator(".cm-content")).to_contain_text("{colours")
