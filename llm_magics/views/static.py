"""Records as plain text, Markdown and script-free HTML. Nothing in a model's text becomes active."""

from __future__ import annotations

from html import escape

from ..clean import line, printable
from ..core.records import Generation, Trace
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


def trace_text(trace: Trace) -> str:
    return f"{len(trace.tokens):,} tokens, perplexity {trace.perplexity:.2f}"


def trace_html(trace: Trace) -> str:
    """The text, each token shaded by how unexpected it was (−log₂ p in bits), with the figures in its
    title.
    """
    spans = []
    for index, token in enumerate(trace.tokens):
        bits = -token.logprob / 0.6931471805599453
        shade = 0.0 if index < trace.predicted_from else min(bits / 16, 1.0) * 0.75
        others = ", ".join(repr(other.text) for other in token.alternatives[:5])
        title = f"{token.text!r}: {bits:.1f} bits, rank {token.rank}" + (
            f"; expected {others}" if others else ""
        )
        style = f"background:rgba(224,112,32,{shade:.2f})"
        spans.append(f'<span style="{style}" title="{escape(title)}">{escape(token.text)}</span>')
    return (
        f'<div><div style="white-space:pre-wrap;font-family:monospace;line-height:1.7">{"".join(spans)}</div>'
        f'<div style="opacity:.7">{escape(trace_text(trace))}</div></div>'
    )
