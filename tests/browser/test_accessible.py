"""Every view and the playground pass axe-core, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.notebooks import everything
from tests.browser.playground import answered, ask
from tests.browser.server import Page, notebook

Open = Callable[..., Page]
AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
# What each host holds that axe objects to: the rule, how much it matters, and the first such element.
VIOLATIONS = """async () => {
  const found = []
  for (const host of document.querySelectorAll('[data-llm-view]')) {
    const { violations } = await axe.run(host, { resultTypes: ['violations'] })
    const name = host.shadowRoot.querySelector('[aria-label]')?.getAttribute('aria-label')
    for (const { id, impact, nodes } of violations)
      found.push(`${name}: ${id} (${impact}) x ${nodes.length}: ${nodes[0].html.slice(0, 200)}`)
  }
  return found
}"""


def violations(page: Page) -> list[str]:
    if not page.page.evaluate("() => !!window.axe"):
        page.page.evaluate(AXE.read_text("utf-8"))
    found: list[str] = page.page.evaluate(VIOLATIONS)
    return found


@pytest.mark.parametrize("theme", ["lab", "dark_lab"])
def test_saved_views(request: pytest.FixtureRequest, theme: str) -> None:
    content, names = everything()
    open: Open = request.getfixturevalue(theme)  # a theme of its own: one that is changed stays so
    page = open(content, kernel=False, viewport={"width": 1100, "height": 12_000})
    expect(page.page.locator("[data-llm-view]").nth(len(names) - 1)).to_be_attached(timeout=30_000)
    page.page.wait_for_timeout(1500)
    bad = violations(page)
    assert not bad, "\n".join(bad)


def test_what_opens_and_the_playground(lab: Open) -> None:
    asked = "%%llm --tokens -n 12 -t 0\nWhy is the sky blue?"
    page = lab(notebook("%load_ext llm_magics", asked, "%llm playground"))
    for cell in range(3):
        page.run(cell)
    out = page.output(1)
    expect(out.locator(".summary")).to_contain_text("12 tokens")
    out.locator(".map").focus()
    page.page.keyboard.press("Home")
    page.page.keyboard.press("ArrowRight")
    expect(out.locator(".card")).to_be_visible()
    assert violations(page) == []
    out.locator(".card [role=option]").nth(2).click()
    expect(out.locator(".rail")).to_be_visible(timeout=20_000)
    out.get_by_role("button", name="More").click()
    expect(out.get_by_role("menu")).to_be_visible()
    assert violations(page) == []
    play = page.output(2)
    ask(play, "Hello")
    answered(play, 0)
    assert violations(page) == []
