"""The tokens of a record where no script runs: on GitHub, in an e-mail, in an exported page, in a terminal.

Hosts strip style elements and attributes, and some strip more: only ``p b ins pre code details summary
table`` are used, and every letter of a text is escaped. Underlined is what was under 10 %, bold what was
under 3 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from ..core.format import percent
from ..core.records import Generation, Token, Trace
from ..sanitize import printable, single_line

UNLIKELY, RARE = 0.10, 0.03
BARS, MOST_BARS, MOST_BITS = "▁▂▃▄▅▆▇█", 80, 6.0
ROWS, CONTEXT = 8, 24  # of the table; characters before its tokens
_GLYPHS = {"\n": "⏎", "\t": "⇥", "\r": "␍", "": "▯"}


def html(record: Generation | Trace) -> str:
    """Return the text, a bar for every few tokens, the least likely tokens, and a summary."""
    tokens, first = _considered(record)
    if _no_logprobs(record):
        return "\n".join([_text(tokens, len(tokens)), f"<p>{escape(summary(record))}</p>"])
    rows = _least_likely(tokens, first)
    parts = [_text(tokens, first)]
    if bars := _bars(tokens[first:]):
        group = math.ceil(len(tokens[first:]) / MOST_BARS)
        item = "one token" if group == 1 else f"the less likely of {group} tokens"
        parts += [
            f"<p>{bars}</p>",
            f"<p>Each bar is {item}, 0 to {MOST_BITS:.0f} bits of surprise. "
            "<ins>Underlined</ins>: under 10 %; <b><ins>bold</ins></b>: under 3 %.</p>",
            f"<details><summary>The {len(rows)} least likely of {len(tokens):,} tokens</summary>",
            "".join(_table(tokens, rows, known=not _no_rank(record))),
            "</details>",
        ]
    if isinstance(record, Generation):
        parts += [_branch(record, number) for number in range(1, len(record.branches) + 1)]
    return "\n".join([*parts, f"<p>{escape(summary(record))}</p>"])


def _branch(record: Generation, number: int) -> str:
    """Return a branch: which token it turns off with, and its text."""
    branch = record.branches[number - 1]
    first = branch.tokens[0] if branch.tokens else None
    word = f"{escape(_shown(first.text))} {percent(_p(first))}" if first else ""
    text = printable(record.path(number).text)
    return (
        f"<details><summary>Branch {number}: <code>{word}</code> at token {branch.at + 1:,}</summary>\n"
        f"<p>{escape(text)}</p></details>"
    )


def plain(record: Generation | Trace, *, text: bool = True) -> str:
    """Return the same for a terminal.

    Args:
        record: the record.
        text: whether the text itself is in it: not where it stands above already.
    """
    tokens, first = _considered(record)
    whole = [printable("".join(token.text for token in tokens)), ""] if text else []
    if _no_logprobs(record):
        return "\n".join([*whole, summary(record)])
    lines, known = [*whole, _bars(tokens[first:])], not _no_rank(record)
    for place in _least_likely(tokens, first):
        token = tokens[place]
        others = ", ".join(f"{_shown(text)} {percent(p)}" for text, p in _likelier(token))
        lines.append(
            f"{place + 1:>6}  {_context(tokens, place)}[{_shown(token.text)}]  {percent(_p(token))}, "
            f"rank {_rank(token, known=known)}{f'; likelier: {others}' if others else ''}"
        )
    return "\n".join([*lines, summary(record)])


def summary(record: Generation | Trace) -> str:
    """Return tokens, speed, perplexity, bits a byte, and which model it was."""
    tokens, first = _considered(record)
    read = [] if _no_logprobs(record) else tokens[first:]
    nats = -math.fsum(token.logprob for token in read)
    size = len("".join(token.text for token in read).encode("utf-8", "replace"))
    speed = record.timing.decode_tokens_per_s if isinstance(record, Generation) else 0
    model = record.model
    parts = [
        f"{len(tokens):,} tokens",
        "the server gave no probabilities" if _no_logprobs(record) else "",
        f"{speed:.1f} tok/s" if speed else "",
        f"perplexity {math.exp(nats / len(read)):.2f}" if read and nats / len(read) < 700 else "",
        f"{nats / math.log(2) / size:.2f} bits/byte" if size else "",
        single_line(", ".join(filter(None, [model.name, model.precision]))),
        single_line(model.license),
        f"fingerprint {single_line(model.fingerprint)[:12]}" if model.fingerprint else "",
    ]
    return " · ".join(filter(None, parts))


def _considered(record: Generation | Trace) -> tuple[Sequence[Token], int]:
    """Return the tokens, and from which on the model expected anything."""
    return record.tokens, record.predicted_from if isinstance(record, Trace) else 0


def _no_logprobs(record: Generation | Trace) -> bool:
    return isinstance(record, Generation) and "logprob" in record.missing


def _no_rank(record: Generation | Trace) -> bool:
    return isinstance(record, Generation) and "rank" in record.missing


def _rank(token: Token, *, known: bool) -> str:
    """Return the rank of a token from 1; a server tells it of the alternatives only."""
    most = len(token.alternatives)
    return f"{token.rank + 1:,}" if known or token.rank < most else f"over {most:,}"


def _p(token: Token) -> float:
    return math.exp(min(token.logprob, 0.0))


def _text(tokens: Sequence[Token], first: int) -> str:
    whole = "".join(token.text for token in tokens)
    marked = "".join(
        _marked(token) if n >= first else escape(printable(token.text)) for n, token in enumerate(tokens)
    )
    if "```" in whole:  # code keeps its lines
        return f"<pre><code>{marked}</code></pre>"
    return "\n".join(f"<p>{part}</p>" for part in marked.split("\n") if part.strip())


def _marked(token: Token) -> str:
    """Return the token, underlined or bold where it was not expected; never its spaces or line breaks."""
    text = printable(token.text)
    inner, p = text.strip(), _p(token)
    if not inner or p >= UNLIKELY:
        return escape(text)
    begin = text.index(inner)
    pieces = [
        f"<b><ins>{escape(piece)}</ins></b>" if p < RARE else f"<ins>{escape(piece)}</ins>"
        for piece in inner.split("\n")  # a tag must not go over the end of a paragraph
    ]
    return escape(text[:begin]) + "\n".join(pieces) + escape(text[begin + len(inner) :])


def _bars(tokens: Sequence[Token]) -> str:
    """Return at most 80 blocks, each the least likely token of its group."""
    if not tokens:
        return ""
    group = math.ceil(len(tokens) / MOST_BARS)
    bits = [
        max(-token.logprob for token in tokens[at : at + group]) / math.log(2)
        for at in range(0, len(tokens), group)
    ]
    return "".join(BARS[round(min(max(item, 0.0), MOST_BITS) / MOST_BITS * (len(BARS) - 1))] for item in bits)


def _least_likely(tokens: Sequence[Token], first: int) -> list[int]:
    return sorted(range(first, len(tokens)), key=lambda place: (tokens[place].logprob, place))[:ROWS]


def _likelier(token: Token) -> list[tuple[str, float]]:
    """Return the three likeliest alternatives above the token."""
    others = [other for other in token.alternatives if other.id != token.id and other.logprob > token.logprob]
    return [(other.text, math.exp(min(other.logprob, 0.0))) for other in others[:3]]


def _table(tokens: Sequence[Token], rows: list[int], *, known: bool = True) -> Iterator[str]:
    others = any(tokens[place].alternatives for place in rows)
    heads = ["#", "token", "p", "rank", *(["likelier"] if others else [])]
    yield "<table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"
    for place in rows:
        token = tokens[place]
        cells = [
            f"{place + 1:,}",
            f"{escape(_context(tokens, place))}<b>{escape(_shown(token.text))}</b>",
            percent(_p(token)),
            _rank(token, known=known),
        ]
        if others:
            cells.append(
                ", ".join(f"<code>{escape(_shown(text))}</code> {percent(p)}" for text, p in _likelier(token))
            )
        yield "\n<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</table>"


def _context(tokens: Sequence[Token], place: int) -> str:
    """Return a few words before the token, on one line."""
    before = "".join(token.text for token in tokens[max(0, place - 12) : place])
    words = single_line(before, most=10_000)
    cut = words[-CONTEXT:].partition(" ")[2] if len(words) > CONTEXT else words
    return f"… {cut} " if cut else ""


def _shown(text: str) -> str:
    """Return a token by itself: what cannot be seen as a sign."""
    clean = printable(text)
    inner = clean.strip(" ")
    return "".join(_GLYPHS.get(char, char) for char in inner) if inner else ("␣" * len(clean) or _GLYPHS[""])
