"""What a model writes stays text: nothing is active in any renderer, and code keeps its letters."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_magics.views.latex_filter import with_dollar_delimiters
from llm_magics.views.markdown import to_safe_markdown
from tests.support.renderers import Marked, active, generated, markdown_it_html, nbconvert_html

EVIL = "![x](https://e.vil/p.png)"
TRICKS = [
    f"!{EVIL}",
    f"- a\n   ```\n{EVIL}",
    f"```\na\n    ```\n{EVIL}",
    f"`a\n{EVIL}`",
    f"`` a ` {EVIL}",
    f"$`$ {EVIL} $`$",
    f"$```$\n{EVIL}\n$```$",
    f"$$\n```\n$$\n{EVIL}\n$$\n```\n$$",
    "> [a]: javascript:alert(1)\n\n[a]",
    "> [a]: https://e.vil/p.png\n\n![a]",
    "[x](\njavascript:alert(1)\n)",
    "[x\ny](java\nscript:alert(1))",
    "[x]( <javascript:alert(1)>)",
    "[x](java&#115;cript:alert(1))",
    "[x](&#x6a;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:x) [y](file:///etc/passwd)",
    "[![x](https://e.vil/p.png)](https://a.b)",
    "![a [b](c) d](https://e.vil/p.png)",
    f"<details>\n\n{EVIL}\n\n</details>",
    "a <img src=x onerror=alert(1)>",
    "<!-- x --> <?x?> <![CDATA[x]]> </div>",
    "\\`<img src=x>`",
    "``` `<img src=x>` ```x\n<b>",
    "| a |\n|---|\n| `|` <img src=x> |",
    "| a `|\n|---|\n| ` <img src=x> |",
    "$\\href{javascript:alert(1)}{x}$",
    "\\(\\url{javascript:alert(1)}\\) \\begin{equation}\\href{javascript:x}{y}\\end{equation}",
    "$\\def\\x{\\href}\\x{javascript:alert(1)}{x}$",
    "```mermaid\ngraph TD; A@{ img: 'https://e.vil/p.png' }\n```",
    "Term\n: <img src=x>\n\n[^1]\n\n[^1]: <img src=x>",
    "@@0@@ $x$ @@5@@",
    "a\u2028# b\u2028```\u2028" + EVIL,
    "a\x0b```\x0c" + EVIL,
    "1. a\n   1. b\n      ```\n      ![x](https://e.vil/p.png)\n      ```\n   2. c",
    "> > > ```\n> > > ![x](https://e.vil/p.png)",
    "*a `*` ![x](https://e.vil/p.png)* `*`",
    "*\\\nx* `y\n<img src=x>`",
    "\\\\[x](http://a.b) \\href{javascript:alert(1)}{x} \\\\[",
    "http://a.b`` ` ``<img src=x>`` ` ``",
    "www.a.b`<img src=x>`",
    "a@b.c`<img src=x>` http://a.b$x`$`<img src=x>`",
]


@pytest.fixture(scope="module")
def marked() -> Iterator[Marked]:
    made = Marked()
    yield made
    made.close()


def pages(texts: list[str], marked: Marked) -> Iterator[tuple[str, str, str]]:
    for text, lab in zip(texts, marked(texts), strict=True):
        yield text, "marked", lab
        yield text, "nbconvert", nbconvert_html(text)
        yield text, "markdown-it", markdown_it_html(text)


def test_the_test_sees_what_is_active(marked: Marked) -> None:
    """Most tricks do something in one of the renderers as they stand; the others are near misses."""
    seen = [bool([page for page in pages([trick], marked) if active(page[2])]) for trick in TRICKS]
    assert sum(seen) >= 25, [trick for trick, found in zip(TRICKS, seen, strict=True) if not found]


def test_tricks(marked: Marked) -> None:
    for text, host, page in pages([to_safe_markdown(trick) for trick in TRICKS], marked):
        assert not active(page), (host, text, page)


def test_generated_texts(marked: Marked) -> None:
    """Two thousand; ``python -m tests.support.renderers 100000`` tries more."""
    for text, host, page in pages([to_safe_markdown(generated(seed)) for seed in range(2000)], marked):
        assert not active(page), (host, text, page)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="![](){}<>`~$\\\n \t*_|#-=+:&;a1.@^\"'", max_size=60))
def test_any_punctuation(text: str) -> None:
    for page in (nbconvert_html(to_safe_markdown(text)), markdown_it_html(to_safe_markdown(text))):
        assert not active(page)


def words(html: str) -> str:
    return re.sub(r"\s", "", unescape(re.sub(r"<[^>]*>", "", html)))


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="![](){}<>`\\\n *_|#-=+:&;ab1.", max_size=60))
def test_no_letter_is_lost(text: str) -> None:
    """What a strict renderer shows of the text, it shows of the normal form."""
    letters = [
        re.sub(r"[^ab1]", "", words(markdown_it_html(each).replace("&#160;", "")))
        for each in (text, to_safe_markdown(text))
    ]
    if "<" not in text and "](" not in text and "]:" not in text:
        assert letters[1].count("a") >= letters[0].count("a") and letters[1].count("b") >= letters[0].count(
            "b"
        )


@pytest.mark.parametrize(
    "code",
    [
        "<b>x</b> &amp; `y` $z$",
        "a\n\n  b\n\tc",
        "trailing  \nspaces ",
        "```\ninside\n```",
        "````\n```\n````",
        "~~~\n# x",
        "\\href{x}",
        "![x](y)",
    ],
)
def test_code_keeps_its_letters(code: str, marked: Marked) -> None:
    fence = "`" * 5
    for _, host, page in pages([to_safe_markdown(f"{fence}py\n{code}\n{fence}\n\nafter")], marked):
        shown = re.search(r"<code[^>]*>(.*?)</code>", page, re.DOTALL) or re.search(
            r"<pre>(.*?)</pre>", page, re.DOTALL
        )
        assert shown, (host, page)
        assert unescape(re.sub(r"<[^>]*>", "", shown[1])).rstrip("\n") == code, (host, page)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'Plain words, 2 < 3, AT&T, snake_case; it\'s "fine"!',
            'Plain words, 2 < 3, AT&T, snake_case; it\'s "fine"&#33;',
        ),
        ("# Head *it*\n\nText **b** `c` ~~s~~", "# Head *it*\n\nText **b** `c` ~~s~~"),
        ("Head\n---\ntext", "## Head\n\ntext"),
        ("* a\n* b\n    * c\n", "- a\n- b\n  - c"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("1. a\n   ```sh\n   ls\n   ```\n2. b", "1. a\n\n```sh\nls\n```\n\n2. b"),
        ("> a\n> b", "> a\n> b"),
        ("    code", "```\ncode\n```"),
        ("~~~\nopen", "```\nopen\n```"),
        ("| a | b |\n|:--|--:|\n| 1 | `2` |", "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        (
            "[a](https://b.c/d_e?f=1&g=2) <https://h.i>",
            "[a](https://b.c/d_e?f=1&amp;g=2) [https&#58;//h.i](https://h.i)",
        ),
        ("![p](https://t.example/p.png)", "[p](https://t.example/p.png)"),
        ("[x](#part) [y](a/b.md)", "[x](#part) [y](a/b.md)"),
        ("so \\(x^2\\) and \\[\\frac{a}{b}\\] and $y_1$", "so $x^2$ and $$\\frac{a}{b}$$ and $y_1$"),
        ("costs $5 or $6", "costs <span>&#36;</span>5 or <span>&#36;</span>6"),
        (
            "myData$age <- mean(myData$x)",
            "myData<span>&#36;</span>age &#60;- mean(myData<span>&#36;</span>x)",
        ),
        ("see http://a.b/c.", "see [http&#58;//a.b/c](http://a.b/c)."),
        ("ftp://x www.a.b me@a.b", "ftp&#58;//x www&#46;a.b me&#64;a.b"),
        ("a  \nb", "a  \nb"),
        ("a\\\nb", "a  \nb"),
        ("- a  \n  b\n- c", "- a  \n  b\n- c"),
        ("```\na  \n\n  b \n```", "```\na  \n\n  b \n```"),
        ("", ""),
        (" \n", ""),
    ],
)
def test_the_normal_form(text: str, expected: str) -> None:
    assert to_safe_markdown(text) == expected


def test_it_is_its_own_normal_form() -> None:
    compared = 0
    for seed in range(300):
        once = to_safe_markdown(generated(seed))
        if re.search(r"[$\[]|#36;", once):
            continue  # mathematics and links are written in a form that markdown-it reads otherwise
        compared += 1
        assert markdown_it_html(to_safe_markdown(once)) == markdown_it_html(once)
    assert compared >= 30


@pytest.mark.parametrize(
    "source",
    [
        "\\href{x}{y}",
        "\\unknown",
        "x\\",
        "\\begin{document}",
        "](x)",
        "@@1@@",
        "http://x",
        " ",
        "\\\\(",
        "\\csname href",
    ],
)
def test_mathematics_that_does_more_than_draw(source: str) -> None:
    assert with_dollar_delimiters(source) is None


def test_mathematics_is_kept() -> None:
    assert (
        with_dollar_delimiters("\\sum_{i=0}^n \\alpha_i < \\infty")
        == "$\\sum_{i=0}^n \\alpha_i \\lt  \\infty$"
    )
    assert with_dollar_delimiters("\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}", display=True)


@pytest.mark.parametrize(
    "piece",
    [
        "[",
        "![",
        "*a ",
        "_a",
        "`",
        "``` ",
        "> ",
        "- ",
        "<",
        "$",
        "\\(",
        "|a",
        "~~",
        "[a](",
        "**a*",
        "1. ",
        "\n\n",
        "&#1;",
        "a\n",
    ],
)
def test_long_texts_are_quick(piece: str) -> None:
    for letters in (3_900 * len(piece) if len(piece) < 3 else 30_000, 150_000):
        began = time.process_time()
        text = to_safe_markdown(piece * (letters // len(piece)))
        assert time.process_time() - began < 5 and isinstance(text, str)


def test_a_text_too_long_to_parse_is_one_fence() -> None:
    text = to_safe_markdown("word ![x](y) ```` " * 20_000)
    assert text.startswith("`````\n") and text.endswith("\n`````")
