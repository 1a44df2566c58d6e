"""Subcommands about conversations: list, show, copy, take back, remove, write to a file, answer again."""

from __future__ import annotations

import json
from pathlib import Path

from ...core.files import write_atomic
from ...errors import StoreError, UsageError
from ...sanitize import printable, safe_print
from ...sanitize import single_line as one_line
from ..conversations import Conversation
from ..parsing.cell_request import CellRequest
from .base import CommandHost, CommandLine, Subcommand, words_up_to

_ACTIONS = {"show": (0, 1), "fork": (1, 2), "undo": (0, 1), "clear": (0, 1), "export": (1, 2)}


def _line(line: CommandLine) -> CellRequest | None:
    """Read nothing, or an action with its names."""
    if line.before or (line.words and line.words[0] not in _ACTIONS):
        return None
    if line.words:
        least, most = _ACTIONS[line.words[0]]
        if not least <= len(line.words) - 1 <= most:
            return None
    return CellRequest("threads", " ".join(line.words))


def _threads(magics: CommandHost, request: CellRequest) -> None:
    action, *words = request.prompt.split() or [""]
    conversations = magics.conversations
    if not action:
        return safe_print(_listing(magics))
    if action == "show":
        return safe_print(printable(as_markdown(conversations.find(words[0] if words else ""))))
    if action == "fork":
        name, new = words if len(words) == 2 else ("", words[0])
        copy = conversations.fork(name, new)
        return safe_print(f"{one_line(new)} is a copy with {_turns(copy)}; go on with -c {one_line(new)}.")
    if action == "undo":
        name = words[0] if words else ""
        turn = conversations.undo(name)
        return safe_print(f"Taken back: {one_line(turn.prompt, most=60)}")
    if action == "clear":
        gone = conversations.clear(words[0] if words else "")
        return safe_print(f"{_name(gone)} is removed, with {_turns(gone)}.")
    name, path = words if len(words) == 2 else ("", words[0])
    return safe_print(f"{export(conversations.find(name), Path(path))} is written.")


def _refresh(magics: CommandHost, request: CellRequest) -> None:
    """Answer the stale turns of a conversation again."""
    done = magics.conversations.refresh(request.prompt, magics.answer_again)
    told = f"Answered again: turn {', '.join(map(str, done))}." if done else "No turn is stale."
    safe_print(told)


def as_markdown(conversation: Conversation) -> str:
    """Return a conversation as Markdown."""
    parts = [f"# {_name(conversation)}"]
    if conversation.system:
        parts.append(f"*system:* {conversation.system}")
    for number, turn in enumerate(conversation.turns, 1):
        stale = f" (from before turn {turn.stale} was changed)" if turn.stale else ""
        parts += [f"## {number}. asked", turn.prompt, f"## {number}. answered{stale}", turn.answer]
    return "\n\n".join(parts)


def as_json(conversation: Conversation) -> str:
    """Return a conversation as JSON: name, system message and messages."""
    messages = [
        {"role": role, "content": text}
        for turn in conversation.turns
        for role, text in (("user", turn.prompt), ("assistant", turn.answer))
    ]
    head = {"name": conversation.name, "system": conversation.system, "messages": messages}
    return json.dumps(head, ensure_ascii=False, indent=1)


def export(conversation: Conversation, path: Path) -> Path:
    """Write a conversation to a new file: Markdown, or JSON by the name's end.

    Raises:
        UsageError: the file exists, or its name has another end.
        StoreError: it cannot be written.
    """
    if path.suffix not in (".md", ".json"):
        raise UsageError(f"{one_line(str(path))} must end in .md or .json", hint="Choose such a name.")
    if path.exists():
        raise UsageError(f"{one_line(str(path))} exists already", hint="Choose another name.")
    text = as_json(conversation) if path.suffix == ".json" else as_markdown(conversation)
    try:
        write_atomic(path, text.encode("utf-8", "replace").decode())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}", hint="Choose another folder.") from None
    return path


def _listing(magics: CommandHost) -> str:
    rows = []
    for conversation in magics.conversations.all:
        last = magics.conversations.is_last(conversation)
        if not (conversation.name or last):
            continue
        stale = sum(1 for turn in conversation.turns if turn.stale)
        told = f"{_turns(conversation)}" + (f", {stale} stale: %llm refresh" if stale else "")
        first = one_line(conversation.turns[0].prompt, most=50) if conversation.turns else ""
        rows.append(f"{_name(conversation):<16} {told:<12} {first}{'  (last answer)' * last}")
    return "\n".join(rows) or "There is no conversation yet. Begin one: %%llm -c plan."


def _name(conversation: Conversation) -> str:
    return one_line(conversation.name) or "last"


def _turns(conversation: Conversation) -> str:
    count = len(conversation.turns)
    return f"{count} turn{'s' * (count != 1)}"


COMMANDS = {
    "threads": Subcommand(
        "%llm threads [show|undo|clear [NAME], fork [NAME] NEW, export [NAME] FILE]",
        "list the conversations; show, copy, take back a turn, remove, or write to a .md or .json file",
        _threads,
        _line,
        example="%llm threads fork plan b",
        details="Without NAME, the conversation of the last answer is meant. -c NAME goes on with one.",
    ),
    "refresh": Subcommand(
        "%llm refresh [NAME]",
        "answer the turns again that followed a turn which was changed",
        _refresh,
        words_up_to(1),
        strict=False,
    ),
}
