"""Texts that would like to be something else stay text: in the strip, the playground and the fallback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Page, notebook

TEXTS = Path(__file__).parents[1] / "hostile_texts.json"
# A cell shows at most 50 outputs.
READ = f"""
import json
import llm_magics as lm
from llm_magics import Generation, Token, Alternative, ModelInfo
from llm_magics.views.bundle import tokens_bundle
from IPython.display import display
records = []
texts = json.load(open({str(TEXTS)!r})) + ["a" * 100_000]
for text in texts:
    tokens = tuple(
        Token(n, text, -3.0 * n, 1.0, n, (Alternative(n, text, -3.0 * n), Alternative(9, text, -1.0)))
        for n in range(2)
    )
    model = ModelInfo(text[:200], license=text[:200])
    records.append(Generation(text * 2, tokens, "length", text, model=model))
"""
STRIPS = "for record in records: display(lm.show_tokens(record))"
KINDS = [
    "for record in records: display({kind: tokens_bundle(record)[kind]}, raw=True)".replace(
        "kind", repr(kind)
    )
    for kind in ("text/html", "text/markdown")
]
PLAY = "%llm playground"


def test_hostile_texts(lab: Callable[..., Page], shot: Any) -> None:
    page = lab(
        notebook("%load_ext llm_magics", READ, STRIPS, *KINDS, PLAY), viewport={"width": 1100, "height": 1700}
    )
    dialogs: list[str] = []
    page.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.run(0)
    page.run(1)
    page.run(2)
    out = page.output(2)
    texts = json.loads(TEXTS.read_text("utf-8"))
    expect(out.locator(".llm-magics-record")).to_have_count(len(texts) + 1)
    for n in range(0, len(texts) + 1, 5):
        view = out.locator(".llm-magics-record").nth(n)
        view.scroll_into_view_if_needed()
        expect(view.locator(".text")).to_be_visible()
        view.locator(".t").first.hover()
        view.locator(".segments button").first.click()
    page.page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-cell-output')")
    page.page.keyboard.press("Escape")
    for cell in (3, 4):
        page.run(cell)
    active = "script, iframe, object, embed, form[action], link, meta, [onerror], [onload], [onclick]"
    expect(page.page.locator(".jp-RenderedHTMLCommon").first).to_be_attached()
    assert page.page.locator(".jp-RenderedHTMLCommon").locator(active).count() == 0
    page.page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    assert not dialogs

    page.run(5)
    play = page.output(5)
    play.get_by_label("max tokens, number").fill("2")
    play.get_by_label("max tokens, number").press("Tab")
    for n, text in enumerate(texts[:4] + texts[21:22]):
        play.get_by_label("Prompt", exact=True).fill(text)
        play.get_by_label("Prompt", exact=True).press("Shift+Enter")
        expect(play.locator(".asked").nth(n)).to_be_visible(timeout=20_000)
        expect(play.get_by_role("button", name="Send")).to_be_visible(timeout=20_000)
    asked = play.locator(".asked").all_inner_texts()
    assert asked[:4] == texts[:4] and "\u202e" not in asked[4]
    shot(page, "hostile")
    assert not dialogs
