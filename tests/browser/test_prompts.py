"""A prompt in its cell: prose that wraps, and no Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Page, notebook

Open = Callable[..., Page]
PROSE = "Tell me for whom the bell tolls in this and is it not so if one thinks about it. " * 4
# The coloured pieces of each line of a cell.
PIECES = """n => {
  const lines = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[n].querySelectorAll('.cm-line')
  return [...lines].map(line => [...line.querySelectorAll('span')].map(each => each.textContent))
}"""


def pieces(page: Page, cell: int) -> list[list[str]]:
    found: list[list[str]] = page.page.evaluate(PIECES, cell)
    return found


def test_a_prompt_is_prose(either: Open, shot: Any) -> None:
    prompt = f"%%llm -n 60 --seed 3\n{PROSE}\nSome **bold** and {{name}}.\n```\nx = {{total}} {{{{no}}}}\n```"
    page = either(notebook(prompt, "for x in [1]: pass", "%%llm_tune\na => b"))
    cell = page.page.locator(".jp-Notebook .jp-CodeCell").nth(0)
    expect(cell.locator(".cm-lineWrapping")).to_be_visible(timeout=20_000)
    first, prose, marked = pieces(page, 0)[:3]
    assert "%%llm" in first and "-n" in first and "60" in first
    assert prose == [] and "{" in marked
    assert cell.locator(".cm-line").nth(1).bounding_box()["height"] > 40
    # The kernel expands fields in code too.
    expect(cell.locator(".cm-llm-field")).to_have_text(["{total}"])
    assert "for" in pieces(page, 1)[0]
    for other in (1, 2):
        assert (
            page.page.locator(".jp-Notebook .jp-CodeCell").nth(other).locator(".cm-lineWrapping").count() == 0
        )
    shot(page, "prompt")


def test_a_cell_becomes_a_prompt_and_python_again(lab: Open) -> None:
    page = lab(notebook("for x in [1]: pass", "%%llm\nis it for me"))
    expect(page.page.locator(".cm-lineWrapping")).to_have_count(1, timeout=20_000)
    page.page.locator(".jp-Notebook .jp-CodeCell").nth(0).locator(".cm-content").click()
    keys = page.page.keyboard
    keys.press("Control+Home")
    keys.type("%%llm\n")
    expect(page.page.locator(".cm-lineWrapping")).to_have_count(2)
    assert "for" not in pieces(page, 0)[1]
    for _ in range(3):
        keys.press("Control+z")
    expect(page.page.locator(".cm-lineWrapping")).to_have_count(1)
    assert "for" in pieces(page, 0)[0]
    restart = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    page.page.evaluate(restart)
    page.page.wait_for_timeout(3000)
    assert pieces(page, 1)[1] == []
