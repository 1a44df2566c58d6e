"""One place that cleans what is shown: a model's text and a file's words must not drive a terminal."""

from __future__ import annotations

import re
import sys
from typing import Any

_SEQUENCES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|[\]PX^_][^\x07\x1b\x9c]{0,10000}(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, …: titles, links, the clipboard
    r"|[ -/]*[0-~])?"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
# Controls but tab and line break; marks that turn the direction of what follows; halves of characters.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def printable(text: str, *, most: int | None = None) -> str:
    """Return the text without control sequences and characters, cut at ``most`` letters."""
    if not text.isprintable():  # most texts are short and plain
        text = _CONTROLS.sub("", _SEQUENCES.sub("", text))
        text = _SURROGATES.sub("\ufffd", text)
    return text if most is None or len(text) <= most else text[: most - 1] + "…"


def single_line(text: str, *, most: int = 200) -> str:
    """Return the same on one line."""
    return printable(" ".join(text.split()), most=most)


_PLAIN = str.maketrans(
    {
        "—": "-",
        "–": "-",
        "…": "...",
        "→": "->",
        "⇒": "=>",
        "×": "x",
        "·": "-",
        "▸": ">",
        "“": '"',
        "”": '"',
        "’": "'",
    }
)


def encodable(text: str, stream: Any) -> str:
    """Replace characters that the stream's encoding lacks by plain letters or question marks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        try:
            return text.translate(_PLAIN).encode(encoding, "replace").decode(encoding, "replace")
        except LookupError:
            return text.translate(_PLAIN).encode("ascii", "replace").decode("ascii")
    return text


def safe_print(text: str, *, end: str = "\n", file: Any = None, flush: bool = False) -> None:
    """Print to a terminal that may not be UTF-8."""
    stream = sys.stdout if file is None else file
    print(encodable(text, stream), end=end, file=stream, flush=flush)


def replace_surrogates(value: Any) -> Any:
    """Return plain JSON with U+FFFD for every half of a surrogate pair.

    A message that holds one cannot be sent.
    """
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {replace_surrogates(key): replace_surrogates(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [replace_surrogates(item) for item in value]
    return value
