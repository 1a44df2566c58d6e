"""JupyterLab and Notebook 7 in Chromium. Screenshots go to build/screenshots."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.server import CLIENTS, Page, serve
from tools.browser import find_chromium

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
Open = Callable[..., Page]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = find_chromium()
    assert path, "there is no Chromium: run tools/browser.py"
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def light(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("light")
    with serve(folder) as address:
        yield address, folder


@pytest.fixture(scope="session")
def dark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("dark")
    with serve(folder, dark=True) as address:
        yield address, folder


def opener(
    chromium: Any, server: tuple[str, Path], name: str, client: str
) -> Iterator[Callable[[dict[str, Any]], Page]]:
    address, folder = server
    contexts: list[Any] = []
    pages: list[Page] = []

    def open(content: dict[str, Any], *, kernel: bool = True, **options: Any) -> Page:
        file = f"{name}-{client}-{len(pages)}.ipynb"
        (folder / file).write_text(json.dumps(content))
        # High enough for every cell: a notebook takes those out of the page that cannot be seen.
        size = {"viewport": {"width": 1100, "height": 1700}, **options}
        contexts.append(chromium.new_context(**size))
        page = Page(contexts[-1].new_page(), address, client)
        page.file = folder / file
        pages.append(page.open(file))
        if kernel:
            page.wait_for_kernel()
        return page

    yield open
    for page in pages:
        page.shut()
    for context in contexts:
        context.close()
    assert not [error for page in pages for error in page.errors]


@pytest.fixture(params=list(CLIENTS))
def either(
    request: pytest.FixtureRequest, chromium: Any, light: tuple[str, Path]
) -> Iterator[Callable[..., Page]]:
    """Open a notebook in JupyterLab, and in Notebook 7."""
    yield from opener(chromium, light, request.node.originalname, request.param)


@pytest.fixture
def lab(request: pytest.FixtureRequest, chromium: Any, light: tuple[str, Path]) -> Iterator[Open]:
    """Open a notebook in JupyterLab."""
    yield from opener(chromium, light, request.node.originalname, "lab")


@pytest.fixture
def dark_lab(request: pytest.FixtureRequest, chromium: Any, dark: tuple[str, Path]) -> Iterator[Open]:
    yield from opener(chromium, dark, request.node.originalname, "lab")


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Keep a picture, to be looked at."""

    def take(page: Page, name: str) -> None:
        page.page.screenshot(path=SHOTS / f"{name}-{page.client}.png")

    return take
