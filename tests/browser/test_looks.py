"""Every saved view: nothing in it scrolls its output, and a change of theme leaves no old colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import opener
from tests.browser.notebooks import everything
from tests.browser.server import Page

Open = Callable[..., Page]

# Playwright hides scrollbars, and with them what a reader sees first.
OVERFLOW = """() => [...document.querySelectorAll('.jp-Notebook .jp-OutputArea-output')].map(each => [
  each.scrollHeight - each.clientHeight, each.scrollWidth - each.clientWidth, each.offsetHeight > 0])"""
CANVASES = """() => [...document.querySelectorAll('.jp-Notebook [data-llm-view]')].map(host => {
  const found = []
  const walk = root => {
    for (const each of root.querySelectorAll('*')) {
      if (each.shadowRoot) walk(each.shadowRoot)
      if (each instanceof HTMLCanvasElement) found.push(each.width && each.height ? each.toDataURL() : '')
    }
  }
  walk(host.shadowRoot)
  return found.join()
})"""


@pytest.fixture
def ordinary(chromium: Any, light: tuple[str, Path], request: pytest.FixtureRequest) -> Iterator[Open]:
    """JupyterLab in a browser with scrollbars."""
    from tools.browser import find_chromium

    browser = chromium.browser_type.launch(
        executable_path=find_chromium(), args=["--no-sandbox"], ignore_default_args=["--hide-scrollbars"]
    )
    yield from opener(browser, light, request.node.originalname, "lab")
    browser.close()


@pytest.mark.parametrize(("width", "zoom"), [(400, 1), (460, 1), (940, 1), (940, 2)])
def test_no_view_makes_its_output_scroll(ordinary: Open, width: int, zoom: int) -> None:
    content, names = everything()
    size = {"width": (width + 100) // zoom, "height": 12_000 // zoom}
    page = ordinary(content, kernel=False, viewport=size, device_scale_factor=zoom)
    page.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    for _ in range(20):  # a busy machine takes more than a moment
        page.page.wait_for_timeout(1500)
        sizes = page.page.evaluate(OVERFLOW)
        if len(sizes) == len(names) and all(size[2] for size in sizes):
            break
    assert len(sizes) == len(names)
    over = {name: size for name, size in zip(names, sizes, strict=True) if size[0] > 0 or size[1] > 0}
    assert not over and all(size[2] for size in sizes)


def test_a_change_of_theme_leaves_no_old_colours(lab: Open, shot: Any) -> None:
    content, names = everything()
    page = lab(content, kernel=False, viewport={"width": 1100, "height": 12_000})

    def painted() -> list[str]:
        # Every view is in the page, and nothing in it has changed for a while.
        before, same = None, 0
        for _ in range(60):
            page.page.wait_for_timeout(250)
            found: list[str] = page.page.evaluate(CANVASES)
            same = same + 1 if found == before and len(found) == len(names) and found[-1] else 0
            if same == 5:
                return found
            before = found
        raise AssertionError("the views do not come to rest")

    def theme(name: str) -> None:
        change = f"() => window.jupyterapp.commands.execute('apputils:change-theme', {{theme: '{name}'}})"
        page.page.evaluate(change)

    light = painted()
    assert sum(bool(each) for each in light) >= 3  # the strip, the lens and the attention
    shot(page, "looks-reopened")
    theme("JupyterLab Dark")
    switched = painted()
    shot(page, "looks-switched")
    page.page.reload()
    page.page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
    fresh = painted()
    theme("JupyterLab Light")
    back = painted()
    shot(page, "looks-back")
    assert switched == fresh and switched != light
    assert back == light
