"""An answer as it comes and as it ends: its text does not move, and what is odd is said first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from llm_magics.views.bundle import read_output
from tests.browser.notebooks import LOAD
from tests.browser.server import Page, notebook

Open = Callable[..., Page]
LIST = (
    "%%llm -n 160 -t 0 -o a\nExplain in ten numbered steps, each with a title in **bold**, how to bake bread."
)
# What the text looks like while it comes: how it is set, and where its lines break.
SET = """() => {
  const cell = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[1]
  const prose = cell.querySelector('.jp-RenderedMarkdown')
  if (!prose || !prose.innerText.trim()) return null
  const style = getComputedStyle(prose)
  const bold = prose.querySelectorAll('strong, li').length
  return [style.fontSize, style.lineHeight, Math.round(prose.getBoundingClientRect().width), bold > 0]
}"""


def test_the_text_is_markdown_from_its_beginning_and_does_not_move(either: Open, shot: Any) -> None:
    page = either(notebook(LOAD, LIST))
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    seen = set()
    expect(out.locator(".summary .dot")).to_be_visible(timeout=60_000)
    while out.locator(".summary .dot").count():
        if found := page.page.evaluate(SET):
            seen.add(tuple(found))
            assert "⏎" not in out.inner_text()
        page.page.wait_for_timeout(60)
    expect(out.locator(".summary")).to_contain_text("cut at 160 tokens")
    page.page.wait_for_timeout(500)
    size, line, width, marked = page.page.evaluate(SET)
    assert marked and {each[:3] for each in seen} == {(size, line, width)}
    assert any(each[3] for each in seen), "no list was set as one while it came"
    assert width <= 41 * float(size.removesuffix("px")) + 40
    assert "raise it with" not in out.inner_text()  # said once, in the line below
    shot(page, "answer-text")


def test_an_answer_that_was_cut_goes_on(lab: Open, shot: Any) -> None:
    page = lab(notebook(LOAD, LIST.replace("160", "20"), "print(len(a.tokens), a.options.max_tokens)"))
    for cell in range(3):
        page.run(cell)
    out = page.output(1)
    expect(page.output(2)).to_have_text("20 20")
    out.get_by_role("button", name="Continue").click()
    expect(out.locator(".summary")).not_to_contain_text("cut at 20", timeout=60_000)
    expect(out.locator(".summary")).not_to_contain_text("at most", timeout=60_000)
    page.run(2)
    longer = read_output(page.saved()["cells"][1]["outputs"][-1]["data"])
    assert len(longer.tokens) == 276 and longer.options.max_tokens == 276
    expect(page.output(2)).to_have_text(f"{len(longer.tokens)} 276")
    shot(page, "answer-continued")


def test_what_was_not_understood_is_said_before_the_answer(lab: Open, shot: Any) -> None:
    page = lab(notebook(LOAD, "%%llm -n 60 -t 0\nGreet {nobody} politely."))
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    expect(out.locator(".banner.warn")).to_contain_text("nobody", timeout=60_000)
    assert out.locator(".summary .dot").count() or "60 tokens" not in out.inner_text()
    expect(out.locator(".summary .dot")).to_have_count(0, timeout=60_000)
    expect(out.locator(".banner.warn")).to_contain_text("nobody")
    expect(out.locator(".jp-RenderedMarkdown")).not_to_contain_text("nobody")
    page.saved()
    page.page.reload()
    expect(page.output(1).locator(".banner.warn")).to_contain_text("nobody", timeout=60_000)
    shot(page, "answer-note")


def test_a_conversation_tells_its_turns_and_what_is_stale(lab: Open, shot: Any) -> None:
    """A15"""
    ask = "%%llm -c trip -t 0 -n 12\n"
    page = lab(notebook(LOAD, f"{ask}I go to Rome.", f"{ask}What shall I eat?", f"{ask}And see?", "%llm"))
    for cell in range(5):
        page.run(cell)
    for cell in (1, 2, 3):
        expect(page.output(cell).locator(".summary")).to_contain_text(f"trip · turn {cell}")
        expect(page.output(cell).locator(".stale")).to_have_count(0)
    expect(page.output(4)).to_contain_text("trip (3 turns)")
    page.run(2)
    expect(page.output(3).locator(".stale")).to_have_count(0)  # the same answer: nothing is stale
    change = "() => window.jupyterapp.shell.currentWidget.content.widgets[2].model.sharedModel.setSource("
    page.page.evaluate(f"{change}'%%llm -c trip -t 0 -n 12\\nWhat is dear?')")
    page.run(2)
    expect(page.output(3).locator(".stale")).to_contain_text("from an older turn 2")
    expect(page.output(2).locator(".stale")).to_have_count(0)
    shot(page, "answer-stale")
    page.saved()
    page.page.reload()
    expect(page.output(3).locator(".stale")).to_contain_text("from an older turn 2", timeout=60_000)
    page.wait_for_kernel()
    page.run(3)
    expect(page.output(3).locator(".stale")).to_have_count(0)
