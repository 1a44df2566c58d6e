"""The oldest JupyterLab that is supported, and the theme with high contrast."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SHOTS
from tests.browser.notebooks import everything
from tests.browser.server import Page, notebook, serve
from tests.browser.test_accessible import violations
from tests.browser.test_commands import from_palette
from tests.browser.test_panel import section

LAB44 = Path(__file__).parents[2] / ".venvs" / "lab44" / "bin" / "python"


def opened(chromium: Any, address: str, folder: Path, content: dict[str, Any], name: str) -> Page:
    (folder / name).write_text(json.dumps(content))
    page = Page(chromium.new_context(viewport={"width": 1200, "height": 1400}).new_page(), address, "lab")
    return page.open(name)


@pytest.fixture
def lab44(chromium: Any, tmp_path: Path) -> Iterator[Any]:
    """JupyterLab 4.4, in an environment of its own: tools/lab44.py."""
    pages: list[Page] = []
    with serve(tmp_path, python=str(LAB44)) as address:

        def open(content: dict[str, Any]) -> Page:
            pages.append(opened(chromium, address, tmp_path, content, "old.ipynb"))
            pages[-1].wait_for_kernel()
            return pages[-1]

        yield open
        for page in pages:
            page.shut()
            page.page.context.close()
    assert not [error for page in pages for error in page.errors]


def test_everything_works_in_jupyterlab_44(lab44: Any) -> None:
    ask = "%%llm --tokens -t 0 -n 12\nWhy is the sky blue?"
    page = lab44(notebook("%load_ext llm_magics", ask, "%llm logit_lens The sky is", "# 1, 2, 3, 4, 5, 6,"))
    version = page.page.evaluate("() => window.jupyterapp.version")
    assert version.startswith("4.4."), version
    expect(page.page.locator(".cm-lineWrapping").first).to_be_visible(timeout=20_000)  # a prompt is prose
    for cell in range(3):
        page.run(cell)
    expect(page.output(1).locator(".summary")).to_contain_text("12 tokens", timeout=20_000)
    expect(page.output(2).locator(".say")).to_contain_text("after layer", timeout=30_000)
    from_palette(page, "Show Language Models")
    panel = page.page.get_by_role("region", name="Language models")
    expect(section(panel, "In use")).to_contain_text("tokens/s", timeout=20_000)
    from_palette(page, "Turn Ghost Text On")
    page.page.locator(".jp-Notebook .jp-CodeCell").nth(3).locator(".cm-content").click()
    page.page.keyboard.press("End")
    page.page.keyboard.type(" 7,")
    expect(page.page.locator(".jp-GhostText")).to_contain_text(re.compile("8"), timeout=20_000)


def test_high_contrast(chromium: Any, tmp_path: Path) -> None:
    with serve(tmp_path, theme="JupyterLab Dark High Contrast") as address:
        page = opened(chromium, address, tmp_path, everything()[0], "contrast.ipynb")
        page.page.set_viewport_size({"width": 1200, "height": 12_000})
        expect(page.page.locator("[data-llm-view]").nth(10)).to_be_attached(timeout=30_000)
        page.page.wait_for_timeout(2000)
        page.page.screenshot(path=SHOTS / "high-contrast-lab.png")
        theme = page.page.evaluate("() => document.body.dataset.jpThemeName")
        assert theme == "JupyterLab Dark High Contrast"
        bad = violations(page)
        assert not bad, "\n".join(bad)
        page.shut()
        page.page.context.close()
