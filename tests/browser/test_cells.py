"""Outputs as people meet them: formulas and prices, copies, answers that were cut off, one kernel for two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from llm_magics.views.bundle import read_output
from llm_magics.views.mime import GENERATION_MIME
from tests.browser.notebooks import LOAD
from tests.browser.server import Page, notebook

Open = Callable[..., Page]
FORMULAS = "It is $5. And $x^2 + y^2$ costs $7, or \\[\\frac{a}{b}\\]. Alice has $20 and Bob has $30."
SAY = f"""
from llm_magics import Generation
from llm_magics.views.bundle import generation_bundle
Generation({FORMULAS!r}, (), "stop", "p")
"""
# As a page shows it that has no view of ours.
BARE = f"""
from llm_magics.views.markdown import to_safe_markdown
from IPython.display import display
display({{"text/markdown": to_safe_markdown({FORMULAS!r})}}, raw=True)
"""


def output(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {}, "data": data}


def unfinished(number: int, text: str = "Once upon a time") -> dict[str, Any]:
    """What a notebook holds of an answer when the kernel ends in the middle."""
    head = {"schema": 3, "kind": "generation", "view": "tokens", "final": False, "max_tokens": 300}
    head |= {"model": {"name": "smollm2-135m-instruct"}, "run": {"id": f"cut{number:09d}"}}
    return output(**{"text/plain": text, "text/markdown": text, GENERATION_MIME: head})


def test_formulas_are_typeset_and_prices_are_not(either: Open, shot: Any) -> None:
    """N4 and N7"""
    page = either(notebook(LOAD, SAY, BARE))
    for cell in range(3):
        page.run(cell)
    for cell in (1, 2):
        out = page.output(cell)
        expect(out.locator("mjx-container")).to_have_count(2, timeout=20_000)
        text = out.inner_text()
        assert "It is $5. And" in text and "costs $7, or" in text and "Alice has $20 and Bob has $30" in text
    shot(page, "formulas")


def test_unfinished_answers_leave_the_kernel_alone(lab: Open, shot: Any) -> None:
    """A1: each asked without end, and x = 1 took a minute. N13: the text was said to be empty."""
    content = notebook(LOAD, "x = 1", *["pass"] * 4)
    for n in range(2, 6):
        content["cells"][n]["outputs"] = [unfinished(n)]
    page = lab(content)
    page.page.evaluate(
        """() => {
          window.asked = 0
          const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
          kernel.anyMessage.connect((_, { direction, msg }) => {
            if (direction === 'send' && msg.header.msg_type === 'comm_msg') window.asked++
          })
        }"""
    )
    page.run(0)
    page.page.wait_for_timeout(8000)
    page.run(1, timeout=5)
    page.page.wait_for_timeout(8000)
    assert page.page.evaluate("() => window.asked") <= 4 * 3 + 6
    for n in range(2, 6):
        expect(page.output(n)).to_contain_text("Once upon a time")
        expect(page.output(n)).not_to_contain_text("empty answer")
    shot(page, "unfinished")


def test_a_copy_has_branches_of_its_own(lab: Open) -> None:
    """N10: a branch of the copy was kept in the original."""
    page = lab(notebook(LOAD, "%%llm --tokens -n 24 -t 0\nWhy is the sky blue?"))
    page.run(0)
    page.run(1)
    keys = page.page.keyboard
    keys.press("Escape")
    keys.press("c")
    keys.press("v")
    copy = page.output(2)
    expect(copy.locator(".summary")).to_contain_text("24 tokens")
    copy.locator(".map").focus()
    keys.press("Home")
    for _ in range(4):
        keys.press("ArrowRight")
    copy.locator(".card [role=option]").nth(2).click()
    expect(copy.locator(".rail [role=option], .rail button, .rail li").first).to_be_visible(timeout=20_000)
    page.page.wait_for_timeout(1500)
    cells = page.saved()["cells"]
    assert [len(read_output(cells[n]["outputs"][-1]["data"]).branches) for n in (1, 2)] == [0, 1]


def test_two_notebooks_on_one_kernel(lab: Open) -> None:
    """N14: the second was told to load the extension, which did not help."""
    page = lab(notebook(LOAD, "%%llm --tokens -n 12 -t 0\nWhy is the sky blue?"))
    page.run(0)
    page.run(1)
    page.saved()
    second = page.file.with_name("second.ipynb")
    second.write_text(page.file.read_text())
    page.page.evaluate(
        """async () => {
          const app = window.jupyterapp
          const kernel = app.shell.currentWidget.sessionContext.session.kernel.model
          await app.commands.execute('docmanager:open', { path: 'second.ipynb', kernel })
        }"""
    )
    page.page.wait_for_timeout(3000)
    out = page.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell").nth(1)
    out.locator(".map").focus()
    keys = page.page.keyboard
    keys.press("Home")
    keys.press("ArrowRight")
    out.locator(".card [role=option]").nth(1).click()
    expect(out).to_contain_text("belongs to another notebook", timeout=5000)
