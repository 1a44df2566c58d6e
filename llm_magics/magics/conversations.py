"""Conversations across cells.

Every answer begins one, ``-c`` goes on with it, and a cell that is run again replaces its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ..chat.messages import as_messages
from ..errors import UsageError

_KEPT = 50  # conversations without a name


@dataclass(slots=True)
class Turn:
    """What was asked and answered.

    Attributes:
        cell: the front end's id of the cell, where it sends one.
        view: the id by which a view in the page knows the answer; empty where there is none.
        options: the sampling options that the cell stated.
        think: the most tokens of reasoning that the cell allowed; 0 is none, None no limit.
        stale: the number of an earlier turn that is another one now, from 1; 0 for none.
    """

    cell: str | None
    prompt: str
    answer: str
    view: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    stale: int = 0
    think: int | None = None


@dataclass(slots=True, eq=False)
class Conversation:
    """A conversation, oldest turn first; ``name`` is empty for one that has none."""

    name: str = ""
    system: str | None = None
    turns: list[Turn] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TurnPosition:
    """Where in a conversation a cell's turn stands, or will stand."""

    conversation: Conversation
    index: int

    def messages(self, asked: str) -> list[dict[str, str]]:
        """Return the turns before this one, and what is asked now."""
        before = self.conversation.turns[: self.index]
        return as_messages(((turn.prompt, turn.answer) for turn in before), asked)

    @property
    def label(self) -> dict[str, Any]:
        """Return what the record in the notebook says of it; nothing for a first turn without a name."""
        if not self.index and not self.conversation.name:
            return {}
        return {"name": self.conversation.name, "turn": self.index + 1}

    def set_turn(self, turn: Turn) -> None:
        """Keep the turn; one that stood here is replaced, and those after it stay."""
        self.conversation.turns[self.index : self.index + 1] = [turn]


