"""A model's Markdown → a normal form of it in which nothing is active and every renderer agrees.

Renderers disagree about where code, links and mathematics begin, so no pattern over the text can tell what
one of them will make of it. The text is therefore parsed once (CommonMark, by markdown-it-py) and written
anew: letters that could mean anything are entities, which no renderer takes for syntax; what remains are
paragraphs, headings, lists, quotes, tables, emphasis, code, links to the web, and mathematics of known
commands. Code keeps its letters, in fences at the left margin that are longer than any inside. What can't be
parsed is one such fence.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..sanitize import printable
from .latex_filter import unsafe_commands, with_dollar_delimiters

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.tree import SyntaxTreeNode

LONGEST = 200_000  # letters; a longer text is not parsed
_DEEPEST = 60  # levels of lists and quotes
_OPENERS = 4_000  # brackets and the like in one text: parsing them takes time by the square of their number
# Left as they are: x < 3, AT&T, snake_case.
_ACTIVE = re.compile(r"[\\`*\[\]$~|]|<(?![ \d=])|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])")
# Hosts make links of these by themselves, and take what follows with them; here only addresses of plain
# letters are.
_LINKED = re.compile(r":(?=//)|(?<=www)\.|@(?=\w)", re.IGNORECASE)
_ADDRESS = re.compile(r"\bhttps?://[A-Za-z0-9./?#%_=&;,:+~-]*[A-Za-z0-9/]")
_LINE_START = re.compile(r"^[#+=:>-]|^\d{1,9}(?=[.)])", re.MULTILINE)
_SAFE_LINK = re.compile(r"(?:https?:|mailto:)[^\s]|#|[^:\\]*$|[^:\\?#]*/", re.IGNORECASE)
_BREAKS = re.compile("\r\n?|[\u2028\u2029\u0085]")
_HARD = "\x00"  # marks a line that is broken on purpose; no text holds it any more
_DRAWN = {"mermaid", "math", "geojson", "topojson", "stl"}  # fences of which some hosts make pictures
# a page may take what follows for mathematics
_DELIMITER = re.compile(r"\$|&#36;|&#92;(?:\(|\[|&#91;|begin)")
_MATH = re.compile(
    r"\$\$(?P<a>[^$`]{1,2000})\$\$|\$(?![\s$])(?P<b>[^$`\n]{1,1000})(?<![\s\\])\$(?!\d)"
    r"|\\\((?P<c>[^$`]{1,1000}?)\\\)|\\\[(?P<d>[^$`]{1,2000}?)\\\]"
)


def to_safe_markdown(text: str) -> str:
    """Return the normal form; blocks are parted by blank lines, and it ends with no open fence."""
    text = printable(_BREAKS.sub("\n", text))
    if len(text) > LONGEST or sum(map(text.count, "[]*_<`~!")) > _OPENERS:
        return fenced(text)
    from markdown_it.tree import SyntaxTreeNode

    try:
        tokens = _parser().parse(text)
        if any(token.level >= _DEEPEST for token in tokens):
            return fenced(text)
        tree = SyntaxTreeNode(tokens)
        out = _Writer()
        out.blocks(tree, "", "", tight=False)
        if _DELIMITER.search("\n".join(out.lines)):
            out = _Writer(math_mode=True)
            out.blocks(tree, "", "", tight=False)
    except (RecursionError, ValueError, IndexError):  # a parser that fails must not cost the answer
        return fenced(text)
    return "\n".join(out.lines)


def fenced(code: str, info: str = "") -> str:
    """Return a fence around ``code``, longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{_language(info)}\n{code.removesuffix(chr(10))}\n{fence}"


def escaped(text: str) -> str:
    """Return letters that mean nothing, in no renderer."""
    return _LINKED.sub(_entities, _ACTIVE.sub(_entities, text))


