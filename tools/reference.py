"""Write the tables of docs/reference.md from the parser: python tools/reference.py"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from llm_magics.magics.inspection.subcommands import SUBCOMMANDS  # noqa: E402
from llm_magics.magics.parsing import options as request  # noqa: E402
from llm_magics.magics.parsing.option_parser import Option  # noqa: E402
from llm_magics.magics.subcommands.table import TABLE  # noqa: E402
from llm_magics.magics.tuning import request as tuning  # noqa: E402

PAGE = ROOT / "docs" / "reference.md"


def escaped(text: str) -> str:
    """Escape what Markdown would read as the border of a table or as HTML."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def table(head: tuple[str, str], rows: Sequence[tuple[str, str]]) -> str:
    """Format a table of two columns, the first of which is code."""
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    for name, text in rows:
        code = ", ".join(f"`{escaped(part)}`" for part in name.split(", "))
        lines.append(f"| {code} | {escaped(text)} |")
    return "\n".join(lines)


def options(listed: Sequence[Option]) -> str:
    """Format the options of a magic."""
    return table(("Option", "Meaning (default)"), [(", ".join(each.flags), each.help) for each in listed])


def tables() -> dict[str, str]:
    """Return the tables by the name of their marker."""
    own = {name for command in SUBCOMMANDS.values() for name in command.options}
    commands = [(command.usage, command.help) for command in TABLE.values()]
    return {
        "commands": table(("Command", "What it does"), commands),
        "options": options([each for each in request.OPTIONS if each.name not in own]),
        "inspection options": options([each for each in request.OPTIONS if each.name in own]),
        "tuning options": options(tuning.OPTIONS),
    }


def fill(page: str) -> str:
    """Return the page with its tables as they are now.

    Raises:
        ValueError: the page lacks a marker.
    """
    for name, text in tables().items():
        marked = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
        if not marked.search(page):
            raise ValueError(f"docs/reference.md has no marker {name!r}")
        page = marked.sub(lambda match, text=text: match[1] + text + match[2], page)
    return page


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text("utf-8")), "utf-8")