class Conversations:
    """The conversations of one kernel."""

    def __init__(self) -> None:
        self._all: list[Conversation] = []
        self._last: Conversation | None = None  # that of the newest answer

    def begin(self, cell: str | None, system: str | None) -> TurnPosition:
        """Return the first turn of a conversation: a new one, or the one that this cell began before."""
        for conversation in self._all:
            if (
                cell is not None
                and not conversation.name
                and conversation.turns[:1]
                and conversation.turns[0].cell == cell
            ):
                conversation.system = system
                return TurnPosition(conversation, 0)
        return TurnPosition(Conversation(system=system), 0)

    def resume(self, name: str, cell: str | None, system: str | None) -> TurnPosition:
        """Find the next turn of the conversation of that name, or of the last answer's.

        The cell's own turn where it has one.

        Raises:
            UsageError: there is no answer to follow.
        """
        conversation = (
            next((item for item in self._all if item.name == name), None) if name else self._of(cell)
        )
        if conversation is None and not name:
            raise UsageError(
                "there is no conversation to continue yet",
                hint="Omit -c, or name a conversation: -c plan.",
            )
        conversation = conversation or Conversation(name)
        conversation.system = system if system is not None else conversation.system
        own = (n for n, turn in enumerate(conversation.turns) if cell is not None and turn.cell == cell)
        return TurnPosition(conversation, next(own, len(conversation.turns)))

    def commit(self, place: TurnPosition, turn: Turn) -> list[Turn]:
        """Put the turn, and make its conversation the last.

        Returns:
            The later turns, where this one is not what they followed any more.
        """
        turns = place.conversation.turns
        before = turns[place.index] if place.index < len(turns) else None
        changed = before is not None and (before.prompt, before.answer) != (turn.prompt, turn.answer)
        place.set_turn(turn)
        self._last = place.conversation
        if place.conversation not in self._all:
            self._all.append(place.conversation)
        if changed:
            _mark(turns[place.index + 1 :], place.index + 1)
        unnamed = [conversation for conversation in self._all if not conversation.name]
        for conversation in unnamed[:-_KEPT]:
            self._all.remove(conversation)
        return turns[place.index + 1 :] if changed else []

    def lengthen(self, view: str, before: str, after: str) -> tuple[int, list[Turn]]:
        """Replace an answer with a longer one.

        Args:
            view: by which the page knows the answer. Where it has none, the one turn with the text
                ``before`` is meant; of several, none.
            before: the answer before.
            after: the extended answer.

        Returns:
            The number of the turn, from 1, and the later turns, which followed the shorter answer.
        """
        all_turns = [(item, n) for item in self._all for n in range(len(item.turns))]
        meant = [(item, n) for item, n in all_turns if view and item.turns[n].view == view]
        meant = meant or [(item, n) for item, n in all_turns if item.turns[n].answer == before]
        if len(meant) != 1:
            return 0, []
        ((conversation, n),) = meant
        conversation.turns[n].answer = after
        _mark(conversation.turns[n + 1 :], n + 1)
        return n + 1, conversation.turns[n + 1 :]

    def find(self, name: str) -> Conversation:
        """Return the conversation of that name; empty or "last" is that of the newest answer.

        Raises:
            UsageError: there is no such conversation.
        """
        named = next((item for item in self._all if item.name == name and name), None)
        result = named or (self._last if name in ("", "last") else None)
        if result is None:
            known = ", ".join(self.names)
            raise UsageError(
                f"there is no conversation {name}" if name else "there is no conversation yet",
                hint=f"Choose from {known}." if known else "Write %%llm -c plan to begin one.",
            )
        return result

    def fork(self, name: str, new: str) -> Conversation:
        """Copy a conversation under a new name; cells that run again change the old one only.

        Raises:
            UsageError: the new name exists, or there is no such conversation.
        """
        source = self.find(name)
        if new in (*self.names, "last"):
            raise UsageError(f"there is a conversation {new} already", hint="Choose another name.")
        turns = [replace(turn, cell=None, view="", options=dict(turn.options)) for turn in source.turns]
        copy = Conversation(new, source.system, turns)
        self._all.append(copy)
        return copy

    def undo(self, name: str) -> Turn:
        """Take off the last turn of a conversation, and return it.

        Raises:
            UsageError: it has no turn.
        """
        conversation = self.find(name)
        if not conversation.turns:
            raise UsageError("the conversation has no turn", hint="Ask something first.")
        return conversation.turns.pop()

    def clear(self, name: str) -> Conversation:
        """Remove a conversation, and return it."""
        conversation = self.find(name)
        self._all = [item for item in self._all if item is not conversation]
        self._last = None if self._last is conversation else self._last
        return conversation

    def refresh(self, name: str, run: Callable[[TurnPosition, Turn], str]) -> list[int]:
        """Answer the stale turns of a conversation again, in order.

        Args:
            name: of the conversation.
            run: answers a turn at its place.

        Returns:
            The numbers of the turns, from 1.
        """
        conversation, done = self.find(name), []
        for index, turn in enumerate(conversation.turns):
            if not turn.stale:
                continue
            before, turn.answer = turn.answer, run(TurnPosition(conversation, index), turn)
            turn.stale = 0
            done.append(index + 1)
            if turn.answer != before:  # later ones that were answered meanwhile followed the earlier answer
                _mark(conversation.turns[index + 1 :], index + 1)
        return done

    @property
    def all(self) -> list[Conversation]:
        """List the conversations, oldest first."""
        return list(self._all)

    def is_last(self, conversation: Conversation) -> bool:
        """Return whether the newest answer is a turn of a conversation."""
        return conversation is self._last

    def _of(self, cell: str | None) -> Conversation | None:
        """Return the unnamed conversation in which the cell has a later turn, else the last conversation."""
        for conversation in reversed(self._all):
            if (
                cell is not None
                and not conversation.name
                and any(turn.cell == cell for turn in conversation.turns[1:])
            ):
                return conversation
        return self._last

    @property
    def names(self) -> list[str]:
        """List the names of the conversations that have one."""
        return [conversation.name for conversation in self._all if conversation.name]

    def __str__(self) -> str:
        """Return the conversations with their lengths, on one line."""
        shown = [item for item in self._all if item.name or item is self._last]
        return ", ".join(f"{item.name or 'last answer'} ({_turns(item)})" for item in shown) or "none yet"


def _mark(turns: Iterable[Turn], number: int) -> None:
    """Mark turns as stale since turn ``number`` is another one; those that are stale stay as they are."""
    for turn in turns:
        turn.stale = turn.stale or number


def _turns(conversation: Conversation) -> str:
    count = len(conversation.turns)
    return f"{count} turn{'s' * (count != 1)}"
