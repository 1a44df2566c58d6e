"""Conversations across cells: every answer begins one, ``-c`` goes on with it, and a cell that is run again
replaces its turn.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import UsageError

_KEPT = 50  # conversations without a name


@dataclass(slots=True)
class Turn:
    """What was asked and answered; ``cell`` is the front end's id of the cell, where it sends one."""

    cell: str | None
    asked: str
    answer: str


@dataclass(slots=True, eq=False)
class Thread:
    """A conversation, oldest turn first; ``name`` is empty for one that has none."""

    name: str = ""
    system: str | None = None
    turns: list[Turn] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a conversation a cell's turn stands, or will stand."""

    thread: Thread
    index: int

    def messages(self, asked: str) -> list[dict[str, str]]:
        """The turns before this one, and what is asked now."""
        said = [
            {"role": role, "content": text}
            for turn in self.thread.turns[: self.index]
            for role, text in (("user", turn.asked), ("assistant", turn.answer))
        ]
        return [*said, {"role": "user", "content": asked}]

    def put(self, turn: Turn) -> None:
        """Keep the turn; one that stood here is replaced, and those after it stay."""
        self.thread.turns[self.index : self.index + 1] = [turn]


class Threads:
    """The conversations of one kernel."""

    def __init__(self) -> None:
        self._all: list[Thread] = []
        self._last: Thread | None = None  # that of the newest answer

    def begin(self, cell: str | None, system: str | None) -> Place:
        """The first turn of a conversation: a new one, or the one that this cell began before."""
        for thread in self._all:
            if cell is not None and not thread.name and thread.turns[:1] and thread.turns[0].cell == cell:
                thread.system = system
                return Place(thread, 0)
        return Place(Thread(system=system), 0)

    def follow(self, name: str, cell: str | None, system: str | None) -> Place:
        """The next turn of the thread of that name, or of the last answer's; the cell's own where it has one.

        Raises:
            UsageError: there is no answer to follow.
        """
        thread = next((each for each in self._all if each.name == name), None) if name else self._of(cell)
        if thread is None and not name:
            raise UsageError(
                "there is no answer to follow yet", hint="ask without -c first, or name a thread: -c plan"
            )
        thread = thread or Thread(name)
        thread.system = system if system is not None else thread.system
        own = (n for n, turn in enumerate(thread.turns) if cell is not None and turn.cell == cell)
        return Place(thread, next(own, len(thread.turns)))

    def keep(self, place: Place, turn: Turn) -> None:
        """Put the turn, and make its conversation the last."""
        place.put(turn)
        self._last = place.thread
        if place.thread not in self._all:
            self._all.append(place.thread)
        unnamed = [thread for thread in self._all if not thread.name]
        for thread in unnamed[:-_KEPT]:
            self._all.remove(thread)

    def replace(self, before: str, after: str) -> None:
        """Replace an answer, wherever it stands, with a longer one."""
        for thread in self._all:
            for turn in thread.turns:
                if turn.answer == before:
                    turn.answer = after

    def _of(self, cell: str | None) -> Thread | None:
        """The unnamed conversation in which the cell has a turn that follows another, else the last one."""
        for thread in reversed(self._all):
            if cell is not None and not thread.name and any(turn.cell == cell for turn in thread.turns[1:]):
                return thread
        return self._last

    def __str__(self) -> str:
        """The threads with their lengths, on one line."""
        shown = [thread for thread in self._all if thread.name or thread is self._last]
        return (
            ", ".join(
                f"{thread.name or 'last answer'} ({len(thread.turns)} turn{'s' * (len(thread.turns) != 1)})"
                for thread in shown
            )
            or "none yet"
        )
