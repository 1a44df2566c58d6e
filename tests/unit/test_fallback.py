"""Tokens where no script runs: a few tags, every letter escaped, and the figures right."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_magics import Generation, ModelInfo, Token, Trace, UsageError, show_tokens
from llm_magics.core.format import percent
from llm_magics.core.records import Alternative, Timing
from llm_magics.views.bundle import read_output
from llm_magics.views.mime import GENERATION_MIME
from llm_magics.views.static_tokens import BARS, html, plain, summary
from tests.support.renderers import active

TAGS = set("p b ins pre code sub details summary table tr th td".split())  # noqa: SIM905
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</p></table><svg/onload=alert(1)>",
    "\x1b[31mred",
    "\u202eevil",
    "\ud800",
    "&lt;b&gt;",
    "\"'><a href=javascript:alert(1)>",
    "```\n</pre><img src=x>",
    "a\nb\n\nc",
    "x" * 100_000,
    "{{x}} ${y} {z}",
    "\x00\ufeff\u200b",
]


def token(text: str, p: float = 0.5, rank: int = 0, others: Any = (), id: int = 1) -> Token:
    found = tuple(Alternative(n + 100, word, math.log(q)) for n, (word, q) in enumerate(others))
    return Token(id, text, math.log(p), 1.0, rank, found, 0.1)


def answer(*some: Token, **more: Any) -> Generation:
    model = ModelInfo("m", "r", "b179c9523d0e6a0f", "int8", "Apache-2.0")
    return Generation(
        "".join(t.text for t in some), some, "stop", "p", timing=Timing(0.1, 32.6), model=model, **more
    )


SEA = answer(
    token("The", 0.9),
    token(" sky", 0.05, 7, [("the", 0.4), (" sea", 0.2), (" sun", 0.1), (" air", 0.06)]),
    token(" is", 0.02, 9, [(" was", 0.9)]),
    token("\n\n", 0.001, 50),
    token("blue", 0.6),
)


def test_the_picture() -> None:
    page = html(SEA)
    assert "<p>The <ins>sky</ins> <b><ins>is</ins></b></p>\n<p>blue</p>" in page
    assert "<summary>The 5 least likely of 5 tokens</summary>" in page
    assert "<td>2</td><td>… The <b>sky</b></td><td>5.0 %</td><td>8</td>" in page
    assert "<code>the</code> 40 %, <code>sea</code> 20 %, <code>sun</code> 10 %</td>" in page
    assert "<td><b>⏎⏎</b></td>" in page.replace("… The sky is ", "")
    assert (
        "5 tokens · 32.6 tok/s · perplexity" in page
        and "m, int8 · Apache-2.0 · fingerprint b179c9523d0e" in page
    )


def test_the_bars() -> None:
    for count, bars in ((1, 1), (80, 80), (81, 41), (8000, 80)):
        shown = re.search(f"[{BARS}]+", html(answer(*[token("a", 0.5)] * count)))
        assert shown and len(shown[0]) == bars
    assert "▁█" in html(answer(token("a", 1.0), token("b", 2**-6)))


def test_without_alternatives_there_is_no_last_column() -> None:
    assert "likelier" not in html(answer(token("a", 0.01))) and "likelier" in html(SEA)


def test_a_trace_begins_where_something_was_expected() -> None:
    read = Trace("ab", (token("a", 0.001), token("b", 0.001)))
    assert "a<b><ins>b</ins></b>" in html(read) and "1 least likely of 2" in html(read)
    assert "perplexity 1000.00" in summary(read)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_text(text: str) -> None:
    record = answer(token(text, 0.01, 3, [(text, 0.5)]), token(text, 0.9), prompt_ids=(1,))
    page, words = html(record), plain(record)
    assert not active(re.sub("</?(?:b|ins|summary|details)>", "", page))
    assert {found.lower() for found in re.findall(r"</?([A-Za-z][A-Za-z0-9]*)", page)} <= TAGS
    assert not re.search(r"<\w+ [^>]", page), "no attribute"
    for shown in (page, words):
        assert not set(shown) & set("\x1b\x00\u202e\ud800")
    page.encode(), words.encode()


@given(st.lists(st.text(alphabet="ab <>&\n`", max_size=6), min_size=1, max_size=6), st.floats(0.0001, 1))
def test_tags_are_closed_in_order(texts: list[str], p: float) -> None:
    stack = []
    for close, tag in re.findall(r"<(/?)(\w+)>", html(answer(*(token(text, p) for text in texts)))):
        if close:
            assert stack.pop() == tag
        else:
            stack.append(tag)
    assert not stack


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (0.2149, "21 %"),
        (0.0214, "2.1 %"),
        (0.00214, "0.21 %"),
        (0.00001, "<0.01 %"),
        (0.9996, "100 %"),
        (0.9990, "99.9 %"),
        (0.994, "99 %"),
        (0.0999, "10 %"),
        (0.00999, "1.0 %"),
        (math.nan, "–"),
    ],
)
def test_percent(p: float, said: str) -> None:
    assert percent(p) == said


def test_empty_and_unlikely_records() -> None:
    assert "0 tokens" in html(answer()) and plain(answer())
    assert "perplexity" not in summary(answer(token("a", 5e-324)))  # too large to be written


def test_tokens_of_python() -> None:
    shown = show_tokens(SEA)
    bundle, _ = shown._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "text/markdown", GENERATION_MIME}
    assert read_output(bundle).text == SEA.text and repr(shown) == bundle["text/plain"]
    assert "[sky]  5.0 %, rank 8; likelier: the 40 %, sea 20 %, sun 10 %" in repr(shown)
    with pytest.raises(UsageError, match="got str"):
        show_tokens("text")  # type: ignore[arg-type]
