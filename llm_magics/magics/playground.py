"""A place to try: a conversation with a model, its settings, and the tokens of every answer.

The state lives here, in the kernel; a view draws it and sends orders. What is kept in the notebook holds the
whole conversation, so that a view without this object (another session) can begin it again.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..clean import line
from ..core import progress
from ..core.columns import MOST_TOKENS
from ..core.options import sampling_options
from ..core.records import Generation
from ..errors import LLMMagicsError, UsageError
from ..views.kept import kept, read_kept
from ..views.playground import playground_bundle
from . import source
from .channel import Sender, new_id, whole
from .live import Lives

if TYPE_CHECKING:
    from ..engine.generate import Stream
    from ..models.model import Model

MOST_TURNS = 200
SETTINGS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed")


class Models(Protocol):
    """Where the model comes from; it is shared with the cells."""

    @property
    def loaded(self) -> Model | None: ...
    def use(self, name: str | None) -> Model: ...


@dataclass(slots=True)
class Turn:
    """What was asked, and the answer so far.

    Attributes:
        path: the branch that the conversation goes on with.
        live: the id of the answer that is being made, or of the branch that turns off at ``fork``.
    """

    asked: str
    record: Generation | None = None
    path: int = 0
    live: str = ""
    fork: tuple[int, int] | None = None  # parent, place
    failed: str = ""

    @property
    def text(self) -> str:
        return self.record.path(self.path).text if self.record else ""


def surroundings(models: Models) -> dict[str, Any]:
    """The models that can be chosen, and the memory that there is."""
    import psutil

    from ..engine.kv import free_bytes
    from ..sources import catalog

    loaded = models.loaded
    rows = [
        {"name": row.name, "title": row.title, "licence": row.licence, "bytes": int(1.4 * row.size_bytes)}
        for row in catalog.entries().values()
    ]
    if loaded and loaded.name not in catalog.entries():
        licence, size = loaded.info.licence, loaded.memory_bytes
        rows.append({"name": loaded.name, "title": loaded.name, "licence": licence, "bytes": size})
    return {"models": rows, "memory": {"free": free_bytes(), "total": psutil.virtual_memory().total}}


class Playground:
    """One conversation.

    Args:
        channel: where news go.
        models: shared with the cells.

    Attributes:
        model: a name; None takes the one that is loaded, else the default model.
        widget: where it is shown as one.
    """

    def __init__(self, channel: Sender, models: Models, lives: Lives) -> None:
        self.id = new_id()
        self._channel, self._models, self._lives = channel, models, lives
        self.model: str | None = None
        self._settings: dict[str, Any] = {}
        self._system, self._raw = "", False
        self._change: Any = 0  # which of the view's changes the settings are
        self._turns: list[Turn] = []
        self._loading: dict[str, Any] | None = None
        self._failed = ""
        self._stream: Stream | None = None
        self._lock = threading.Lock()  # one answer at a time
        self.widget: Any = None

    # --- what it looks like

    def state(self) -> dict[str, Any]:
        """Everything but the records, as plain JSON."""
        options = sampling_options(self._settings)
        loaded = self._models.loaded
        return {
            "id": self.id,
            "model": self.model or (loaded.name if loaded else None),
            "settings": {name: getattr(options, name) for name in SETTINGS},
            "set": self._change,
            "system": self._system,
            "raw": self._raw,
            "turns": [
                {name: getattr(turn, name) for name in ("asked", "live", "failed", "path", "fork")}
                for turn in self._turns
            ],
            "loading": self._loading,
            "failed": self._failed,
        }

    def bundle(self) -> dict[str, Any]:
        """What the notebook keeps."""
        state = self.state()
        for shown, turn in zip(state["turns"], self._turns, strict=True):
            shown["kept"] = kept(turn.record) if turn.record else None
            shown["live"] = ""
        records = [(turn.asked, turn.record) for turn in self._turns]
        return playground_bundle({**state, "loading": None, "set": 0}, records)

    def take(self, saved: Any) -> None:
        """Go on with a conversation that a notebook kept.

        Raises:
            UsageError, ModelFileError: it cannot be read.
        """
        if not isinstance(saved, dict):
            raise UsageError("there is no conversation to go on with", hint="run the cell again")
        self._set(saved)
        self._take_model(saved.get("model"))
        turns: list[Turn] = []
        given, left = saved.get("turns", []), MOST_TOKENS
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            raise UsageError("the turns of this conversation are none", hint="run the cell again")
        for each in given[:MOST_TURNS]:
            kept_one = each.get("kept")
            record = read_kept(kept_one, most=left) if isinstance(kept_one, dict) else None
            left -= len(record.tokens) if record is not None else 0
            if record is not None and not isinstance(record, Generation):
                raise UsageError("an answer of this conversation is none", hint="run the cell again")
            path = each.get("path", 0)
            ends = isinstance(path, int) and record is not None and 0 <= path <= len(record.branches)
            turns.append(Turn(str(each.get("asked", "")), record, path if ends else 0))
        self._turns = turns

    def _take_model(self, name: Any) -> None:
        """A notebook's file may name any model, and is not asked to fetch it."""
        from ..sources import catalog

        loaded = self._models.loaded
        if name in (None, *catalog.entries(), loaded and loaded.name):
            self.model = name
        else:
            self._failed = (
                f"this conversation was held with {line(str(name))}\n  → load it by its name on the left"
            )

    # --- orders

    def obey(self, order: dict[str, Any]) -> None:
        """Follow an order; errors are shown in the view."""
        acts: dict[str, Callable[[dict[str, Any]], None]] = {
            "open": self._open,
            "restore": lambda _: self._tell(),
            "set": self._set,
            "send": self._send,
            "again": self._again,
            "edit": self._edit,
            "branch": self._branch,
            "path": self._path,
            "stop": lambda _: self._stop(),
            "clear": self._clear,
            "model": self._load,
            "cells": self._cells,
        }
        act = acts.get(str(order.get("act")))
        if act is None:
            return
        try:
            if order.get("act") not in ("open", "restore"):
                self._failed = ""
            act(order)
        except LLMMagicsError as error:
            self._failed = str(error)
            self._tell()

    def _open(self, order: dict[str, Any]) -> None:
        """A view is there: it is told everything."""
        self._channel.send({"do": "play", "id": self.id, **surroundings(self._models)})
        self._tell()
        for number, turn in enumerate(self._turns):
            if turn.record:
                self._tell_record(number, turn)

    def failed(self, error: LLMMagicsError) -> None:
        """Show an error in the view."""
        self._failed = str(error)
        self._tell()

    def _set(self, order: dict[str, Any]) -> None:
        given = order.get("settings", {})
        if not isinstance(given, dict):
            raise UsageError("settings are names and values", hint="reload the page")
        settings = {name: value for name, value in given.items() if name in SETTINGS}
        sampling_options(settings)
        self._settings = settings
        self._change = order.get("set", self._change)
        self._system = str(order.get("system", self._system))
        self._raw = bool(order.get("raw", self._raw))

    def _send(self, order: dict[str, Any]) -> None:
        asked = str(order.get("text", ""))
        if not asked.strip():
            raise UsageError("there is no prompt", hint="write something below")
        if len(self._turns) >= MOST_TURNS:
            raise UsageError(f"a playground keeps {MOST_TURNS} turns", hint="clear it")
        self._idle()
        self._turns.append(Turn(asked))
        self._answer(len(self._turns) - 1)

    def _again(self, order: dict[str, Any]) -> None:
        """Answer the last turn anew, with the next seed."""
        number = self._number(order)
        self._idle()
        del self._turns[number + 1 :]
        self._settings["seed"] = (sampling_options(self._settings).seed + 1) % 2**32
        self._turns[number] = Turn(self._turns[number].asked)
        self._answer(number)

    def _edit(self, order: dict[str, Any]) -> None:
        """Ask something else in a turn's place; what followed it is dropped."""
        number, asked = self._number(order), str(order.get("text", ""))
        self._idle()
        if asked.strip():
            del self._turns[number:]
            self._send({"text": asked})

    def _branch(self, order: dict[str, Any]) -> None:
        number, token = self._number(order), order.get("token")
        parent, at = whole(order, "parent"), whole(order, "at")
        turn = self._turns[number]
        if turn.record is None or not isinstance(token, (int, str)):
            raise UsageError("there is no answer to branch from", hint="ask something")
        self._idle()
        record = turn.record
        base = record.path(parent)

        def begin(model: Model) -> Stream:
            return model.stream_branch(base, at, token)

        def done(made: Generation) -> None:
            turn.record = record.with_branch(made, at=at, parent=parent)
            turn.path = len(turn.record.branches)
            del self._turns[number + 1 :]  # they followed another answer

        self._run(number, begin, done, fork=(parent, at))

    def _path(self, order: dict[str, Any]) -> None:
        """Go on with another branch of the answer."""
        turn, path = self._turns[self._number(order)], whole(order, "path")
        if turn.record and 0 <= path <= len(turn.record.branches):
            turn.path = path
            self._keep()

    def _stop(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _clear(self, order: dict[str, Any]) -> None:
        self._stop()
        self._turns = []
        self._keep()
        self._tell()

    def _load(self, order: dict[str, Any]) -> None:
        name = order.get("name")
        if not isinstance(name, str) or not name.strip():
            return
        self._idle()
        self.model = name.strip()

        def load() -> None:
            self._use()
            self._open({})

        self._work(load)

    def _cells(self, order: dict[str, Any]) -> None:
        """The cells that give what is shown."""
        self._channel.send({"do": "play", "id": self.id, "cells": self.cells()})

    def cells(self) -> list[str]:
        """Sources of cells that give this conversation, one or two a turn."""
        found, turned = [], False
        system = self._system or None
        for number, turn in enumerate(self._turns):
            if turn.record is None:
                continue
            options = turn.record.options
            try:
                if turned:  # an earlier answer was a branch: a thread of cells would hold another one
                    raise UsageError("a thread holds answers as they came", hint="")
                out = "answer" if turn.path else ""
                found.append(
                    source.magic(
                        turn.asked,
                        options,
                        model=self.model,
                        system=system if number == 0 or self._raw else None,
                        raw=self._raw,
                        follow=number > 0 and not self._raw,
                        out=out,
                    )
                )
            except UsageError:
                prompt = turn.asked if self._raw else self._messages(number)
                found.append(source.python(prompt, options, model=self.model, system=system))
            if turn.path:
                found.append(source.branches(turn.record, turn.path, model=self.model))
                turned = not self._raw
        return found

    # --- work

    def _number(self, order: dict[str, Any]) -> int:
        number = whole(order, "turn")
        if not 0 <= number < len(self._turns):
            raise UsageError(f"there is no turn {number!r}", hint="reload the page")
        return number

    def _idle(self) -> None:
        if self._lock.locked():
            raise UsageError("an answer is being made", hint="stop it first, or wait")

    def _messages(self, number: int) -> list[dict[str, str]]:
        said = [
            {"role": role, "content": text}
            for turn in self._turns[:number]
            for role, text in (("user", turn.asked), ("assistant", turn.text))
        ]
        return [*said, {"role": "user", "content": self._turns[number].asked}]

    def _answer(self, number: int) -> None:
        turn = self._turns[number]

        def begin(model: Model) -> Stream:
            if self._raw or model.template is None:
                return model.stream(turn.asked, raw=True, **self._settings)
            return model.stream(self._messages(number), system=self._system or None, **self._settings)

        def done(made: Generation) -> None:
            turn.record, turn.path = made, 0

        self._run(number, begin, done)

    def _run(
        self,
        number: int,
        begin: Callable[[Model], Stream],
        done: Callable[[Generation], None],
        *,
        fork: tuple[int, int] | None = None,
    ) -> None:
        """Make an answer in a thread, and tell the view of it.

        Args:
            fork: where a branch turns off; the view knows the tokens before.
        """
        turn = self._turns[number]

        def work() -> None:
            try:
                stream = self._stream = begin(self._use())
                most = stream.answer.room + len(stream.generation.tokens)
                live = self._lives.begin(new_id(), most, stream.close)
                turn.live, turn.fork = live.id, fork
                self._tell()
                live.add(stream.generation.tokens[fork[1] if fork else 0 :])
                for token in stream:
                    live.add([token])
                live.end(None)
                done(stream.generation)
            except LLMMagicsError as error:
                turn.failed = str(error)
            finally:
                turn.live, turn.fork, self._stream = "", None, None
            if turn.record:
                self._tell_record(number, turn)
            self._tell()
            self._keep()

        self._work(work)

    def _use(self) -> Model:
        """The model, loaded with progress in the view."""
        loaded = self._models.loaded
        if loaded and self.model in (None, loaded.name):
            return loaded

        def heard(what: str, share: float | None) -> None:
            self._loading = {"what": line(what), "share": share}
            self._tell()

        heard(f"loading {self.model or 'the default model'} …", None)
        try:
            with progress.listening(heard):
                return self._models.use(self.model)
        finally:
            self._loading = None

    def _work(self, work: Callable[[], object]) -> None:
        """In a thread of its own, one at a time."""

        def run() -> None:
            with self._lock:
                try:
                    work()
                except LLMMagicsError as error:
                    self._failed = str(error)
                    self._tell()

        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()

    def _tell(self) -> None:
        self._channel.send({"do": "play", "id": self.id, "now": self.state()})

    def _tell_record(self, number: int, turn: Turn) -> None:
        assert turn.record is not None
        payload = kept(turn.record)
        self._channel.send({"do": "play", "id": self.id, "turn": number, "kept": payload})

    def _keep(self) -> None:
        """Let the view put the conversation in the notebook."""
        self._channel.send({"do": "play", "id": self.id, "bundle": self.bundle()})
