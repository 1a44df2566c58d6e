"""The turns of a playground as a tree: a new prompt or answer stands next to the earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...chat.messages import as_messages
from ...core.records import Generation
from ...core.token_columns import MOST_TOKENS
from ...errors import RELOAD_PAGE, RUN_CELL, UsageError
from ...views.answer_text import prose
from ...views.record_codec import decode_record, encode_record
from ..channel import new_id

MOST_TURNS = 200  # of a playground, with all versions


@dataclass(slots=True, eq=False)
class Turn:
    """A question, and the answer so far.

    Attributes:
        path: the branch of the answer that the conversation goes on with.
        live: the id of the answer that is being written, or of the branch that turns off at ``fork``, or of
            what is added where ``more`` is set.
        key: by which a view knows this turn.
        after: the branch of the answer before that this turn follows.
        stars: the branches that the user marked.
        side: the answer next to that of the compared model, as a record; None where there is none.
        children: what follows, all versions of it; ``chosen`` has one of them for each branch.
    """

    prompt: str
    record: Generation | None = None
    path: int = 0
    stream_id: str = ""
    branch_point: tuple[int, int] | None = None  # parent, place
    extends: bool = False
    error: str = ""
    key: str = field(default_factory=new_id)
    after: int = 0
    children: list[Turn] = field(default_factory=list)
    selected: dict[int, Turn] = field(default_factory=dict)
    stars: set[int] = field(default_factory=set)
    side: dict[str, Any] | None = None
    _markdown: tuple[object, str] = (None, "")

    @property
    def text(self) -> str:
        """Return the answer without the model's reasoning: what a later prompt holds of it."""
        return self.record.path(self.path).answer if self.record else ""

    @property
    def markdown(self) -> str:
        """Return the answer as safe Markdown, computed once."""
        now = (self.record, self.path)
        if self._markdown[0] != now:
            self._markdown = (now, prose(self.record.path(self.path)) if self.record else "")
        return self._markdown[1]

    @property
    def following(self) -> list[Turn]:
        """Return the versions of the turn that follows this one."""
        return [child for child in self.children if child.after == self.path]

    @property
    def next(self) -> Turn | None:
        """Return the version that is chosen."""
        return self.selected.get(self.path)

    def add(self, child: Turn) -> None:
        """Put a version of the next turn, and choose it."""
        child.after = self.path
        self.children.append(child)
        self.selected[self.path] = child

    def all(self) -> Iterator[Turn]:
        """Walk over this turn's children, and theirs."""
        waiting = list(self.children)
        while waiting:
            turn = waiting.pop()
            yield turn
            waiting += turn.children


def messages(turns: Sequence[Turn], number: int) -> list[dict[str, str]]:
    """Return what the model is given for turn ``number``: the turns before it, and what is asked."""
    return as_messages(((turn.prompt, turn.text) for turn in turns[:number]), turns[number].prompt)


