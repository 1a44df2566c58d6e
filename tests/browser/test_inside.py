"""The views of the inside in JupyterLab and Notebook 7: what is chosen, what is asked on, what is saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from llm_magics.views.mime import INSPECTION_MIME
from tests.browser.notebooks import LOAD, saved
from tests.browser.server import Page, notebook
from tests.support import pictures

Open = Callable[..., Page]
TEXT = "The capital of France is Paris. The capital of Italy is"
ANSWER = "%%llm -t 1 --seed 3 -n 24 -o answer\nName some cities."


def view(out: Any) -> Any:
    return out.locator(".llm-magics-inside")


def test_the_lens_and_attention_are_steered(either: Open, shot: Any) -> None:
    page = either(notebook(LOAD, f"%llm logit_lens {TEXT}", f"%llm attention {TEXT}"))
    for n in range(3):
        page.run(n)
    lens = view(page.output(1))
    expect(lens.locator(".say")).to_contain_text("after layer 30, at ␣is (12), it would say ␣Rome")
    lens.locator("input[aria-label=Layer]").fill("28")
    expect(lens.locator(".say")).to_contain_text("after layer 28")
    expect(lens.locator(".labels .on")).to_have_text("28")
    lens.locator(".grid").press("ArrowLeft")
    expect(lens.locator(".say")).to_contain_text("at ␣Italy (11)")
    lens.locator(".grid").press("Enter")
    expect(lens.locator(".ten li")).to_have_count(10)
    heads = view(page.output(2))
    heads.locator("canvas[data-layer='17'][data-head='5']").click()
    expect(heads.locator("h3")).to_have_text("Layer 18, head 6")
    expect(heads.locator(".say")).to_contain_text("looks at ␣Paris (6) most")
    heads.locator(".sheet").press("ArrowRight")
    expect(heads.locator("h3")).to_have_text("Layer 19, head 6")
    shot(page, "inside-lens-attention")


def test_compare_and_replay(either: Open, shot: Any) -> None:
    page = either(notebook(LOAD, ANSWER, "%llm compare --precision fp32", "%llm replay answer"))
    for n in range(4):
        page.run(n, timeout=180)
    compare = view(page.output(2))
    expect(compare.locator(".foot")).to_contain_text("the same text read by both")
    before = compare.locator(".mean").text_content() or ""
    compare.get_by_role("button", name="swap").click()
    expect(compare.locator(".mean")).not_to_have_text(before)
    compare.locator(".text").press("n")
    expect(compare.locator(".text .at")).to_have_count(1)
    replay = view(page.output(3))
    expect(replay.locator(".foot")).not_to_contain_text("not exact")
    replay.locator("input[aria-label='top-k']").fill("0")
    expect(replay.locator(".foot")).to_contain_text("0 of", timeout=10_000)
    expect(replay.locator(".foot")).to_contain_text("other tokens, the first at")
    shot(page, "inside-compare-replay")
    replay.locator(".strip").press("n")
    replay.get_by_role("button", name="Go on with").click()
    expect(view(page.output(3)).locator(".foot")).to_have_count(2, timeout=30_000)
    replay.locator(".strip").first.press("r")
    expect(replay.locator(".foot").first).not_to_contain_text("other tokens")


def test_tree_probe_and_tokenizers_ask_the_kernel(either: Open, shot: Any) -> None:
    cells = [
        LOAD,
        "%llm sample_tree --samples 6 -n 6 The best way to learn a language is",
        "%llm probe The capital of France is ⇒ Paris | Lyon",
        "%llm tokenize Straßenbahn in Zürich",
        f"%llm attribution --against ' Paris' {TEXT}",
        f"%llm track --track ' Rome' --track ' Paris' {TEXT}",
        "%llm memorization --prompt-tokens 8 We hold these truths to be self-evident, that all men are "
        "created equal",
    ]
    page = either(notebook(*cells))
    for n in range(len(cells)):
        page.run(n)
    tree = view(page.output(1))
    first = tree.locator(".told").text_content() or ""
    tree.locator(".wood rect.thin[role=treeitem]").last.click()
    expect(tree.locator(".told")).not_to_have_text(first)
    tree.get_by_role("button", name="6 more").click()
    expect(tree.locator(".foot")).to_contain_text("12 samples", timeout=30_000)
    probe = view(page.output(2))
    expect(probe.locator(".line:not(.head)")).to_have_count(2)
    probe.get_by_label("Another string").fill(" London")
    probe.get_by_label("Another string").press("Enter")
    expect(probe.locator(".line:not(.head)")).to_have_count(3, timeout=20_000)
    cut = view(page.output(3))
    cut.locator(".text span").first.click()
    expect(cut.locator(".detail")).to_contain_text("Stra")
    expect(view(page.output(4)).locator(".why")).to_contain_text("and not ␣Paris")
    expect(view(page.output(5)).locator("tr")).to_have_count(3)
    expect(view(page.output(6)).locator(".lead")).to_contain_text("word for word for")
    shot(page, "inside-others")
    kept = page.saved()["cells"]
    assert kept[2]["outputs"][0]["data"][INSPECTION_MIME]["view"] == "probe"
    assert "London" in "".join(kept[2]["outputs"][0]["data"]["text/plain"])


def test_the_walk_by_keyboard(either: Open, shot: Any) -> None:
    page = either(notebook(LOAD, f"%llm walkthrough -t 1.2 --top-k 12 --top-p 0.9 {TEXT}"))
    page.run(0)
    page.run(1)
    walk = view(page.output(1))
    main = walk.locator("[aria-label='the walk']")
    main.focus()
    for n, name in enumerate(("Pieces", "Vectors", "Attention", "Layers", "Scores", "Cut", "Dice")):
        expect(walk.locator(".path .now b")).to_have_text(name)
        if n < 6:
            page.page.keyboard.press("ArrowRight")
    expect(walk.locator(".one")).to_contain_text("0.637 lies in the piece of ␣Rome")
    page.page.keyboard.press("ArrowRight")
    expect(walk.locator(".foot").first).to_contain_text("token 2 of 4")
    page.page.keyboard.press(",")
    page.page.keyboard.press("ArrowRight")
    page.page.keyboard.press("ArrowRight")
    shot(page, "inside-walk")
    page.page.keyboard.press("Enter")
    below = view(page.output(1)).locator(".sheet")
    expect(below).to_be_visible(timeout=30_000)
    shot(page, "inside-walk-attention")


def test_an_answer_is_looked_into_from_its_strip(lab: Open, shot: Any) -> None:
    page = lab(notebook(LOAD, ANSWER.replace("-n 24", "-n 6 --tokens")))
    page.run(0)
    page.run(1)
    out = page.output(1)
    out.get_by_label("More").click()
    out.get_by_role("menuitem", name="Lens").click()
    expect(out.locator(".llm-magics-below .grid")).to_be_visible(timeout=30_000)
    out.locator(".llm-magics-below").get_by_role("button", name="Close").click()
    expect(out.locator(".llm-magics-below")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_saved_views_need_no_kernel(lab: Open, dark_lab: Open, shot: Any, theme: str) -> None:
    kinds = list(pictures.KINDS)
    page = (lab if theme == "light" else dark_lab)(
        saved(kinds), kernel=False, viewport={"width": 1100, "height": 12_000}
    )
    for n, kind in enumerate(kinds, 1):
        shown = view(page.output(n))
        expect(shown.locator(".foot").first).to_be_visible()
        assert shown.locator(".banner").count() == 0, kind
    at = {kind: n for n, kind in enumerate(kinds, 1)}
    view(page.output(at["lens"])).locator("input[aria-label=Layer]").fill("1")
    expect(view(page.output(at["lens"])).locator(".say")).to_contain_text("after layer 1")
    walk = view(page.output(at["walk"]))
    walk.get_by_role("button", name="Next").click()
    expect(walk.locator(".path .now b")).to_have_text("Vectors")
    shot(page, f"inside-saved-{theme}")


def test_hostile_texts_in_every_view(lab: Open) -> None:
    texts = json.loads((pictures.GOLDEN.parent / "hostile_texts.json").read_text("utf-8"))
    worst = "".join(text[:200] for text in texts)[:4000]
    kinds = list(pictures.KINDS)
    page = lab(saved(kinds, worst), kernel=False, viewport={"width": 1100, "height": 12_000})
    dialogs: list[str] = []
    page.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for n, kind in reversed(list(enumerate(kinds, 1))):  # a fix puts a cell below
        shown = view(page.output(n))
        expect(shown.locator(".foot").first).to_be_visible()
        assert shown.locator("script, iframe, object, img, [onerror], [onclick]").count() == 0, kind
        buttons = shown.locator("button:enabled:visible")
        for n in range(min(buttons.count(), 6)):
            if n < buttons.count():
                buttons.nth(n).click()
    assert not dialogs