def _entities(match: re.Match[str]) -> str:
    # A page with MathJax looks for dollars in its text, where an entity is one again. It does not look across
    # the border of an element: a dollar that stands in one by itself opens and closes nothing.
    return "".join("<span>&#36;</span>" if char == "$" else f"&#{ord(char)};" for char in match[0])


def _language(info: str) -> str:
    result = re.match(r"[A-Za-z0-9+#._-]{1,40}", info)
    return result[0] if result and result[0].lower() not in _DRAWN else ""


def preload() -> None:
    """Import the parser."""
    _parser()


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    logging.getLogger("markdown_it").setLevel(logging.WARNING)  # it tells of every rule it tries
    output = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST + 10})
    output.enable(["table", "strikethrough"]).disable("reference")
    output.inline.ruler.before("escape", "math", _math_rule)
    return output


def _math_rule(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    result = _MATH.match(state.src, state.pos)
    if result is None:
        return False
    # A name goes on: myData$age <- mean(myData$x).
    before, behind = state.src[: state.pos][-1:], state.src[result.end() :][:1]
    if result["b"] and (before.isalnum() or behind.isalnum()):
        return False
    shown = with_dollar_delimiters(next(filter(None, result.groups())), display=result["a"] or result["d"])
    if shown is None:
        return False
    if not silent:
        state.push("math", "", 0).content = shown
    state.pos = result.end()
    return True


@dataclass
class _Writer:
    """Lines of the normal form.

    Attributes:
        math_mode: some of the text may be taken for mathematics by the page that shows it.
    """

    math_mode: bool = False
    lines: list[str] = field(default_factory=list)
    _apart: bool = False  # a blank line must follow

    def blocks(self, parent: SyntaxTreeNode, first: str, rest: str, *, tight: bool) -> None:
        """Write the blocks of a container: ``first`` precedes its first line, ``rest`` every other line."""
        for number, node in enumerate(parent.children):
            before = first if number == 0 else rest
            if node.type in ("bullet_list", "ordered_list"):
                self._list(node, before, rest, tight=tight and number > 0)
            elif node.type == "blockquote":
                self.blocks(node, before + "> ", rest + "> ", tight=False)
            elif node.type in ("fence", "code_block"):
                self._at_margin(fenced(node.content, node.info))
            elif node.type == "hr":
                self._at_margin("---")
            elif self.math_mode and unsafe_commands(_words(node)):
                self._at_margin(fenced(_source(node)))
            elif node.type == "table":
                self._at_margin("\n".join(self._table(node)))
            elif node.type == "heading" and not rest:
                self._at_margin(f"{'#' * int(node.tag[1])} {self._inline(node).replace(chr(10), ' ')}")
            else:  # a paragraph, or what is none of these
                self._put(self._inline(node).split("\n"), before, rest, tight=tight)

    def _list(self, node: SyntaxTreeNode, first: str, rest: str, *, tight: bool) -> None:
        start = int(node.attrs.get("start", 1)) if node.type == "ordered_list" else None
        close = all(
            child.hidden for item in node.children for child in item.children if child.type == "paragraph"
        )
        for number, item in enumerate(node.children):
            mark = "- " if start is None else f"{min(start + number, 999_999_999)}. "
            before = first if number == 0 else rest
            inner = rest + " " * len(mark)
            if not item.children:
                self._put(["&#160;"], before + mark, inner, tight=(number > 0 and close) or tight)
                continue
            self._item(item, before + mark, inner, tight=close, joined=(number > 0 and close) or tight)

    def _item(self, item: SyntaxTreeNode, first: str, rest: str, *, tight: bool, joined: bool) -> None:
        at = len(self.lines)
        self.blocks(item, first, rest, tight=tight)
        if not joined and tight and at and len(self.lines) > at and self.lines[at - 1].strip():
            self.lines.insert(at, "")

    def _at_margin(self, block: str) -> None:
        """Write a block that stands by itself at the margin, where all renderers agree on it."""
        self._put(block.split("\n"), "", "")
        self._apart = True

    def _put(self, lines: list[str], first: str, rest: str, *, tight: bool = False) -> None:
        if self.lines and (self._apart or not tight):
            self.lines.append("")
        self._apart = False
        for number, line in enumerate(lines):
            before = first if number == 0 else rest
            self.lines.append(before + line if line else before.rstrip())

    def _table(self, node: SyntaxTreeNode) -> Iterator[str]:
        rows = [row for part in node.children for row in part.children]
        for number, row in enumerate(rows):
            cells = [self._inline(cell, code=False).replace("\n", " ") for cell in row.children]
            yield "| " + " | ".join(cells) + " |"
            if number == 0:
                yield "|" + " --- |" * len(cells)

    def _inline(self, node: SyntaxTreeNode, *, code: bool = True) -> str:
        text = "".join(_written(part, code) for child in node.children for part in child.children)
        text = "\n".join(line.strip() for line in text.split("\n")).replace(_HARD, "  ")
        return _LINE_START.sub(_entities, text)  # so that no line begins a list, a heading or a definition


def _written(node: SyntaxTreeNode, code: bool = True) -> str:
    """Return one piece of a line."""
    if node.type in ("softbreak", "hardbreak"):
        return "\n" if node.type == "softbreak" else f"{_HARD}\n"
    if node.type == "code_inline":
        return _code(node.content) if code else escaped(node.content)
    if node.type == "math":
        return node.content
    if node.type in ("link", "image"):
        return _link(node)
    if node.type in ("em", "strong", "s"):
        inside = "".join(_written(child, code) for child in node.children)
        mark = {"em": "*", "strong": "**", "s": "~~"}[node.type]
        plain = all("*" not in child.content and "~" not in child.content for child in _leaves(node))
        # An emphasis that begins with a break would begin a list for some.
        whole = inside and inside == inside.strip() and inside[0] != _HARD
        return f"{mark}{inside}{mark}" if plain and whole else inside
    if node.children:
        return "".join(_written(child, code) for child in node.children)
    out, at = [], 0
    for result in _ADDRESS.finditer(node.content):
        out += [_text(node.content[at : result.start()]), _to(result[0], result[0])]
        at = result.end()
    return "".join(out) + _text(node.content[at:])


def _text(text: str) -> str:
    text = escaped(text)
    return text[:-1] + "&#33;" if text.endswith("!") else text  # a link may follow, and make a picture


def _leaves(node: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    return (item for item in node.walk() if item.type in ("code_inline", "math"))


def _code(content: str) -> str:
    runs = {len(run) for run in re.findall("`+", content)}
    if not content.strip() or runs - {1} or "$$" in content:
        return escaped(content)
    if runs:
        return f"`` {content} ``"
    padded = f" {content} " if content[0] == content[-1] == " " else content
    return f"`{padded}`"


def _link(node: SyntaxTreeNode) -> str:
    """Write a link to the web, or just its text; an image becomes a link."""
    target = str(node.attrs.get("src" if node.type == "image" else "href", ""))
    words = _words(node) or target
    if not target or not _SAFE_LINK.match(target):
        return escaped(words)
    return _to(target, words)


def _to(target: str, words: str) -> str:
    address = quote(target, safe="%/:?#@!,;=+&'").replace("&", "&amp;")
    return f"[{escaped(words)}]({address})"


def _words(node: SyntaxTreeNode) -> str:
    if node.type == "softbreak" or node.type == "hardbreak":
        return " "
    if node.type in ("text", "code_inline", "math"):
        return node.content.replace("\n", " ")
    return "".join(_words(child) for child in node.children)


def _source(node: SyntaxTreeNode) -> str:
    """Return the letters of a block as they were written."""
    return "\n".join(child.content for child in node.children if child.type == "inline") or _words(node)


def joined(*parts: Any) -> str:
    """Return blocks below one another."""
    return "\n\n".join(part for part in parts if part)