class Conversation:
    """All versions of a playground's conversation, of which one is looked at."""

    def __init__(self) -> None:
        self._root = Turn("")
        self._cleared: Turn | None = None

    @property
    def turns(self) -> list[Turn]:
        """List the turns that are looked at, oldest first."""
        turns: list[Turn] = []
        turn = self._root.next
        while turn is not None:
            turns.append(turn)
            turn = turn.next
        return turns

    def before(self, number: int) -> Turn:
        """Return the turn that turn ``number`` follows: for the first one the root."""
        return self.turns[number - 1] if number else self._root

    def add(self, number: int, turn: Turn) -> None:
        """Put a version of turn ``number``, and look at it; those that are there stay next to it.

        Raises:
            UsageError: there are :data:`MOST_TURNS` already.
        """
        if sum(1 for _ in self._root.all()) >= MOST_TURNS:
            raise UsageError(f"a playground has at most {MOST_TURNS} answers", hint="Clear it.")
        before = self.before(number)
        old = before.next
        if old is not None and old.record is None:  # nothing came of it
            before.children.remove(old)
        before.add(turn)

    @property
    def versions(self) -> list[tuple[int, int]]:
        """Count the versions of each turn that is looked at, and tell which of them it is, from 0."""
        turns = self.turns
        followed = ([self._root, *turns][number].following for number in range(len(turns)))
        return [(len(item), item.index(turn)) for item, turn in zip(followed, turns, strict=True)]

    def choose(self, number: int, version: int) -> None:
        """Look at another version of turn ``number``.

        Raises:
            UsageError: there is none of that number.
        """
        before = self.before(number)
        if not 0 <= version < len(before.following):
            raise UsageError(f"version {version + 1} does not exist", hint=RELOAD_PAGE)
        before.selected[before.path] = before.following[version]

    def clear(self) -> None:
        """Begin anew; :meth:`undo` brings back what was there."""
        if self._root.children:
            self._cleared, self._root = self._root, Turn("")

    @property
    def can_undo(self) -> bool:
        return self._cleared is not None and not self._root.children

    def undo(self) -> None:
        """Bring back what was cleared.

        Raises:
            UsageError: nothing was, or something was asked since.
        """
        if self._cleared is None or self._root.children:
            raise UsageError("there is nothing to restore", hint="Ask something first.")
        self._root, self._cleared = self._cleared, None

    # --- in the notebook

    def others(self) -> list[dict[str, Any]]:
        """Return what is not looked at, as plain JSON: turns that are looked at are named by their number."""
        shown = {turn.key: number for number, turn in enumerate(self.turns)}
        places: dict[str, int] = {self._root.key: -1}
        entries: list[dict[str, Any]] = []
        waiting = [self._root]
        while waiting:
            parent = waiting.pop(0)
            for child in parent.children:
                places[child.key] = len(entries)
                entry: dict[str, Any] = {
                    "parent": places[parent.key],
                    "after": child.after,
                    "chosen": parent.selected.get(child.after) is child,
                }
                if child.key in shown:
                    entry["turn"] = shown[child.key]
                else:
                    entry |= {"asked": child.prompt, "path": child.path}
                    entry["kept"] = encode_record(child.record) if child.record else None
                    entry["stars"] = sorted(child.stars)
                entries.append(entry)
                waiting.append(child)
        return entries if len(entries) > len(shown) else []

    @staticmethod
    def read(turns: Any, others: Any) -> Conversation:
        """Read what a notebook's file holds: anybody may have written it.

        Raises:
            UsageError, ModelFileError: it cannot be read.
        """
        left = MOST_TOKENS

        def turn_of(saved: dict[str, Any]) -> Turn:
            nonlocal left
            payload = saved.get("kept")
            record = decode_record(payload, most=left) if isinstance(payload, dict) else None
            left -= len(record.tokens) if record is not None else 0
            if record is not None and not isinstance(record, Generation):
                raise UsageError("a saved answer in this conversation cannot be read", hint=RUN_CELL)
            path = saved.get("path", 0)
            ends = isinstance(path, int) and record is not None and 0 <= path <= len(record.branches)
            turn = Turn(str(saved.get("asked", "")), record, path if ends else 0)
            stars, side, count = saved.get("stars"), saved.get("side"), len(record.branches) if record else 0
            if isinstance(stars, list):
                turn.stars = {star for star in stars if isinstance(star, int) and 0 <= star <= count}
            if isinstance(side, dict) and side.get("view") == "side_by_side":
                turn.side = side
            return turn

        shown = dict(enumerate(turn_of(item) for item in _objects(turns)))
        conversation = Conversation()
        places: list[Turn] = []
        entries = _objects(others) or [{"parent": n - 1, "turn": n} for n in range(len(shown))]
        for entry in entries:
            number, parent = entry.get("turn"), entry.get("parent")
            if not isinstance(parent, int) or not -1 <= parent < len(places):
                raise UsageError("the versions of this conversation have the wrong format", hint=RUN_CELL)
            if number is None:
                turn = turn_of(entry)
            elif isinstance(number, int) and number in shown:
                turn = shown.pop(number)  # once: a turn that followed itself would have no end
            else:
                raise UsageError("the versions of this conversation have the wrong format", hint=RUN_CELL)
            before = places[parent] if parent >= 0 else conversation._root
            after = entry.get("after", before.path)
            turn.after = after if isinstance(after, int) else 0
            before.children.append(turn)
            if entry.get("chosen", True) or turn.after not in before.selected:
                before.selected[turn.after] = turn
            places.append(turn)
        return conversation


def _objects(value: Any) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UsageError("the turns of this conversation have the wrong format", hint=RUN_CELL)
    return value[:MOST_TURNS]
