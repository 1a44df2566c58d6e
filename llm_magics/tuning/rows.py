"""Rows to learn from, in whatever form somebody has them: lines of a cell, files, tables, lists.

A row is a prompt with its completion, a chat that ends with an answer, or a plain text. Anything else is
refused with the first row that is not, and what it should look like.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..chat.messages import check_messages
from ..clean import line
from ..errors import LLMMagicsError, UsageError

ARROWS = ("⇒", "=>")
PAIRS = (("prompt", "completion"), ("question", "answer"), ("instruction", "output"), ("input", "output"))
FORMS = (
    'a row is {"prompt": …, "completion": …}, {"messages": […]} or {"text": …}; '
    "in a cell also: question ⇒ answer"
)
ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".txt")
MOST_BYTES = 256 << 20  # of a file


@dataclass(frozen=True, slots=True)
class Row:
    """What is learnt from.

    Attributes:
        number: its place in the source, from 1.
        messages: ``{"role", "content"}``, the last one the assistant's; empty for a plain text.
        text: of a plain text.
    """

    number: int
    messages: tuple[Mapping[str, str], ...] = ()
    text: str = ""


def read_rows(source: Any) -> list[Row]:
    """The rows of a cell's text, a file (CSV, JSON, JSONL, text), a pandas or ``datasets`` table, or a list.

    Raises:
        UsageError: there are none, or one is not a row; the message shows the first of them.
    """
    if isinstance(source, Path) or (isinstance(source, str) and (_is_file(source) or _named(source))):
        values: Iterable[Any] = _of_file(Path(source))
    elif isinstance(source, str):
        values = _of_lines(source)
    elif hasattr(source, "to_dict") and hasattr(source, "columns"):  # pandas, which need not be installed
        values = source.to_dict("records")
    elif isinstance(source, Iterable) and not isinstance(source, (Mapping, bytes)):
        values = source
    else:
        raise UsageError(f"{type(source).__name__} holds no rows", hint=FORMS)
    rows = [_row(number, value) for number, value in enumerate(values, 1)]
    if not rows:
        raise UsageError("there are no rows", hint=FORMS)
    return rows


def _row(number: int, value: Any) -> Row:
    if isinstance(value, str) and value.strip():
        return Row(number, text=value)
    if isinstance(value, Mapping):
        given = {str(key).strip().lower(): each for key, each in value.items()}
        if "messages" in given:
            return Row(number, _chat(number, given["messages"], value))
        for asked, answered in PAIRS:
            if asked in given and answered in given:
                return Row(number, _pair(number, given[asked], given[answered], value))
        if isinstance(text := given.get("text"), str) and text.strip():
            return Row(number, text=text)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and len(value) == 2:
        return Row(number, _pair(number, value[0], value[1], value))
    raise _refusal(number, value)


def _pair(number: int, asked: Any, answered: Any, shown: Any) -> tuple[Mapping[str, str], ...]:
    for each in (asked, answered):
        if not isinstance(each, str) or not each.strip():
            raise _refusal(number, shown, "its prompt and its completion must be texts that are not empty")
    return ({"role": "user", "content": asked}, {"role": "assistant", "content": answered})


def _chat(number: int, messages: Any, shown: Any) -> tuple[Mapping[str, str], ...]:
    if not isinstance(messages, Sequence) or isinstance(messages, (str, bytes)):
        raise _refusal(number, shown, "its messages must be a list")
    try:
        check_messages(messages)
    except LLMMagicsError as error:
        raise _refusal(number, shown, error.message) from error
    last = messages[-1]
    if last["role"] != "assistant" or not last["content"].strip():
        raise _refusal(number, shown, "its last message must be the assistant's, and not empty")
    return tuple({"role": each["role"], "content": each["content"]} for each in messages)


def _refusal(number: int, value: Any, why: str = "it is no row") -> UsageError:
    return UsageError(f"row {number}: {why}: {line(repr(value), most=160)}", hint=FORMS)


def _of_lines(text: str) -> Iterable[Any]:
    """A cell: JSON lines, or ``question ⇒ answer``."""
    for written in text.splitlines():
        stripped = written.strip()
        if not stripped:
            continue
        arrow = next((each for each in ARROWS if each in stripped), None)
        if stripped.startswith("{"):
            yield _json(stripped)
        elif arrow:
            asked, _, answered = stripped.partition(arrow)
            yield {"prompt": asked.strip(), "completion": answered.strip()}
        else:
            raise UsageError(f"this line is no row: {line(stripped, most=160)}", hint=FORMS)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"this is no JSON: {line(text, most=160)}", hint=f"{line(str(error))}. {FORMS}"
        ) from error


def _named(text: str) -> bool:
    """Whether a text is the name of a file, were it there."""
    return "\n" not in text and not any(arrow in text for arrow in ARROWS) and text.endswith(ENDINGS)


def _is_file(text: str) -> bool:
    try:
        return "\n" not in text and len(text) < 1000 and Path(text).expanduser().is_file()
    except (OSError, ValueError):
        return False


def _of_file(path: Path) -> Iterable[Any]:
    text = _text_of(path.expanduser())
    kind = path.suffix.lower()
    if kind in (".csv", ".tsv"):
        delimiter = "\t" if kind == ".tsv" else ","
        try:
            yield from csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)
        except csv.Error as error:
            raise UsageError(f"{line(path.name)} is no CSV: {error}", hint="save the table again") from error
    elif kind == ".json":
        found = _json(text)
        yield from found if isinstance(found, list) else [found]
    elif kind == ".jsonl" or text.lstrip().startswith("{"):
        yield from (_json(each) for each in text.splitlines() if each.strip())
    else:  # paragraphs
        yield from (part.strip() for part in text.split("\n\n") if part.strip())


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(
                f"{line(path.name)} is larger than {MOST_BYTES >> 20} MB", hint="a preview needs a few rows"
            )
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{line(path.name)} cannot be read: {error.strerror}", hint="check its name"
        ) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{line(path.name)} is not UTF-8: byte 0x{data[error.start]:02x} in line {where}",
            hint="save it as UTF-8",
        ) from error
