"""The panel of models in JupyterLab and Notebook 7, the item of the status bar, and the server extension."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.server import Page, notebook, serve
from tests.browser.test_accessible import violations
from tests.browser.test_commands import from_palette

Open = Callable[..., Page]
ASK = "%%llm -t 0 -n 8\nWhy is the sky blue?"


def opened(page: Page) -> Any:
    from_palette(page, "Show Language Models")
    panel = page.page.get_by_role("region", name="Language models")
    expect(panel).to_be_visible()
    return panel


def section(panel: Any, title: str) -> Any:
    return panel.locator("details", has=panel.page.locator(f"h3:text-is('{title}')"))


def test_what_is_in_use_and_what_runs(either: Open, shot: Any) -> None:
    page = either(
        notebook("%load_ext llm_magics", ASK, "%%llm -n 3000 --fresh --raw -t 0\n1, 2, 3, 4, 5, 6,", "1")
    )
    page.run(0)
    panel = opened(page)
    in_use = section(panel, "In use")
    expect(in_use).to_contain_text("No model is loaded")
    page.run(1)
    expect(in_use).to_contain_text("SmolLM2 135M Instruct", timeout=20_000)
    for text in ("Apache-2.0", "weights", "tokens/s", "first token"):
        expect(in_use).to_contain_text(text)
    cache = section(panel, "In the cache")
    expect(cache).to_contain_text("· in use ·", timeout=20_000)
    expect(cache).to_contain_text("Cache of the kernel's machine")
    used = cache.get_by_role("listitem").filter(has_text="in use")  # the cache may hold others too
    expect(used).to_have_count(1)
    expect(used.get_by_role("button")).to_have_count(0)
    if page.client == "lab":
        item = page.page.locator("[aria-label^='Language model:']")
        expect(item).to_have_text(re.compile(r"smollm2-135m-instruct · \w+ · \d+ tokens/s"))
    # An answer runs, and is stopped here.
    running = section(panel, "Running")
    expect(running).to_contain_text("Nothing runs", timeout=20_000)  # the answer before is no longer shown
    page.run(2, wait=False)
    expect(running.get_by_role("progressbar")).to_be_visible(timeout=20_000)
    shot(page, "panel-running")
    # The focus stays where it is while the section is drawn again.
    stop = running.get_by_role("button", name="Stop: Answer")
    stop.focus()
    shown = running.inner_text()
    page.page.wait_for_timeout(2500)
    assert running.inner_text() != shown
    expect(stop).to_be_focused()
    page.page.keyboard.press("Enter")
    expect(running).to_contain_text("Nothing runs", timeout=20_000)
    expect(page.output(2)).to_contain_text("stopped", timeout=20_000)
    page.page.set_viewport_size({"width": 1100, "height": 900})
    page.page.wait_for_timeout(1500)
    shot(page, "panel")
    assert violations(page) == []


def test_the_cache_without_a_kernel(lab: Open, shot: Any) -> None:
    page = lab(notebook("1"), kernel=False)
    page.wait_for_kernel()
    page.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.page.locator(".jp-Notebook .cm-content").first.click()
    panel = opened(page)
    expect(section(panel, "In use")).to_contain_text("no running kernel")
    cache = section(panel, "In the cache")
    expect(cache).to_contain_text("Cache of the server's machine", timeout=20_000)
    expect(cache).to_contain_text("SmolLM2 135M Instruct")
    shot(page, "panel-no-kernel")
    # Delete asks; Escape keeps, and the focus is back at the row.
    row = cache.get_by_role("listitem").filter(has_text="SmolLM2 135M Instruct").first
    row.focus()
    page.page.keyboard.press("Delete")
    question = cache.get_by_role("alertdialog")
    expect(question).to_contain_text("is a download of")
    expect(question.get_by_role("button", name="Delete")).to_be_focused()
    assert violations(page) == []
    shot(page, "panel-delete")
    page.page.keyboard.press("Escape")
    expect(question).to_have_count(0)


def test_a_dark_panel(dark_lab: Open, shot: Any) -> None:
    page = dark_lab(notebook("%load_ext llm_magics", ASK))
    page.run(0)
    page.run(1)
    panel = opened(page)
    expect(section(panel, "In use")).to_contain_text("tokens/s", timeout=20_000)
    page.page.set_viewport_size({"width": 900, "height": 800})
    page.page.wait_for_timeout(500)
    shot(page, "panel-dark")
    assert violations(page) == []


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server with a token, as a user starts it."""
    folder = tmp_path_factory.mktemp("guarded")
    with serve(folder, token="secret") as address:
        yield address, folder


def status_of(address: str, path: str, method: str = "GET", **headers: str) -> int:
    request = urllib.request.Request(f"{address}/llm-magics/models{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_server_lists_and_deletes_for_its_user_only(guarded: tuple[str, Path]) -> None:
    address, folder = guarded
    token = {"Authorization": "token secret"}
    model = folder / ".home" / "models" / "toy" / "auto-7-0123456789abcdef"
    model.mkdir(parents=True)
    (model / "weights.bin").write_bytes(b"x" * 100)
    assert status_of(address, "") == 403
    assert status_of(address, "", **token) == 200
    for wrong in ("/../..", "/..%2F..", "/toy/other", "/toy", "/toy/auto-7-0123456789abcdef/weights.bin"):
        assert status_of(address, wrong, "DELETE", **token) in (403, 404, 405), wrong
    assert status_of(address, "/toy/auto-7-0123456789abcdef", "DELETE") == 403
    assert model.is_dir()
    assert status_of(address, "/toy/auto-7-0123456789abcdef", "DELETE", **token) == 204
    assert not model.exists()
