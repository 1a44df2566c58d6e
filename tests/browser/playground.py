"""What a user does in the playground."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect


def ask(out: Any, text: str) -> None:
    prompt = out.get_by_label("Prompt", exact=True)
    prompt.fill(text)
    prompt.press("Shift+Enter")


def answered(out: Any, number: int) -> Any:
    """The strip of an answer, when it is done."""
    turn = out.locator(".turn").nth(number)
    expect(turn.locator(".summary")).to_contain_text("perplexity", timeout=30_000)
    expect(out.get_by_role("button", name="Send")).to_be_visible(timeout=30_000)
    expect(turn.locator(".summary")).not_to_contain_text("at most")
    return turn
