"""Conversations across cells: every answer begins one, ``-c`` goes on with it, and a cell that is run again
replaces its turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
    """

    cell: str | None
    asked: str
    answer: str
    view: str = ""


@dataclass(slots=True, eq=False)
class Conversation:
    """A conversation, oldest turn first; ``name`` is empty for one that has none."""

    name: str = ""
    system: str | None = None
    turns: list[Turn] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a conversation a cell's turn stands, or will stand."""

    conversation: Conversation
    index: int

    def messages(self, asked: str) -> list[dict[str, str]]:
        """The turns before this one, and what is asked now."""
        before = self.conversation.turns[: self.index]
        return as_messages(((turn.asked, turn.answer) for turn in before), asked)

    @property
    def shown(self) -> dict[str, Any]:
        """What the record in the notebook says of it; nothing for a first turn without a name."""
        if not self.index and not self.conversation.name:
            return {}
        return {"name": self.conversation.name, "turn": self.index + 1}

    def put(self, turn: Turn) -> None:
        """Keep the turn; one that stood here is replaced, and those after it stay."""
        self.conversation.turns[self.index : self.index + 1] = [turn]


class Conversations:
    """The conversations of one kernel."""

    def __init__(self) -> None:
        self._all: list[Conversation] = []
        self._last: Conversation | None = None  # that of the newest answer

    def begin(self, cell: str | None, system: str | None) -> Place:
        """The first turn of a conversation: a new one, or the one that this cell began before."""
        for conversation in self._all:
            if (
                cell is not None
                and not conversation.name
                and conversation.turns[:1]
                and conversation.turns[0].cell == cell
            ):
                conversation.system = system
                return Place(conversation, 0)
        return Place(Conversation(system=system), 0)

    def follow(self, name: str, cell: str | None, system: str | None) -> Place:
        """Find the next turn of the conversation of that name, or of the last answer's; the cell's own turn
        where it has one.

        Raises:
            UsageError: there is no answer to follow.
        """
        conversation = (
            next((each for each in self._all if each.name == name), None) if name else self._of(cell)
        )
        if conversation is None and not name:
            raise UsageError(
                "there is no answer to follow yet",
                hint="ask without -c first, or name a conversation: -c plan",
            )
        conversation = conversation or Conversation(name)
        conversation.system = system if system is not None else conversation.system
        own = (n for n, turn in enumerate(conversation.turns) if cell is not None and turn.cell == cell)
        return Place(conversation, next(own, len(conversation.turns)))

    def keep(self, place: Place, turn: Turn) -> list[Turn]:
        """Put the turn, and make its conversation the last.

        Returns:
            The later turns, where this one is not what they followed any more.
        """
        turns = place.conversation.turns
        before = turns[place.index] if place.index < len(turns) else None
        changed = before is not None and (before.asked, before.answer) != (turn.asked, turn.answer)
        place.put(turn)
        self._last = place.conversation
        if place.conversation not in self._all:
            self._all.append(place.conversation)
        unnamed = [conversation for conversation in self._all if not conversation.name]
        for conversation in unnamed[:-_KEPT]:
            self._all.remove(conversation)
        return turns[place.index + 1 :] if changed else []

    def lengthen(self, view: str, before: str, after: str) -> tuple[int, list[Turn]]:
        """Replace an answer with a longer one.

        Args:
            view: by which the page knows the answer. Where it has none, the one turn with the text
                ``before`` is meant; of several, none.

        Returns:
            The number of the turn, from 1, and the later turns, which followed the shorter answer.
        """
        all_turns = [(each, n) for each in self._all for n in range(len(each.turns))]
        meant = [(each, n) for each, n in all_turns if view and each.turns[n].view == view]
        meant = meant or [(each, n) for each, n in all_turns if each.turns[n].answer == before]
        if len(meant) != 1:
            return 0, []
        ((conversation, n),) = meant
        conversation.turns[n].answer = after
        return n + 1, conversation.turns[n + 1 :]

    def _of(self, cell: str | None) -> Conversation | None:
        """The unnamed conversation in which the cell has a turn that follows another, else the last one."""
        for conversation in reversed(self._all):
            if (
                cell is not None
                and not conversation.name
                and any(turn.cell == cell for turn in conversation.turns[1:])
            ):
                return conversation
        return self._last

    def __str__(self) -> str:
        """The conversations with their lengths, on one line."""
        shown = [each for each in self._all if each.name or each is self._last]
        return ", ".join(f"{each.name or 'last answer'} ({_turns(each)})" for each in shown) or "none yet"


def _turns(conversation: Conversation) -> str:
    count = len(conversation.turns)
    return f"{count} turn{'s' * (count != 1)}"
