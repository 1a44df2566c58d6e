"""The catalog and a card in JupyterLab and Notebook 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.notebooks import LOAD, saved
from tests.browser.server import Page, notebook

Open = Callable[..., Page]


def test_the_catalog_is_filtered_opened_and_followed_to_a_card(either: Open, shot: Any) -> None:
    page = either(notebook(LOAD, "%llm models"))
    page.run(0)
    page.run(1)
    out = page.output(1).locator(".llm-magics-inside")
    rows = out.locator(".line")
    expect(rows).to_have_count(48)
    expect(out.get_by_role("radio", name="In the cache")).to_have_text("In the cache 1")
    out.get_by_role("radio", name="In the cache").click()
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("SmolLM2")
    out.get_by_role("radio", name="All").click()
    out.get_by_label("Find a model").fill("llama-3.2 < 3 GB")
    expect(rows).to_have_count(1)
    rows.click()
    expect(out.locator(".details")).to_contain_text("up to 700 million monthly users")
    expect(out.locator(".details")).to_contain_text("gated: agree on its page")
    out.get_by_label("Find a model").fill("")
    expect(rows).to_have_count(48)
    shot(page, "catalog-models")
    out.get_by_role("button", name="Card").click()
    card = page.output(1).locator(".llm-magics-inside").locator("h2")
    expect(card).to_have_text("Llama 3.2 1B Instruct", timeout=20_000)
    rows.first.focus()
    rows.first.press("ArrowDown")
    expect(out.locator(".line[tabindex='0']")).to_contain_text("GPT-2")
    out.locator(".line[tabindex='0']").press("f")
    expect(out.get_by_role("radio", name="Fits here")).to_be_checked()


def test_a_card_is_shown(either: Open, shot: Any) -> None:
    page = either(notebook(LOAD, "%llm card llama-3.2-1b-instruct", "%llm card gemma-4-e2b"))
    for n in range(3):
        page.run(n)
    card = page.output(1)
    expect(card.locator("tr", has_text="name of a derivative")).to_contain_text("begins with “Llama”")
    expect(card.locator("svg.memory")).to_be_visible()
    expect(card.locator(".marks li", has_text="NOTICE")).to_be_visible()
    shot(page, "catalog-card")
    expect(page.output(2).locator(".foot")).to_contain_text("things are unknown, and are not guessed")


def test_saved_catalogs_are_whole_without_a_kernel(lab: Open, dark_lab: Open, shot: Any) -> None:
    content = saved(["models", "card"])
    for open_page, name in ((lab, "light"), (dark_lab, "dark")):
        page = open_page(content, kernel=False, viewport={"width": 1100, "height": 1200})
        page.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        row = page.output(1).locator(".line").first
        row.click()
        expect(page.output(1).get_by_role("button", name="Card")).to_be_disabled()
        expect(page.output(2).locator("svg.memory .reached")).to_be_visible()
        shot(page, f"catalog-saved-{name}")
    page = lab(content, kernel=False, viewport={"width": 560, "height": 1700})
    page.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.output(1).locator(".line").first.click()
    expect(page.output(1).locator(".details")).to_be_visible()
    shot(page, "catalog-saved-narrow")
