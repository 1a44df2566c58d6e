"""Answers as plain text and as Markdown. Nothing in a model's text becomes active."""

from __future__ import annotations

from ..clean import line, printable
from ..core.records import Generation
from .markdown import escaped, joined, safe


def ending(generation: Generation) -> str:
    """A word on an answer that is not whole; nothing on one that is."""
    if generation.stop_reason == "interrupted":
        return f"— interrupted after {len(generation.tokens):,} tokens"
    if generation.stop_reason == "length" and len(generation.tokens) >= generation.options.max_tokens:
        return f"— stopped at max_tokens={generation.options.max_tokens}; raise it with -n"
    if generation.stop_reason == "length":
        return "— stopped: the context is full"
    return "" if generation.text.strip() else "— the model gave an empty answer"


def plain(generation: Generation, note: str = "") -> str:
    """The answer, with a last line that says so when it is not whole, and the note."""
    return "\n".join(filter(None, [printable(generation.text), ending(generation), printable(note)]))


def markdown(generation: Generation, note: str = "") -> str:
    """The same as safe Markdown."""
    words = [f"*{escaped(line(word))}*" for word in (ending(generation), note) if word]
    return joined(safe(generation.text), *words)
