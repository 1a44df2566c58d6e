"""The token strip as a user meets it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from llm_magics.views.bundle import read_output
from tests.browser.conftest import SHOTS
from tests.browser.notebooks import LOAD
from tests.browser.server import Page, notebook

Open = Callable[..., Page]
SKY = "%%llm --tokens -n 80 -t 0.9 --seed 3\nWhy is the sky blue?"


def record_of(content: dict[str, Any], cell: int) -> Any:
    return read_output(content["cells"][cell]["outputs"][0]["data"])


def test_what_was_weighed_is_read(either: Open, shot: Any) -> None:
    """Measures, card, keys, search."""
    page = either(notebook(LOAD, SKY))
    page.run(0)
    page.run(1)
    out, keys = page.output(1), page.page.keyboard
    expect(out.locator(".summary")).to_contain_text("80 tokens")
    expect(out.locator(".summary")).to_contain_text("cut at 80 tokens")
    assert out.locator(".text").text_content().startswith("The answer to this question")
    shot(page, "strip")

    for number, unit in ((3, "%"), (4, "rank"), (5, "bits"), (6, "ms"), (2, "bits")):
        out.locator(".segments button").nth(number - 1).click()
        expect(out.locator(".legend")).to_contain_text(unit)

    out.locator(".t.s4").first.hover()
    card = out.locator(".card")
    expect(card).to_be_visible()
    expect(card).to_contain_text("logprob −")
    expect(card.locator("[role=option]")).to_have_count(10)
    expect(card).to_contain_text("others")
    shot(page, "strip-card")
    if page.client == "lab":  # the README's picture: copied to docs/strip.png when it has changed
        page.page.wait_for_timeout(200)  # the card has faded in
        cell = page.page.locator(".jp-Notebook .jp-CodeCell").nth(1).bounding_box()
        end = card.bounding_box()
        clip = {**cell, "height": end["y"] + end["height"] - cell["y"] + 12}
        page.page.screenshot(path=SHOTS / "readme.png", clip=clip)
    # A token that was expected is no element of its own, and is found all the same.
    box = out.locator(".p").first.bounding_box()
    page.page.mouse.move(box["x"] + 6, box["y"] + 14)
    expect(card).to_contain_text("token 1 of 80")

    out.locator(".map").focus()
    keys.press("Home")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    expect(card).to_contain_text("token 3 of 80")
    assert "rank" in out.locator(".map").get_attribute("aria-valuetext")
    keys.press("Escape")
    expect(card).to_be_hidden()
    keys.press("3")
    expect(out.locator("[aria-checked=true]")).to_have_text("Probability")

    keys.press("/")
    keys.type("< 10 %")
    expect(out.locator(".of")).to_contain_text("found")
    hits = out.locator(".hit").count()
    generation = record_of(page.saved(), 1)
    assert hits == sum(token.logprob < -2.302585 for token in generation.tokens) > 3
    keys.press("Enter")
    expect(out.locator(".of")).to_contain_text("1 of")
    shot(page, "strip-found")
    keys.press("Escape")
    expect(out.locator(".hit")).to_have_count(0)
    out.locator(".menu button").click()
    out.get_by_role("menuitem", name="Show the prompt").click()
    expect(out.locator(".prompt .chip").first).to_have_text("im_start")
    expect(out.locator(".prompt")).to_contain_text("Why is the sky blue?")


def test_tokens_appear_as_they_are_made_and_stop_works_from_the_view(either: Open, shot: Any) -> None:
    page = either(notebook(LOAD, "%%llm --tokens -n 900 --seed 1\nTell a very long story of a fox.", "1 + 1"))
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    expect(out.locator(".summary")).to_contain_text("of at most 900 tokens", timeout=30_000)
    first = out.locator(".text").text_content()
    page.page.wait_for_timeout(700)
    assert len(out.locator(".text").text_content()) > len(first) + 20
    expect(out.locator(".caret")).to_be_visible()
    shot(page, "live")
    out.get_by_role("button", name="Stop").click()
    expect(out.locator(".summary")).to_contain_text("stopped", timeout=5_000)
    page.run(2)
    expect(page.output(2)).to_contain_text("2")
    generation = record_of(page.saved(), 1)
    assert generation.stop_reason == "interrupted" and 10 < len(generation.tokens) < 900
    assert json.dumps(page.saved()).count("widget-view") == 0


def test_a_plain_answer_is_markdown_and_its_tokens_are_a_key_away(lab: Open, shot: Any) -> None:
    page = lab(notebook(LOAD, "%%llm -n 40\nWrite the word hello in bold Markdown."))
    page.run(0)
    page.run(1)
    out = page.output(1)
    expect(out.locator(".markdown")).to_be_visible()
    expect(out.locator(".jp-RenderedMarkdown")).to_be_visible()
    shot(page, "plain")
    out.locator(".segments button").nth(1).click()
    expect(out.locator(".map")).to_be_visible()
    expect(out.locator(".t").first).to_be_visible()


def test_an_answer_that_ends_says_so(lab: Open) -> None:
    page = lab(notebook(LOAD, "%%llm --tokens -t 0\nWhat is the capital of France?"))
    page.run(0)
    page.run(1)
    expect(page.output(1).locator(".chip")).to_have_text("end")
    expect(page.output(1).locator(".text")).to_contain_text("Paris.")


def test_branches_are_made_walked_saved_and_opened_with_no_kernel(either: Open, shot: Any) -> None:
    page = either(notebook(LOAD, SKY, "x = 1"))
    page.run(0)
    page.run(1)
    page.run(2)  # the kernel does other things in between
    out = page.output(1)
    out.locator(".t.s4").first.click()
    expect(out.locator(".card .others .can").first).to_be_visible()
    word = out.locator(".card .others .can code").first.inner_text().strip("␣")
    out.locator(".card .others .can").first.click()
    expect(out.locator(".rail [role=treeitem]")).to_have_count(2, timeout=20_000)
    expect(out.locator(".summary")).to_contain_text("reused", timeout=20_000)
    assert word in out.locator(".text").text_content()
    # By the keys: the second branch turns off from the first one.
    out.locator(".map").focus()
    # A token may have no third alternative that can be taken: then the one before it.
    page.page.keyboard.press("End")
    items = out.locator(".rail [role=treeitem]")
    for _ in range(6):
        for key in ("ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
            page.page.keyboard.press(key)
        page.page.wait_for_timeout(1500)
        if items.count() == 3:
            break
        out.locator(".map").focus()
    expect(items).to_have_count(3, timeout=20_000)
    expect(out.locator(".summary .dot")).to_have_count(0, timeout=20_000)  # it is done
    expect(out.locator(".summary")).to_contain_text("reused")
    # Side by side with what it turned off from, which can be read and branched from too.
    expect(out.locator(".two h4")).to_have_count(2)
    out.locator(".two .pane").first.locator(".t").first.hover()
    expect(out.locator(".card")).to_be_visible()
    shot(page, "branches")
    content = page.saved()
    generation = record_of(content, 1)
    assert len(generation.branches) == 2
    assert generation.branches[0].timing.cached_tokens > 20
    for number in (1, 2):
        path = generation.path(number)
        assert path.text == "".join(token.text for token in path.tokens)
    out.locator(".rail [role=treeitem]").first.click()
    expect(out.locator(".text")).to_contain_text(generation.text[:60])

    content["metadata"] = {"kernelspec": {"name": "none-such", "display_name": "None", "language": "none"}}
    again = either(content, kernel=False)
    again.page.locator(".jp-Dialog .jp-mod-reject").click()
    out = again.output(1)
    expect(out.locator(".rail [role=treeitem]")).to_have_count(3)
    out.locator(".t.s4").first.hover()
    expect(out.locator(".card")).to_contain_text("needs a running kernel")
    shot(again, "no-kernel")

    # In another session the model is not loaded yet, and the kernel knows nothing of the answer.
    content["metadata"] = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
    }
    later = either(content)
    later.run(0)
    out = later.output(1)
    out.locator(".t.s4").first.click()
    out.locator(".card .others .can").nth(1).click()
    expect(out.locator(".rail [role=treeitem]")).to_have_count(4, timeout=30_000)
    expect(out.locator(".summary .dot")).to_have_count(0, timeout=30_000)
    assert len(record_of(later.saved(), 1).branches) == 3


def test_a_branch_while_another_cell_runs(lab: Open) -> None:
    page = lab(notebook(LOAD, SKY, "%%llm -n 400 --seed 1\nTell a long story."))
    page.run(0)
    page.run(1)
    page.run(2, wait=False)
    out = page.output(1)
    expect(page.output(2).locator(".summary")).to_contain_text("of at most", timeout=20_000)
    out.locator(".t.s4").first.click()
    out.locator(".card .others .can").first.click()
    expect(out.locator(".summary")).to_contain_text("reused", timeout=30_000)
    prompt = page.page.locator(".jp-Notebook .jp-CodeCell").nth(2).locator(".jp-InputPrompt")
    assert "*" in prompt.inner_text(), "the other cell was done before the branch"
    page.output(2).get_by_role("button", name="Stop").click()
    assert len(record_of(page.saved(), 1).branches) == 1


def test_a_page_that_is_loaded_again_in_the_middle(lab: Open) -> None:
    page = lab(notebook(LOAD, "%%llm --tokens -n 500 --seed 1\nTell a long story of a fox."))
    page.run(0)
    page.run(1, wait=False)
    expect(page.output(1).locator(".summary")).to_contain_text("of at most 500 tokens", timeout=20_000)
    page.page.wait_for_timeout(600)
    page.saved()
    page.page.reload()
    page.page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    out = page.output(1)
    expect(out.locator(".summary")).to_contain_text("tok/s", timeout=60_000)
    expect(out.locator(".summary")).to_contain_text("perplexity", timeout=60_000)
    expect(out.locator(".summary")).not_to_contain_text("at most", timeout=60_000)
    generation = record_of(page.saved(), 1)
    assert len(generation.tokens) > 100 and generation.stop_reason in ("length", "stop")


def test_a_kernel_that_is_restarted_in_the_middle(lab: Open) -> None:
    page = lab(notebook(LOAD, "%%llm --tokens -n 900 --seed 1\nTell a long story of a fox.", "7 * 6"))
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    expect(out.locator(".summary")).to_contain_text("of at most 900 tokens", timeout=20_000)
    page.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(out.locator(".banner")).to_contain_text("restarted", timeout=20_000)
    page.wait_for_kernel()
    page.run(0)
    page.page.locator(".jp-Notebook .jp-CodeCell").nth(1).locator(".cm-content").click()
    page.run(1, wait=False)
    expect(out.locator(".summary")).to_contain_text("of at most 900 tokens", timeout=30_000)
    out.get_by_role("button", name="Stop").click()
    expect(out.locator(".summary")).to_contain_text("stopped", timeout=10_000)


def test_a_second_view_of_the_output_and_a_cell_that_is_cleared(lab: Open) -> None:
    page = lab(notebook(LOAD, "%%llm --tokens -n 700 --seed 1\nTell a long story of a fox.", "1 + 1"))
    page.run(0)
    page.run(1, wait=False)
    expect(page.output(1).locator(".summary")).to_contain_text("of at most 700", timeout=20_000)
    page.page.evaluate("() => window.jupyterapp.commands.execute('notebook:create-output-view')")
    second = page.page.locator(".jp-LinkedOutputView")
    expect(second.locator(".summary")).to_contain_text("of at most 700", timeout=20_000)
    length = len(second.locator(".text").text_content())
    page.page.wait_for_timeout(600)
    assert len(second.locator(".text").text_content()) > length
    second.get_by_role("button", name="Stop").click()
    for view in (page.output(1), second):
        expect(view.locator(".summary")).to_contain_text("stopped", timeout=10_000)

    page.run(1, wait=False)
    expect(page.output(1).locator(".summary")).to_contain_text("of at most 700", timeout=20_000)
    page.page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.page.wait_for_timeout(500)
    page.page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    page.run(2)
    expect(page.output(2)).to_contain_text("2")


def test_dark(dark_lab: Open, shot: Any) -> None:
    page = dark_lab(notebook(LOAD, SKY))
    page.run(0)
    page.run(1)
    out = page.output(1)
    assert out.locator("[data-llm-view]").get_attribute("data-llm-theme") == "dark"
    out.locator(".t.s4").first.hover()
    expect(out.locator(".card")).to_be_visible()
    shot(page, "strip-dark")


def test_the_menu_closes_and_is_walked_with_keys(lab: Open) -> None:
    """A4"""
    page = lab(notebook(LOAD, "%%llm --tokens -n 12 -t 0\nWhy is the sky blue?", "x = 1"))
    page.run(0)
    page.run(1)
    out, keys = page.output(1), page.page.keyboard
    more, menu = out.get_by_role("button", name="More"), out.get_by_role("menu")
    active = """() => {
      let focused = document.activeElement
      while (focused.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement
      return focused.textContent
    }"""
    more.click()
    expect(menu).to_be_visible()
    expect(more).to_have_attribute("aria-expanded", "true")
    assert page.page.evaluate(active) == "Copy text"
    keys.press("ArrowDown")
    assert page.page.evaluate(active) == "Copy JSON"
    keys.press("End")
    assert page.page.evaluate(active) == "Tokenizer"
    keys.press("a")
    keys.press("Escape")
    expect(menu).to_be_hidden()
    expect(more).to_be_focused()
    expect(more).to_have_attribute("aria-expanded", "false")
    for place in (out.locator(".text"), page.page.locator(".jp-CodeCell").nth(2).locator(".cm-content")):
        more.click()
        expect(menu).to_be_visible()
        place.click()
        expect(menu).to_be_hidden()
    more.click()
    keys.press("Tab")
    expect(menu).to_be_hidden()


def test_escape_gives_the_focus_back_to_the_cell_and_branches_are_reached(lab: Open) -> None:
    """A17, A6"""
    page = lab(notebook(LOAD, "%%llm --tokens -n 12 -t 0\nWhy is the sky blue?"))
    page.run(0)
    page.run(1)
    out, keys = page.output(1), page.page.keyboard
    out.locator(".map").focus()
    keys.press("Home")
    for _ in range(3):
        keys.press("ArrowRight")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Enter")
    rows = out.locator(".rail [role=treeitem]")
    expect(rows).to_have_count(2, timeout=20_000)
    expect(out.locator(".summary .dot")).to_have_count(0, timeout=20_000)
    expect(rows.nth(1)).to_have_attribute("aria-selected", "true")
    rows.nth(1).focus()
    keys.press("ArrowUp")
    expect(rows.nth(0)).to_be_focused()
    expect(rows.nth(0)).to_have_attribute("aria-selected", "true")
    keys.press("ArrowDown")
    expect(rows.nth(1)).to_be_focused()

    # What the menu opens is of the branch that is looked at.
    words = "".join(out.locator(".two > div").nth(1).locator(".pane").all_inner_texts()).split()
    out.get_by_role("button", name="More").click()
    out.get_by_role("menuitem", name="Replay sampling").click()
    expect(out.locator(".llm-magics-below .strip")).to_be_visible(timeout=60_000)
    for word in words[:3]:
        expect(out.locator(".llm-magics-below")).to_contain_text(word)

    out.locator(".map").focus()
    keys.press("Escape")
    keys.press("Escape")
    keys.press("b")
    expect(page.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(3)


def test_a_click_on_a_word_draws_no_ring_and_keys_draw_a_whole_one(lab: Open, shot: Any) -> None:
    """A17"""
    page = lab(notebook(LOAD, "%%llm --tokens -n 12 -t 0\nWhy is the sky blue?"))
    page.run(0)
    page.run(1)
    out = page.output(1)
    style = "element => { const s = getComputedStyle(element); return [s.outlineStyle, s.outlineOffset] }"
    out.locator(".text .t").first.click()
    assert out.locator(".map").evaluate(style)[0] == "none"
    page.page.keyboard.press("ArrowRight")
    assert out.locator(".map").evaluate(style) == ["solid", "-2px"]
    shot(page, "strip-ring")


# The visible share of an element in the next frame that is painted: a size that is read between two frames
# is that of a page that nobody sees.
PAINTED = """element => new Promise(resolve => {
    const observer = new IntersectionObserver(entries => {
        observer.disconnect();
        resolve(element.isConnected ? entries.at(-1).intersectionRatio : null);
    });
    observer.observe(element);
})"""


def test_a_long_answer_keeps_its_stop_in_sight(lab: Open, shot: Any) -> None:
    """A22"""
    page = lab(
        notebook(LOAD, "%%llm -n 3000 -t 0.9\nWrite a very long story."),
        viewport={"width": 900, "height": 420},
    )
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    stop = out.locator(".summary").get_by_role("button", name="Stop")
    expect(stop).to_be_visible(timeout=60_000)
    deadline = time.monotonic() + 60
    while (out.locator(".jp-RenderedMarkdown").bounding_box() or {"height": 0})["height"] < 700:
        assert time.monotonic() < deadline
        page.page.wait_for_timeout(100)
    seen = 0
    while seen < 20:
        assert time.monotonic() < deadline
        share = stop.evaluate(PAINTED)
        if share is None:  # the line was drawn anew meanwhile: look at the new one
            continue
        assert share > 0.99
        seen += 1
        page.page.wait_for_timeout(50)
    shot(page, "strip-afloat")
    stop.click()
    expect(out.locator(".summary")).to_contain_text("stopped", timeout=20_000)
    assert out.locator(".summary").evaluate("element => element.style.transform") == ""
