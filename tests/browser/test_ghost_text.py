"""Ghost text in JupyterLab and Notebook 7, from the default model."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Page, notebook
from tests.browser.test_commands import from_palette

Open = Callable[..., Page]
COUNT = "# 1, 2, 3, 4, 5, 6, 7, 8"  # the editor closes no bracket here


def is_stored(response: Any) -> bool:
    """Return whether a response ends the storing of a setting."""
    return response.request.method == "PUT" and "/api/settings/" in response.url


def test_a_suggestion_is_shown_accepted_and_dismissed(either: Open, shot: Any) -> None:
    page = either(notebook("%load_ext llm_magics", "%%llm -t 0 -n 4 -q\nHi", "", "%%llm\n", "x = 0"))
    for cell in range(2):
        page.run(cell)
    cells = page.page.locator(".jp-Notebook .jp-CodeCell")
    ghost, keyboard = page.page.locator(".jp-GhostText"), page.page.keyboard
    # Off until it is asked for.
    cells.nth(2).locator(".cm-content").click()
    keyboard.type(COUNT)
    page.page.wait_for_timeout(1500)
    expect(ghost).to_have_count(0)
    try:
        # What is typed before the setting is stored asks for nothing.
        with page.page.expect_response(is_stored, timeout=20_000):
            from_palette(page, "Turn Ghost Text On")
        page.page.wait_for_timeout(300)
        cells.nth(2).locator(".cm-content").click()
        keyboard.press("End")
        keyboard.type(",")
        expect(ghost).to_have_text(re.compile(r"^ 9, 10"), timeout=20_000)
        page.page.wait_for_timeout(500)
        shot(page, "ghost-text")
        # The provider tells its model and its latency where the pointer rests.
        ghost.hover()
        told = page.page.locator(".jp-InlineCompleter [title^='Provider']")
        expect(told).to_have_attribute("title", re.compile(r"SmolLM2.* · \d+ ms", re.I))
        keyboard.press("Tab")
        expect(cells.nth(2).locator(".cm-content")).to_contain_text("8, 9, 10")
        # Escape dismisses; a change of the cell does too.
        keyboard.press("End")
        keyboard.type("\n# 10, 20, 30, 40,")
        expect(ghost).to_contain_text("50", timeout=20_000)
        keyboard.press("Escape")
        expect(ghost).to_have_count(0)
        # A prompt has it too, as prose; not in its option line.
        cells.nth(3).locator(".cm-content").click()
        keyboard.press("Control+End")
        keyboard.type("Monday, Tuesday, Wednesday, Thursday,")
        expect(ghost).to_contain_text("Friday", timeout=20_000)
        keyboard.press("Control+Home")
        keyboard.press("End")
        keyboard.type(" -t")
        page.page.wait_for_timeout(1500)
        expect(ghost).to_have_count(0)
    finally:
        from_palette(page, "Turn Ghost Text Off")
    cells.nth(4).locator(".cm-content").click()
    keyboard.press("End")
    keyboard.type(COUNT)
    page.page.wait_for_timeout(1500)
    expect(ghost).to_have_count(0)
