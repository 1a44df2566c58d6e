"""What ``-f`` makes of an answer: code for a cell, a table, a value of JSON."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from ...errors import UsageError

FORMATS = ("text", "markdown", "code", "table", "json")
_FENCE = re.compile(
    r"^[ \t]*(```+|~~~+)[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_AGAIN = "Ask for it in the prompt, or run the cell again with another --seed."


def check_format(name: str) -> str:
    """Return the name of a format.

    Raises:
        ValueError: there is no such format.
    """
    if name not in FORMATS:
        raise ValueError(name)
    return name


def value_of(text: str, name: str) -> Any:
    """Return what format ``name`` makes of the text of an answer: "code", "table" or "json".

    Raises:
        UsageError: the text holds no such thing.
    """
    return {"code": code_of, "table": table_of, "json": json_of}[name](text)


def fenced_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the content of each fenced block of a Markdown text."""
    for match in _FENCE.finditer(text):
        yield match[2].lower(), match[3]


def code_of(text: str) -> str:
    """Return the code in an answer: the first Python block, else the first block, else all if it is Python.

    Raises:
        UsageError: there is none.
    """
    blocks = [(language, code.strip("\n")) for language, code in fenced_blocks(text) if code.strip()]
    chosen = next((code for language, code in blocks if language in ("python", "py", "python3")), None)
    if chosen is None and blocks:
        chosen = blocks[0][1]
    if chosen is None:
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise UsageError("the answer has no code", hint=_AGAIN) from None
        chosen = text.strip("\n")
    return chosen


def json_of(text: str) -> Any:
    """Return the first value of JSON in an answer: a block, all of it, or what begins with a bracket.

    Raises:
        UsageError: there is none.
    """
    for candidate in (*(code for _, code in fenced_blocks(text)), text):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    decoder = json.JSONDecoder()
    for match in list(re.finditer(r"[\[{]", text))[:200]:
        try:
            return decoder.raw_decode(text, match.start())[0]
        except (ValueError, RecursionError):
            continue
    raise UsageError("the answer has no JSON", hint=_AGAIN)


def table_of(text: str) -> Any:
    """Return the first table of an answer as a DataFrame: one of Markdown, or a block of CSV.

    Raises:
        UsageError: there is none, or pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UsageError("-f table needs pandas", hint="Run pip install pandas.") from None
    rows = _markdown_table(text)
    if rows:
        width = len(rows[0])
        filled = [(row + [""] * width)[:width] for row in rows[1:]]
        return _typed(pd, pd.DataFrame(filled, columns=rows[0]))
    for language, content in fenced_blocks(text):
        if language in ("csv", "tsv", "") and content.strip():
            try:
                return pd.read_csv(io.StringIO(content), sep="\t" if language == "tsv" else ",")
            except (ValueError, pd.errors.ParserError):
                continue
    raise UsageError("the answer has no table", hint=_AGAIN)


def _typed(pd: Any, frame: Any) -> Any:
    """Return the table with numbers where all cells of a column are numbers."""
    for place in range(len(frame.columns)):
        try:
            frame.isetitem(place, pd.to_numeric(frame.iloc[:, place]))
        except (ValueError, TypeError):
            continue
    return frame


def _markdown_table(text: str) -> list[list[str]]:
    """Return the rows of the first table in Markdown, its head first; empty where there is none."""
    lines = text.splitlines()
    for number, line in enumerate(lines[1:], 1):
        if re.fullmatch(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*", line) and "|" in lines[number - 1]:
            rows = [_cells(lines[number - 1])]
            for row in lines[number + 1 :]:
                if "|" not in row:
                    break
                rows.append(_cells(row))
            return rows
    return []


def _cells(line: str) -> list[str]:
    parts = re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))
    return [part.strip().replace("\\|", "|") for part in parts]
