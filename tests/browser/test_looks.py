"""Every saved view: nothing in it scrolls its output, and a change of theme leaves no old colours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_magics import Alternative, Generation, ModelInfo, Token
from llm_magics.views import tuning
from llm_magics.views.bundle import tokens_bundle
from llm_magics.views.picture import MIME
from tests import pictures
from tests.browser.conftest import opener
from tests.browser.server import Page, notebook
from tests.browser.test_inside import saved
from tests.unit.test_tuning_cell import record as a_run

Open = Callable[..., Page]

# Playwright hides scrollbars, and with them what a reader sees first.
OVERFLOW = """() => [...document.querySelectorAll('.jp-Notebook .jp-OutputArea-output')].map(each => [
  each.scrollHeight - each.clientHeight, each.scrollWidth - each.clientWidth, each.offsetHeight > 0])"""
CANVASES = """() => [...document.querySelectorAll('[data-llm-view]')].map(host => {
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


def answer() -> dict[str, Any]:
    words = ["once", "upon", "a", "time", "a", "fox", "went", "into", "the", "very", "old", "wood"]
    tokens = tuple(
        Token(
            n, f"{word} ", -0.2 * (n % 9), 1.0, 0, (Alternative(n, word, -0.2), Alternative(99, " an", -2.0))
        )
        for n, word in enumerate(words * 4)
    )
    text = "".join(token.text for token in tokens)
    return tokens_bundle(Generation(text, tokens, "length", "Tell a story.", model=ModelInfo("tiny")))


def everything() -> tuple[dict[str, Any], list[str]]:
    """A notebook with an output of every kind, none of them made by a kernel."""
    kinds = list(pictures.KINDS)
    content = saved(kinds)
    more = {"tuning": tuning.tuning_bundle(a_run(rising=True)), "answer": answer()}
    for name, bundle in more.items():
        cell = notebook(name)["cells"][0] | {"id": name}
        cell["outputs"] = [{"output_type": "display_data", "data": bundle, "metadata": {}}]
        content["cells"].append(cell)
    assert all(MIME in cell["outputs"][0]["data"] for cell in content["cells"][1 : len(kinds) + 1])
    return content, [*kinds, *more]


@pytest.fixture
def ordinary(chromium: Any, light: tuple[str, Path], request: pytest.FixtureRequest) -> Iterator[Open]:
    """JupyterLab in a browser with scrollbars."""
    from tools.browser import found

    browser = chromium.browser_type.launch(
        executable_path=found(), args=["--no-sandbox"], ignore_default_args=["--hide-scrollbars"]
    )
    yield from opener(browser, light, request.node.originalname, "lab")
    browser.close()


@pytest.mark.parametrize(("width", "zoom"), [(400, 1), (460, 1), (940, 1), (940, 2)])
def test_no_view_makes_its_output_scroll(ordinary: Open, width: int, zoom: int) -> None:
    content, names = everything()
    size = {"width": (width + 100) // zoom, "height": 9000 // zoom}
    page = ordinary(content, kernel=False, viewport=size, device_scale_factor=zoom)
    page.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.page.wait_for_timeout(1500)
    sizes = page.page.evaluate(OVERFLOW)
    assert len(sizes) == len(names)
    over = {name: size for name, size in zip(names, sizes, strict=True) if size[0] > 0 or size[1] > 0}
    assert not over and all(size[2] for size in sizes)


def test_a_change_of_theme_leaves_no_old_colours(lab: Open, shot: Any) -> None:
    content, names = everything()
    page = lab(content, kernel=False, viewport={"width": 1100, "height": 9000})

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
