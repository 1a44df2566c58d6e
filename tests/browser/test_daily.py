"""Daily work in JupyterLab and Notebook 7: context, corrections, values, reasoning, background jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Page, notebook

Open = Callable[..., Page]
SCRIPTED = """%load_ext llm_magics
from dataclasses import replace
from llm_magics.models.model import Model
from llm_magics.magics.answering import AnswerRunner
generate = AnswerRunner.generate
def scripted(self, prepared):
    made, stopped = generate(self, prepared)
    made = replace(made, text=said)
    prepared.view.finish(made)
    return made, stopped
def say(text):
    global said
    said = text
    AnswerRunner.generate = scripted if text else generate"""


def test_context_corrections_and_values(either: Open, shot: Any) -> None:
    """What the model says is scripted: a small model corrects nothing."""
    page = either(
        notebook(
            SCRIPTED,
            "prices = [3, 4]\nprint('two prices')",
            "total = sum(price)",
            "say('The name was wrong.\\n\\n```python\\ntotal = sum(prices)\\n```')",
            "%llm -n 2 -f code fix",
            "%llm context",
            "say('<think>two and two</think>It is **four**.')",
            "%%llm -n 2\nWhat is two and two?",
            'say(\'{"city": "Oslo", "rivers": ["Akerselva"]}\')',
            "%%llm -n 2 -f json -o city\nA city as JSON.",
        )
    )
    for cell in range(10):
        page.run(cell)
    fix = page.output(5 - 1)
    expect(fix.locator(".come")).to_contain_text("total = sum(prices)")
    expect(fix.locator(".gone")).to_contain_text("total = sum(price)")
    expect(fix.locator(".come mark")).to_have_text("prices")
    # The corrected cell is below, and did not run.
    below = page.page.locator(".jp-Notebook .jp-CodeCell").nth(5)
    expect(below.locator(".cm-content")).to_have_text("total = sum(prices)")
    assert below.locator(".jp-OutputArea-output").count() == 0
    # In its place it does not run either; then the button says that the cell is another.
    fix.get_by_role("button", name="Replace the cell").click()
    failed = page.page.locator(".jp-Notebook .jp-CodeCell").nth(2)
    expect(failed.locator(".cm-content")).to_have_text("total = sum(prices)")
    expect(failed.locator(".jp-OutputArea-output")).to_contain_text("NameError")
    expect(fix.get_by_role("button", name="Replace the cell")).to_be_disabled()
    expect(fix).to_contain_text("cell 3 is another now")
    context = page.output(6)
    expect(context).to_contain_text("of 8,192 tokens")
    context.locator("summary", has_text="this cell").click()
    expect(context.locator("pre", has_text="Write the corrected cell.").first).to_be_visible()
    shot(page, "daily")


def test_reasoning_is_folded(either: Open, shot: Any) -> None:
    page = either(notebook(SCRIPTED, "say('<think>two and two</think>It is **four**.')", "%%llm -n 2\nWhat?"))
    for cell in range(3):
        page.run(cell)
    out = page.output(2)
    expect(out.locator("strong", has_text="four")).to_be_visible()
    expect(out.locator("summary", has_text="reasoning, 3 words")).to_be_visible()
    expect(out.get_by_text("two and two")).not_to_be_visible()
    out.locator("summary", has_text="reasoning").click()
    expect(out.get_by_text("two and two")).to_be_visible()
    shot(page, "reasoning")


def test_an_answer_grows_in_the_background(lab: Open) -> None:
    page = lab(
        notebook(
            "%load_ext llm_magics",
            "%%llm --background -n 300 -t 0 --raw -o job\nOnce upon a time there was",
            "print('another cell')",
            "answer = await job\nprint(len(answer.tokens), 'tokens')",
        )
    )
    for cell in range(3):
        page.run(cell)
    expect(page.output(2)).to_contain_text("another cell")
    page.run(3)
    expect(page.output(3)).to_contain_text("300 tokens")
    expect(page.output(1).locator(".summary")).to_contain_text("300 tokens", timeout=20_000)
