"""Runs over rows in JupyterLab and Notebook 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Page, notebook

Open = Callable[..., Page]
TABLE = """%load_ext llm_magics
import pandas as pd
good = ["I love it", "Works well", "Great sound", "Very happy with it"]
bad = ["It broke", "Terrible sound", "I want my money back", "Does not work"]
both = [("positive", good), ("negative", bad)]
rows = [(f"{text}, order {n}", label) for n in range(12) for label, texts in both for text in texts]
df = pd.DataFrame(rows, columns=["review", "truth"])
df.loc[5, "review"] = None"""
CELL = (
    "%%llm --map df.review -o df.label --choices positive,negative --truth df.truth\n"
    "Is this review positive or negative? Answer in one word.\n\n{review}"
)


def test_labels_of_a_column(either: Open, shot: Any) -> None:
    page = either(notebook(TABLE, CELL, "df.head(3)"))
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    expect(out.get_by_role("progressbar")).to_be_visible(timeout=60_000)
    expect(out.locator(".title")).to_contain_text("Answered", timeout=90_000)
    expect(out.locator(".progress")).to_contain_text("96 of 96 rows")
    expect(out.locator(".label")).to_have_count(2)
    expect(out.locator(".big")).to_contain_text("%")
    expect(out.locator(".confusion tbody tr")).to_have_count(2)
    assert out.locator(".plot .point").count() >= 1
    expect(out.get_by_text("a prompt must be a string")).to_be_visible()
    page.run(2)
    expect(page.output(2)).to_contain_text("label_p")
    shot(page, "rows")
    page.saved()
    page.shut()
    page.page.reload()
    expect(page.output(1).locator(".big")).to_contain_text("%")


def test_a_run_is_stopped_and_goes_on(dark_lab: Open, shot: Any) -> None:
    page = dark_lab(
        notebook(
            "%load_ext llm_magics\ntexts = [f'word {n}' for n in range(400)]\n"
            "%config LLMMagics.keep_answers = True",
            "%%llm --map texts -o out -t 0 -n 30\nSay something about {row}.",
        )
    )
    page.run(0)
    page.run(1, wait=False)
    out = page.output(1)
    expect(out.get_by_role("progressbar")).to_be_visible(timeout=60_000)
    page.page.wait_for_timeout(2500)
    out.get_by_role("button", name="Stop and keep").click()
    expect(out.locator(".title")).to_contain_text("run the cell again to continue", timeout=20_000)
    done = int(out.get_by_role("progressbar").get_attribute("aria-valuenow") or 0)
    assert 0 < done < 400
    shot(page, "rows-stopped")
    page.run(1, wait=False)
    # What is finished comes from the journal: the run goes on behind it.
    expect(out.locator(".title")).to_contain_text("Answering", timeout=20_000)
    for _ in range(100):
        again = int(out.get_by_role("progressbar").get_attribute("aria-valuenow") or 0)
        if again > done:
            break
        page.page.wait_for_timeout(200)
    assert again > done
    out.get_by_role("button", name="Stop and keep").click()
    expect(out.locator(".title")).to_contain_text("run the cell again to continue", timeout=20_000)
