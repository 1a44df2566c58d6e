"""Every error says what is wrong, and its hint is a sentence that says what to do."""

from __future__ import annotations

import re

import pytest

from llm_magics import errors
from tools import messages

ALL = sorted(set(messages.messages()))
HINTS = sorted({hint for _, _, hint in ALL if hint})
# A hint begins with one of these, or is a question ("Did you mean …?").
# fmt: off
VERBS = {
    "Accept", "Add", "Ask", "Branch", "Build", "Call", "Change", "Check", "Choose", "Clear",
    "Close", "Compare", "Connect", "Convert", "Copy", "Correct", "Delete", "Did", "Download", "Drop",
    "Encode", "Export", "Free", "Generate", "Load", "Make", "Merge", "Name", "Omit", "Pass",
    "Probe", "Put", "Quote", "Reload", "Remove", "Repair", "Restart", "Run", "Save", "Set",
    "Shorten", "Start", "Train", "Try", "Unset", "Upgrade", "Use", "Wait", "Write",
}
# fmt: on
# Words of our own, and wordings that a reader of the field does not understand.
BANNED = re.compile(
    r"\b(whose|beside|is no [A-Z]|are none|is none|to be had|apart from the model|go(es)? on|anew|looked at|"
    r"fetch(ed)?|weighed|learnt|the field's)\b"
)


def test_there_are_messages() -> None:
    assert len(ALL) > 250 and len(HINTS) > 150


@pytest.mark.parametrize("hint", HINTS)
def test_a_hint_is_a_sentence_that_says_what_to_do(hint: str) -> None:
    first = (hint.split() or [""])[0].strip(",")
    assert hint.startswith("{…}") or first in VERBS, hint
    assert hint.endswith((".", "?", "!", "…", "}")), hint


def test_no_message_has_a_word_of_our_own() -> None:
    assert not [(message, hint) for _, message, hint in ALL if BANNED.search(f"{message} {hint}")]


def test_files_are_downloaded_again_only_where_bytes_are_damaged() -> None:
    for file, message, hint in ALL:
        if hint == errors.REDOWNLOAD:
            assert re.search(r"damaged|cannot be (read|used)|fails", message), (file, message)


def test_the_list_of_messages_was_reviewed() -> None:
    """A change of a message changes the list, which the commit shows."""
    assert messages.LIST.read_text("utf-8") == messages.listing(), "run: python tools/messages.py"
