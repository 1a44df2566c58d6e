"""Texts that would like to be something else stay text: in the strip, the playground and the fallback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Page, notebook

TEXTS = Path(__file__).parents[1] / "hostile_texts.json"
SHOW = f"""
import json
import llm_magics as lm
from llm_magics import Generation, Token, Alternative, ModelInfo
from llm_magics.views.bundle import tokens_bundle
from IPython.display import display
texts = json.load(open({str(TEXTS)!r})) + ["a" * 100_000]
for text in texts:
    tokens = tuple(
        Token(n, text, -3.0 * n, 1.0, n, (Alternative(n, text, -3.0 * n), Alternative(9, text, -1.0)))
        for n in range(2)
    )
    record = Generation(text * 2, tokens, "length", text, model=ModelInfo(text[:200], licence=text[:200]))
    display(lm.tokens(record))
    bundle = tokens_bundle(record)
    display({{"text/html": bundle["text/html"]}}, raw=True)
    display({{"text/markdown": bundle["text/markdown"]}}, raw=True)
"""
PLAY = "%llm playground"


def test_hostile_texts(lab: Callable[..., Page], shot: Any) -> None:
    page = lab(notebook("%load_ext llm_magics", SHOW, PLAY), viewport={"width": 1100, "height": 1700})
    dialogs: list[str] = []
    page.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.run(0)
    page.run(1)
    out = page.output(1)
    texts = json.loads(TEXTS.read_text("utf-8"))
    expect(out.locator(".llm-magics-record")).to_have_count(len(texts) + 1)
    for n in range(0, len(texts) + 1, 5):
        view = out.locator(".llm-magics-record").nth(n)
        view.scroll_into_view_if_needed()
        expect(view.locator(".text")).to_be_visible()
        view.locator(".t").first.hover()
        view.locator(".segments button").first.click()
    active = "script, iframe, object, embed, form[action], link, meta, [onerror], [onload], [onclick]"
    assert out.locator(".jp-RenderedHTMLCommon").locator(active).count() == 0
    assert not dialogs

    page.run(2)
    play = page.output(2)
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
