"""The playground's tools: two models, tabs, stars, search, files, presets and prompts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from llm_magics.views.mime import PLAYGROUND_MIME
from tests.browser.notebooks import LOAD
from tests.browser.playground import answered
from tests.browser.server import Page, notebook
from tests.browser.test_accessible import violations
from tests.browser.test_playground import PLAY, set_tokens

Open = Callable[..., Page]


def test_presets_search_tabs_stars_and_files(either: Open, shot: Any, tmp_path: Path) -> None:
    page = either(notebook(LOAD, PLAY))
    page.run(0)
    page.run(1)
    out = page.output(1)
    set_tokens(out, 12)
    # A preset of the package, and one of the user's that outlives the page.
    out.get_by_label("Preset", exact=True).select_option("Greedy")
    expect(out.get_by_label("temperature, number")).to_have_value("0")
    name = f"mine {page.client}"
    presets = out.locator(".rail-box .saved")
    presets.get_by_role("button", name="Save …").click()
    presets.get_by_label("Name of the preset").fill(name)
    presets.get_by_label("Name of the preset").press("Enter")
    expect(presets.locator("option", has_text=name)).to_have_count(1)
    prompts = out.locator(".right > .saved")
    out.get_by_label("Prompt", exact=True).fill("Why is the sky blue?")
    prompts.get_by_role("button", name="Save …").click()
    prompts.get_by_label("Name of the saved prompt").fill(f"sky {page.client}")
    prompts.get_by_label("Name of the saved prompt").press("Enter")
    out.locator(".ask textarea").fill("")
    prompts.get_by_label("Saved prompt", exact=True).select_option(f"sky {page.client}")
    expect(out.locator(".ask textarea")).to_have_value("Why is the sky blue?")
    out.locator(".ask textarea").press("Shift+Enter")
    answered(out, 0)
    out.locator(".ask textarea").fill("And at night?")
    out.locator(".ask textarea").press("Shift+Enter")
    answered(out, 1)
    # Search goes from turn to turn.
    find = out.get_by_label("Find in the conversation")
    find.fill("night")
    expect(out.locator(".turn").nth(1)).to_have_class("turn hit")
    expect(out.locator(".find-turn")).to_contain_text("1 of 1")
    find.press("Escape")
    # Tabs: an inspection of the answer, and its record.
    turn = out.locator(".turn").first
    turn.get_by_role("tab", name="Inspect").click()
    turn.get_by_role("button", name="Tokenizer").click()
    expect(turn.locator(".tab-panel .view").last).to_be_visible(timeout=30_000)
    expect(turn.locator(".tab-panel")).to_contain_text("tokens", timeout=30_000)
    turn.get_by_role("tab", name="JSON").click()
    expect(turn.locator(".tab-panel pre")).to_contain_text('"kind"')
    turn.get_by_role("tab", name="Tokens").click()
    turn.get_by_role("button", name="Mark with a star").click()
    expect(turn.get_by_role("button", name="Remove the star")).to_be_visible()
    bad = violations(page)
    assert not bad, "\n".join(bad)
    shot(page, "playground-tools")
    # It goes into a file, and comes from it into another playground.
    out.locator(".head").get_by_label("More").click()
    with page.page.expect_download() as loading:
        out.get_by_role("menuitem", name="Export as JSON").click()
    file = tmp_path / "conversation.json"
    loading.value.save_as(file)
    assert len(json.loads(file.read_text())["turns"]) == 2
    out.locator(".head").get_by_label("More").click()
    with page.page.expect_download() as loading:
        out.get_by_role("menuitem", name="Export as Markdown").click()
    loading.value.save_as(tmp_path / "conversation.md")
    assert "> Why is the sky blue?" in (tmp_path / "conversation.md").read_text()
    out.get_by_role("button", name="Clear").click()
    expect(out.locator(".turn")).to_have_count(0)
    out.locator(".head").get_by_label("More").click()
    with page.page.expect_file_chooser() as choosing:
        out.get_by_role("menuitem", name="Import …").click()
    choosing.value.set_files(file)
    expect(out.locator(".turn")).to_have_count(2)
    expect(turn.get_by_role("button", name="Remove the star")).to_be_visible()


def test_two_precisions_side_by_side(dark_lab: Open, shot: Any) -> None:
    page = dark_lab(notebook(LOAD, PLAY))
    page.run(0)
    page.run(1)
    out = page.output(1)
    set_tokens(out, 24)
    out.get_by_label("Compare with").select_option("smollm2-135m-instruct:int8")
    page.page.wait_for_timeout(1500)  # it is loaded, or converted first
    expect(out.locator(".loading")).to_be_hidden(timeout=120_000)
    out.locator(".ask textarea").fill("Why is the sky blue?")
    out.locator(".ask textarea").press("Shift+Enter")
    side = out.locator(".turn .side")
    expect(side).to_contain_text("int8", timeout=40_000)
    expect(out.get_by_role("button", name="Send")).to_be_visible(timeout=30_000)
    page.page.wait_for_timeout(500)
    bad = violations(page)
    assert not bad, "\n".join(bad)
    shot(page, "playground-two-models")
    saved = page.saved()["cells"][1]["outputs"][0]["data"][PLAYGROUND_MIME]
    assert saved["turns"][0]["side"]["view"] == "side_by_side"
