"""Answers of a given form, and labels, in JupyterLab and Notebook 7."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.server import Page, notebook

Open = Callable[..., Page]
PERSON = """%load_ext llm_magics
from dataclasses import dataclass
from typing import Literal
@dataclass
class Person:
    name: str
    born: int
    city: str
    field: Literal["mathematics", "physics", "other"]"""
ASK = "Extract the person as JSON: Ada Lovelace, a mathematician, was born in London in 1815."


def test_a_schema_and_choices(either: Open, shot: Any) -> None:
    page = either(
        notebook(
            PERSON,
            f"%%llm --schema Person -o p -t 0 -n 120 --tokens\n{ASK}",
            "p",
            "%%llm --choices positive,negative,neutral -o label\nIs this review positive, negative or "
            "neutral? Answer in one word.\n\nGreat sound, but the left earbud died after two weeks.",
        )
    )
    for cell in range(4):
        page.run(cell)
    out = page.output(1)
    expect(out.locator(".summary")).to_contain_text("forced")
    assert out.locator(".t.forced").count() > 5
    expect(page.output(2)).to_contain_text("Person(name=")
    # The card of a chosen token: its share of what was allowed, and what was forbidden.
    out.locator(".t:not(.forced)").first.click()
    card = out.locator(".card")
    expect(card).to_contain_text("of what is allowed")
    expect(card).to_contain_text("forbidden by the schema")
    shot(page, "structured")
    page.page.keyboard.press("Escape")
    labels = page.output(3)
    expect(labels.locator(".line:not(.head)")).to_have_count(3)
    expect(labels.locator(".rest")).to_contain_text("of all that could follow")
    labels.locator(".line:not(.head)").first.click()
    expect(labels.locator(".details .piece").first).to_be_visible()
    shot(page, "choices")


def test_an_answer_that_is_cut_off_in_the_dark(dark_lab: Open, shot: Any) -> None:
    page = dark_lab(notebook(PERSON, f"%%llm --schema Person -t 0 -n 12\n{ASK}"))
    page.run(0)
    page.run(1)
    out = page.output(1)
    expect(out.locator(".what")).to_contain_text("IncompleteAnswer")
    expect(out.locator(".what")).to_contain_text("inside a value")
    expect(out.locator("li code")).to_contain_text("-n")
    shot(page, "structured-dark")
