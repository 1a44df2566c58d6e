"""The pictures of the README: what is shown there is what a user sees. They are copied to docs/ when they
change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SHOTS
from tests.browser.server import Page, notebook
from tools.apng import animated

Open = Callable[..., Page]
ROOT = Path(__file__).parents[2]
LESSONS = {  # the cell that is shown of each
    "00_quickstart": 4,
    "01_magics": 5,
    "02_what_the_model_weighed": 2,
    "03_playground": 2,
    "04_inside": 5,
    "05_teach_it": 7,
}


def test_the_moving_picture(lab: Open) -> None:
    """Hover, click, branch."""
    page = lab(
        notebook("%load_ext llm_magics", "%%llm --tokens -n 48 -t 0.9 --seed 3\nWhy is the sky blue?"),
        viewport={"width": 860, "height": 640},
    )
    page.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    page.run(0)
    page.run(1)
    out, mouse = page.output(1), page.page.mouse
    expect(out.locator(".summary")).to_contain_text("48 tokens")
    box = page.page.locator(".jp-Notebook .jp-CodeCell").nth(1).bounding_box()
    frames: list[tuple[bytes, float]] = []

    def frame(seconds: float) -> None:
        clip = {"x": box["x"], "y": box["y"], "width": min(box["width"], 800), "height": 430}
        frames.append((page.page.screenshot(clip=clip), seconds))

    frame(1.5)
    word = out.locator(".text .t.s4, .text .t.s3").first
    spot = word.bounding_box()
    mouse.move(spot["x"] + 4, spot["y"] + 8)
    expect(out.locator(".card")).to_be_visible()
    page.page.wait_for_timeout(300)
    frame(2.0)
    word.click()
    choice = out.locator(".card .others .can").nth(1)
    expect(choice).to_be_visible()
    choice.hover()
    page.page.wait_for_timeout(200)
    frame(1.2)
    choice.click()
    for _ in range(3):
        page.page.wait_for_timeout(120)
        frame(0.2)
    expect(out.locator(".summary .dot")).to_have_count(0, timeout=30_000)
    mouse.move(5, 5)
    page.page.wait_for_timeout(300)
    frame(3.0)
    picture = animated(frames)
    (SHOTS / "hero.png").write_bytes(picture)
    assert len(picture) < 1_000_000
    assert picture.count(b"fcTL") == len(frames)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_picture_of_each_lesson(lab: Open, lesson: str) -> None:
    """From the outputs that the lesson's file holds, with no kernel."""
    content = json.loads((ROOT / "notebooks" / f"{lesson}.ipynb").read_text("utf-8"))
    content["cells"] = [content["cells"][0], content["cells"][LESSONS[lesson]]]
    size = {"width": 900, "height": 1100}
    page = lab(content, kernel=False, viewport=size, device_scale_factor=0.5)
    page.page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
    out = page.page.locator(".jp-Notebook .jp-CodeCell").first
    expect(out.locator("[data-llm-view]").first).to_be_visible(timeout=30_000)
    page.page.wait_for_timeout(1200)
    box = out.bounding_box()
    clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": min(box["height"], 480)}
    path = SHOTS / f"lesson-{lesson[:2]}.png"
    page.page.screenshot(path=path, clip=clip)
    assert path.stat().st_size > 2000
