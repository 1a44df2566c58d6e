"""Answers as plain text and as Markdown. Nothing in a model's text becomes active."""

from __future__ import annotations

from ..core.reasoning import split_reasoning
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


def markdown(generation: Generation, note: str = "", *, fold: bool = True) -> str:
    """Return the same as safe Markdown; ``fold``: reasoning stands in a fold before the answer."""
    words = [f"*{escaped(single_line(word))}*" for word in (stop_notice(generation), note) if word]
    return joined(prose(generation, fold=fold), *words)


def prose(generation: Generation, *, fold: bool = True) -> str:
    """Return the answer alone as safe Markdown."""
    thought = generation.reasoning if fold else ""
    if thought:
        return folded(thought, generation.answer)
    return to_safe_markdown(generation.answer if fold else generation.text)


def partial(text: str, prompt: str, *, fold: bool = True) -> str:
    """Return an answer that is not finished as safe Markdown.

    Args:
        text: the answer so far.
        prompt: the prompt, or its end: the template may have written the first tag of the reasoning.
        fold: put the reasoning into a fold.
    """
    split = split_reasoning(text, prompt) if fold else None
    if split is None or not split.thought:
        return to_safe_markdown(text)
    return folded(split.thought, split.answer or "…")


def folded(thought: str, answer: str) -> str:
    """Return reasoning in a fold, and the answer behind it, as safe Markdown."""
    words = len(thought.split())
    head = f"<details><summary>reasoning, {words:,} words</summary>"
    return f"{head}\n\n{to_safe_markdown(thought)}\n\n</details>\n\n{to_safe_markdown(answer)}"
