"""Records as plain text, Markdown and script-free HTML. A model's text is untrusted: nothing in it becomes
active.
"""

from __future__ import annotations

import re
from html import escape

from ..core.records import Generation, Trace

_FENCE = re.compile(
    r"(`{3,})[^`]*$|(~{3,})"
)  # at the very left: only there is a fence surely in no list or quote
_CODE = re.compile(r"(?<![\\`])(`+)(?!`)(.+?)(?<!`)\1(?!`)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LINK = re.compile(r"(\]\(\s*<?|^ {0,3}\[[^\]]+\]:\s*<?)([^)\s>]*)")
_SAFE_LINK = re.compile(r"(https?:|mailto:|#|[^:&\\]*$|[^:&\\]*/)", re.IGNORECASE)


def markdown_safe(text: str) -> str:
    """Markdown in which HTML shows as text, images are links, and links lead to the web only.

    Code keeps its letters. Hosts that sanitise by themselves (JupyterLab) show the same; others depend on
    this.
    """
    out, fence = [], ""
    for line in text.split("\n"):
        if fence:
            if (
                line.rstrip() == line.strip()
                and set(line.strip()) == {fence[0]}
                and len(line.strip()) >= len(fence)
            ):
                fence = ""
        elif opening := _FENCE.match(line):
            fence = opening[1] or opening[2]
        else:
            line = _safe_line(line)
        out.append(line)
    return "\n".join(out)


def _safe_line(line: str) -> str:
    out, at = [], 0
    for code in _CODE.finditer(line):
        out += [_safe_words(line[at : code.start()]), code[0]]
        at = code.end()
    out.append(_safe_words(line[at:]))
    return "".join(out)


def _safe_words(text: str) -> str:
    text = _TAG.sub("&lt;", text.replace("![", "["))
    return _LINK.sub(lambda link: link[1] + (link[2] if _SAFE_LINK.match(link[2]) else "#"), text)


def open_fence(text: str) -> str:
    """The fence that ``text`` leaves open, or nothing."""
    fence = ""
    for line in text.split("\n"):
        if not fence and (opening := _FENCE.match(line)):
            fence = opening[1] or opening[2]
        elif fence and set(line.strip()) == {fence[0]} and len(line.strip()) >= len(fence):
            fence = ""
    return fence


def ending(generation: Generation) -> str:
    """A word on an answer that is not whole; nothing on one that is."""
    if generation.stop_reason == "interrupted":
        return f"— interrupted after {len(generation.tokens):,} tokens"
    if generation.stop_reason == "length" and len(generation.tokens) >= generation.options.max_tokens:
        return f"— stopped at max_tokens={generation.options.max_tokens}; raise it with -n"
    if generation.stop_reason == "length":
        return "— stopped: the context is full"
    return "" if generation.text.strip() else "— the model gave an empty answer"


def plain(generation: Generation) -> str:
    """The answer, with a last line that says so when it is not whole."""
    return "\n".join(filter(None, [generation.text, ending(generation)]))


def markdown(generation: Generation) -> str:
    """The same as safe Markdown."""
    text, word = markdown_safe(generation.text), ending(generation)
    if not word:
        return text
    fence = open_fence(generation.text)
    return "\n".join([text, *([fence] if fence else []), "", f"*{word}*"]) if text else f"*{word}*"


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
