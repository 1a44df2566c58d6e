"""Where rows come from: the lines of a cell, and files, read as far as they are needed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from ..core.files import open_regular
from ..errors import UsageError
from ..sanitize import single_line

ARROWS = ("⇒", "=>")
ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".txt")
MOST_BYTES = 64 << 20  # of a file that must be read whole
MOST_LINE = 4 << 20  # letters


class Refused(Exception):
    """A value that is no row.

    Args:
        message: what is wrong, with the row.
        hint: what a row is.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def line_values(text: str) -> Iterator[Any]:
    """Yield the values of a cell: JSON lines, or ``question ⇒ answer``.

    A :class:`Refused` for any other line.
    """
    for number, written in enumerate(text.split("\n"), 1):
        stripped = written.strip()
        if not stripped:
            continue
        arrow = next((item for item in ARROWS if item in stripped), None)
        if stripped.startswith("{"):
            yield _json(stripped, number)
        elif arrow:
            asked, _, answered = stripped.partition(arrow)
            yield {"prompt": asked.strip(), "completion": answered.strip()}
        else:
            yield Refused(f"line {number} is not a row: {single_line(stripped, most=160)}")


def names_file(text: str) -> bool:
    """Return whether a text is the name of a file, were it there."""
    return "\n" not in text and not any(arrow in text for arrow in ARROWS) and text.endswith(ENDINGS)


def is_file(text: str) -> bool:
    """Return whether a text is the name of something on the disk."""
    try:
        return "\n" not in text and 0 < len(text) < 1000 and Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):
        return False


def file_values(path: Path) -> Iterator[Any]:
    """Yield the values of a file: the rows of a table, JSON lines, a JSON list, or paragraphs.

    Raises:
        UsageError: it cannot be read, is too large to be read whole, or is damaged.
    """
    with _opened(path) as file:
        kind = path.suffix.lower()
        try:
            if kind in (".csv", ".tsv"):
                yield from _table(file, "\t" if kind == ".tsv" else ",", path)
            elif kind == ".json":
                yield from _list(file, path)
            elif kind == ".jsonl" or _begins_with_brace(file):
                yield from _lines(file)
            else:
                yield from (part.strip() for part in _whole(file, path).split("\n\n") if part.strip())
        except UnicodeDecodeError as error:
            raise _not_utf8(path) from error
        except OSError as error:
            raise UsageError(
                f"{single_line(path.name)} cannot be read: {error.strerror}", hint="Check the file."
            ) from error


def _opened(path: Path) -> TextIO:
    try:
        return open(open_regular(path.expanduser()), encoding="utf-8-sig", newline="")
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{single_line(path.name)} cannot be read: {why}", hint="Check the name.") from error


def _table(file: TextIO, delimiter: str, path: Path) -> Iterator[Any]:
    reader = csv.DictReader(_bounded(file), delimiter=delimiter, strict=True, restkey="")
    try:
        for number, row in enumerate(reader, 1):
            if "" in row and isinstance(row[""], list):
                yield Refused(f"row {number}: it has more fields than the header")
            else:
                yield row
    except csv.Error as error:
        raise UsageError(
            f"{single_line(path.name)} is not a valid CSV file: {error}", hint="Save the table again."
        ) from error


def _list(file: TextIO, path: Path) -> Iterable[Any]:
    text = _whole(file, path)
    try:
        result = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{single_line(path.name)} is not valid JSON: {single_line(str(error), most=160)}",
            hint="Save JSON lines as .jsonl.",
        ) from error
    return result if isinstance(result, list) else [result]


def _lines(file: TextIO) -> Iterator[Any]:
    """Yield JSON lines. A line ends at a line feed only."""
    for number, written in enumerate(_bounded(file), 1):
        if written.strip():
            yield _json(written.strip(), number)


def _json(text: str, number: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return Refused(
            f"line {number} is not valid JSON ({single_line(str(error), most=80)}): "
            f"{single_line(text, most=160)}"
        )


def _bounded(file: TextIO) -> Iterator[str]:
    """Yield the lines of a file, none longer than MOST_LINE."""
    while text := file.readline(MOST_LINE):
        if len(text) == MOST_LINE:
            raise UsageError(f"a line has more than {MOST_LINE:,} characters", hint="Write one row per line.")
        yield text


def _begins_with_brace(file: TextIO) -> bool:
    start = file.read(4096).lstrip()
    file.seek(0)
    return start.startswith("{")


def _whole(file: TextIO, path: Path) -> str:
    text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise UsageError(
            f"{single_line(path.name)} is larger than {MOST_BYTES >> 20} MB",
            hint="Use fewer rows.",
        )
    return text.replace("\r\n", "\n")


def _not_utf8(path: Path) -> UsageError:
    """Return the error that names the first byte that is not UTF-8, and its line."""
    with open(path.expanduser(), "rb") as file:
        for number, data in enumerate(file, 1):
            try:
                data.decode("utf-8")
            except UnicodeDecodeError as error:
                return UsageError(
                    f"{single_line(path.name)} is not UTF-8: byte 0x{data[error.start]:02x} in line {number}",
                    hint="Save it as UTF-8.",
                )
    return UsageError(f"{single_line(path.name)} is not UTF-8", hint="Save it as UTF-8.")
