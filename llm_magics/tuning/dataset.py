"""Rows to learn from, in the forms in which people have them.

A row is a prompt with its completion, a chat that ends with an answer, or a plain text. What is none of
them is left out, and the notes say which row and why; a column that is not used is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard

from ..chat.messages import check_messages
from ..errors import LLMMagicsError, UsageError
from ..sanitize import single_line
from .dataset_files import Refused, file_values, is_file, line_values, names_file

PAIRS = (("prompt", "completion"), ("question", "answer"), ("instruction", "output"), ("input", "output"))
CHATS = ("messages", "conversations", "conversation")
SYSTEM = ("system", "system_prompt")
MORE = ("input", "context")  # what a prompt's own text goes with: alpaca's input, a passage
FORMS = (
    'Write a row as {"prompt": …, "completion": …}, {"messages": […]} or {"text": …}; '
    "in a cell also as question ⇒ answer."
)
MOST_ROWS = 100_000
SHOWN = 3  # rows that are left out, by name
# What sharegpt and others call a role.
_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "developer": "system",
}


@dataclass(frozen=True, slots=True)
class Row:
    """What is learnt from.

    Attributes:
        number: its place in the source, from 1.
        messages: ``{"role", "content"}``, the last one the assistant's; empty for a plain text.
        text: of a plain text.
        prompt_messages: how many of the first messages are the prompt, of which no answer is learnt.
    """

    number: int
    messages: tuple[Mapping[str, str], ...] = ()
    text: str = ""
    prompt_messages: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """The rows of a source.

    Attributes:
        rows: in their order.
        notes: which rows are left out and why, and which columns are not used.
    """

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_rows(source: Any) -> Dataset:
    """Read rows from text, a file (CSV, JSON, JSONL, text), a pandas or ``datasets`` table, or a list.

    Raises:
        UsageError: there are none, or none is a row; the message shows the first that is not.
    """
    if isinstance(source, Path) or (isinstance(source, str) and (is_file(source) or names_file(source))):
        values: Iterable[Any] = file_values(Path(source))
    elif isinstance(source, str):
        values = line_values(source)
    elif hasattr(source, "to_dict") and hasattr(source, "columns"):  # pandas, which need not be installed
        values = source.to_dict("records")
    elif isinstance(source, Iterable) and not isinstance(source, (Mapping, bytes)):
        values = source
    else:
        raise UsageError(f"{type(source).__name__} has no rows", hint=FORMS)
    result, unused, refused, count = Dataset(), dict[str, None](), list[Refused](), 0
    for number, value in enumerate(islice(values, MOST_ROWS + 1), 1):
        if number > MOST_ROWS:
            result.notes.append(f"the first {MOST_ROWS:,} rows are read, and no more")
            break
        count = number
        try:
            row, more = _row(number, value)
        except Refused as error:
            refused.append(error)
            continue
        result.rows.append(row)
        unused |= dict.fromkeys(more)
    if not result.rows:
        if refused:
            raise UsageError(refused[0].message, hint=refused[0].hint or FORMS)
        raise UsageError("there are no rows", hint=FORMS)
    result.notes.extend(_left_out(refused, count))
    if unused:
        names = ", ".join(single_line(name, most=40) for name in islice(unused, 12))
        result.notes.append(
            f"{'a column that is' if len(unused) == 1 else 'columns that are'} not used: {names}"
        )
    return result


def _left_out(refused: Sequence[Refused], count: int) -> Iterator[str]:
    """Yield notes about rows that were left out."""
    for error in refused[:SHOWN]:
        yield f"left out: {error.message}"
    if len(refused) > SHOWN:
        yield f"{len(refused):,} of {count:,} rows are left out in all"


def _row(number: int, value: Any) -> tuple[Row, list[str]]:
    """Return a row, and the columns that it does not use.

    Raises:
        Refused: it is none.
    """
    if isinstance(value, Refused):
        raise value
    if isinstance(value, str) and value.strip():
        return Row(number, text=value), []
    if isinstance(value, Mapping):
        return _of_columns(number, {str(key).strip().lower(): item for key, item in value.items()}, value)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and len(value) == 2:
        return Row(number, _pair(number, value[0], value[1], value)), []
    raise _refusal(number, value)


def _of_columns(number: int, columns: Mapping[str, Any], shown: Any) -> tuple[Row, list[str]]:
    if _filled(columns.get("tools")):
        raise _refusal(number, shown, "it has tools, which cannot be learnt yet")
    system = next((name for name in SYSTEM if _filled(columns.get(name))), None)
    first = [] if system is None else [{"role": "system", "content": _text(number, columns[system], shown)}]
    used = {system, "tools"}

    def unused(*names: str) -> list[str]:
        return [name for name, value in columns.items() if name not in used.union(names) and _filled(value)]

    chat = next((name for name in CHATS if name in columns), None)
    if chat is not None:
        return Row(number, (*first, *_chat(number, columns[chat], shown))), unused(chat)
    for asked, answered in PAIRS:
        if asked not in columns or answered not in columns:
            continue
        question, answer = columns[asked], columns[answered]
        if _is_list(question) or _is_list(answer):  # trl's conversational form
            before = _messages(number, question, "user", shown)
            messages = (*first, *before, *_messages(number, answer, "assistant", shown))
            _check_chat(number, messages, shown)
            return Row(number, messages, prompt_messages=len(first) + len(before)), unused(asked, answered)
        more = next((name for name in MORE if name != asked and _filled(columns.get(name))), None)
        if more is not None and isinstance(question, str) and question.strip():
            extra = _text(number, columns[more], shown)
            question = f"{extra}\n\n{question}" if more == "context" else f"{question}\n\n{extra}"
        earlier = _history(number, columns.get("history"), shown)
        pair = _pair(number, question, answer, shown)
        messages = (*first, *earlier, *pair)
        _check_chat(number, messages, shown)
        return Row(number, messages), unused(asked, answered, "history", *([more] if more else []))
    text = columns.get("text")
    if isinstance(text, str) and text.strip() and system is None:
        return Row(number, text=text), unused("text")
    raise _refusal(number, shown)


def _filled(value: Any) -> bool:
    """Return whether a column has something in this row; pandas has NaN where there is nothing."""
    return not (value is None or value in ("", [], {}) or (isinstance(value, float) and math.isnan(value)))


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _text(number: int, value: Any, shown: Any) -> str:
    if not isinstance(value, str):
        raise _refusal(number, shown, "its columns must be texts")
    return value


def _pair(number: int, asked: Any, answered: Any, shown: Any) -> tuple[Mapping[str, str], ...]:
    for item in (asked, answered):
        if not isinstance(item, str) or not item.strip():
            raise _refusal(number, shown, "its prompt and its completion must be texts that are not empty")
    return ({"role": "user", "content": asked}, {"role": "assistant", "content": answered})


def _history(number: int, value: Any, shown: Any) -> tuple[Mapping[str, str], ...]:
    """Return earlier turns, as pairs of a question and its answer."""
    if not _filled(value):
        return ()
    if not _is_list(value) or not all(_is_list(pair) and len(pair) == 2 for pair in value):
        raise _refusal(number, shown, "its history must be pairs of a question and an answer")
    return tuple(message for pair in value for message in _pair(number, pair[0], pair[1], shown))


def _messages(number: int, value: Any, role: str, shown: Any) -> tuple[Mapping[str, str], ...]:
    """Return the messages of a list, or one message of that role."""
    if isinstance(value, str):
        return ({"role": role, "content": value},)
    return _listed(number, value, shown)


def _chat(number: int, value: Any, shown: Any) -> tuple[Mapping[str, str], ...]:
    messages = _listed(number, value, shown)
    _check_chat(number, messages, shown)
    return messages


def _listed(number: int, value: Any, shown: Any) -> tuple[Mapping[str, str], ...]:
    """Return a list of messages, of which each has a role and a text, whatever these are called."""
    if not _is_list(value):
        raise _refusal(number, shown, "its messages must be a list")
    result = []
    for message in value:
        if not isinstance(message, Mapping):
            raise _refusal(number, shown, "a message must have a role and a text")
        fields = {str(key): item for key, item in message.items() if _filled(item) or key == "content"}
        if "from" in fields and "value" in fields:
            fields |= {"role": fields.pop("from"), "content": fields.pop("value")}
        if isinstance(fields.get("role"), str):
            fields["role"] = _ROLES.get(fields["role"], fields["role"])
        parts = fields.get("content")
        if _is_list(parts) and all(
            isinstance(item, Mapping) and item.get("type") == "text" for item in parts
        ):
            fields["content"] = "".join(str(item.get("text", "")) for item in parts)
        if "tool_calls" in fields:
            raise _refusal(number, shown, "it calls tools, which cannot be learnt yet")
        result.append(fields)
    return tuple(result)


def _check_chat(number: int, messages: Sequence[Mapping[str, str]], shown: Any) -> None:
    try:
        check_messages(messages)
    except LLMMagicsError as error:
        raise _refusal(number, shown, error.message) from error
    if messages[-1]["role"] != "assistant" or not messages[-1]["content"].strip():
        raise _refusal(number, shown, "its last message must be the assistant's, and not empty")


def _refusal(number: int, value: Any, why: str = "it is not a row") -> Refused:
    return Refused(f"row {number}: {why}: {single_line(repr(value), most=160)}", FORMS)
