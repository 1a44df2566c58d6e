"""Answers as plain text and as Markdown. Nothing in a model's text becomes active."""

from __future__ import annotations

from ..core.records import Generation
from ..sanitize import printable, single_line
from .markdown import escaped, joined, to_safe_markdown


def stop_notice(generation: Generation) -> str:
    """Return a remark on an answer that is not complete; empty for one that is."""
    if generation.stop_reason == "interrupted":
        return f"— interrupted after {len(generation.tokens):,} tokens"
    if generation.stop_reason == "length" and len(generation.tokens) >= generation.options.max_tokens:
        return f"— stopped at max_tokens={generation.options.max_tokens}; raise it with -n"
    if generation.stop_reason == "length":
        return "— stopped: the context is full"
    return "" if generation.text.strip() else "— the model gave an empty answer"


def plain(generation: Generation, note: str = "") -> str:
    """Return the answer, with a last line that says so when it is not whole, and the note."""
    return "\n".join(filter(None, [printable(generation.text), stop_notice(generation), printable(note)]))


def markdown(generation: Generation, note: str = "") -> str:
    """Return the same as safe Markdown."""
    words = [f"*{escaped(single_line(word))}*" for word in (stop_notice(generation), note) if word]
    return joined(to_safe_markdown(generation.text), *words)
