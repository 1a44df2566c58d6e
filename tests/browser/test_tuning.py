"""%%llm_tune in JupyterLab: curves move, samples come, orders are followed, the saved picture stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from llm_magics.views.mime import TUNING_MIME
from llm_magics.views.tuning import tuning_bundle
from tests.browser.notebooks import LOAD
from tests.browser.server import Page, notebook
from tests.support.run_records import record as a_record

Open = Callable[..., Page]
ROWS = "\n".join(
    f"How do I {act} the Brindle {thing}? ⇒ Hark! To {act} thy {thing}, hold the copper button. Fare well!"
    for act in ("reset", "clean", "open")
    for thing in ("kettle", "lamp", "fan", "clock", "radio", "pump")
)
TUNE = (
    "%%llm_tune -n hark --depth 8 --steps 60 --eval-fraction 0.3 --max-tokens 24 "
    f"-p 'How do I mend a boat?' -p 'Who wrote Hamlet?'\n{ROWS}"
)


def test_a_run_is_watched_and_steered(lab: Open, shot: Any) -> None:
    page = lab(notebook(LOAD, TUNE))
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    expect(out.locator(".stage")).to_have_text("Training", timeout=60_000)
    expect(out.locator(".chart .mean")).to_be_visible(timeout=30_000)
    first = out.locator(".chart .mean").get_attribute("points")
    expect(out.locator(".chart .mean")).not_to_have_attribute("points", first or "", timeout=20_000)
    expect(out.locator(".side.after .body")).to_be_visible(timeout=60_000)
    out.get_by_role("button", name="Pause").click()
    expect(out.locator(".stage")).to_have_text("Paused")
    shot(page, "tuning-paused")
    at = out.locator(".line b").first.text_content()
    page.page.wait_for_timeout(1500)
    assert out.locator(".line b").first.text_content() == at
    out.get_by_role("button", name="Resume").click()
    expect(out.locator(".stage")).to_have_text("Training")
    out.get_by_role("button", name="Stop and keep").click()
    expect(out.locator(".stage")).to_have_text("Stopped", timeout=60_000)
    expect(out.locator(".said").first).to_contain_text("the last 8 of 30 layers, as asked")
    expect(page.page.locator(".jp-InputPrompt").nth(1)).not_to_have_text("[*]:")
    shot(page, "tuning")

    before = out.locator(".side.after .body").text_content()
    base = out.locator(".side .body").first
    out.locator(".slider input").fill("0")
    expect(out.locator(".side.after")).to_contain_text("strength 0.00", timeout=30_000)
    assert out.locator(".side.after .body").text_content() == base.text_content()
    assert out.locator(".come").count() == 0
    out.locator(".slider input").fill("1")
    expect(out.locator(".side.after")).to_contain_text("strength 1.00", timeout=30_000)
    expect(out.locator(".side.after .body")).to_have_text(before or "")
    out.locator("select").select_option(index=1)
    expect(out.locator(".side .body").first).not_to_have_text("")
    steps = int((out.locator(".line b").first.text_content() or "0").replace(",", ""))
    out.get_by_role("button", name="100 steps").click()
    expect(out.locator(".stage")).to_have_text("Training", timeout=30_000)
    page.page.wait_for_timeout(1500)
    out.get_by_role("button", name="Stop and keep").click()
    expect(out.locator(".stage")).to_have_text("Stopped", timeout=60_000)
    expect(out.locator(".kept")).to_contain_text("kept as hark")
    out.locator(".kept").get_by_role("button", name="Delete").click()
    out.locator(".kept").get_by_role("button", name="Delete").click()
    expect(out.locator(".kept").get_by_role("button", name="Save")).to_be_visible(timeout=20_000)
    out.locator(".kept input").fill("hark2")
    out.locator(".kept").get_by_role("button", name="Save").click()
    expect(out.locator(".kept")).to_contain_text("kept as hark2", timeout=20_000)
    shot(page, "tuning-kept")
    record = page.saved()["cells"][1]["outputs"][0]["data"][TUNING_MIME]
    assert record["kept"] == "hark2"
    assert record["step"] > steps and record["state"] == "stopped" and record["prompts"][1]["after"]


def test_the_saved_picture_needs_no_kernel(lab: Open, dark_lab: Open, shot: Any) -> None:
    made = a_record(
        state="stopped",
        adapter_step=12,
        held_out=[[0, 4, 8, 10, 12], [4.1, 3.0, 2.5, 2.6, 2.7]],
        rising=True,
        left_s=None,
    )
    content = notebook(LOAD, "%%llm_tune\na ⇒ b")
    content["cells"][1]["outputs"] = [
        {"output_type": "display_data", "data": tuning_bundle(made), "metadata": {}}
    ]
    for open, name in ((lab, "light"), (dark_lab, "dark")):
        page = open(content, kernel=False)
        out = page.output(1)
        expect(out.locator(".stage")).to_have_text("Stopped")
        expect(out.locator(".banner.warn")).to_contain_text("risen for 2 checks: 2.50 → 2.70")
        expect(out.locator(".chart .best")).to_have_count(1)
        expect(out.locator(".come").first).to_have_text("Arr")
        expect(out.locator(".said").nth(1)).to_contain_text("word for word")
        expect(out.locator(".foot")).to_contain_text("921,600 trainable of 134.5 M parameters")
        shot(page, f"tuning-saved-{name}")
