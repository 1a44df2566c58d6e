"""A place to try: a conversation with a model, its settings, and the tokens of every answer.

The state lives here, in the kernel; a view draws it and sends orders. What is kept in the notebook holds the
whole conversation, so that a view without this object (another session) can begin it again.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ...clean import line
from ...core import progress
from ...core.options import sampling_options
from ...core.records import Generation
from ...errors import LLMMagicsError, UsageError
from ...views.kept import kept
from ...views.playground import playground_bundle
from ..channel import Sender, new_id, whole
from ..live import Lives
from .cells import conversation
from .versions import Conversation, Turn, messages

if TYPE_CHECKING:
    from ...engine.generate import Stream
    from ...models.model import Model

SETTINGS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed")


class Models(Protocol):
    """Where the model comes from; it is shared with the cells."""

    @property
    def loaded(self) -> Model | None: ...
    def use(self, name: str | None) -> Model: ...


def surroundings(models: Models) -> dict[str, Any]:
    """The models that can be chosen, and the memory that there is."""
    import psutil

    from ...engine.kv import free_bytes
    from ...sources import adapters, catalog

    loaded = models.loaded
    rows = [
        {"name": row.name, "title": row.title, "licence": row.licence, "bytes": int(1.4 * row.size_bytes)}
        for row in catalog.entries().values()
    ]
    if loaded and loaded.name not in catalog.entries():
        licence, size = loaded.info.licence, loaded.memory_bytes
        rows.append({"name": loaded.name, "title": loaded.name, "licence": licence, "bytes": size})
    return {
        "models": rows,
        "memory": {"free": free_bytes(), "total": psutil.virtual_memory().total},
        "adapters": [each.name for each in adapters.entries()],
    }


class Playground:
    """One conversation.

    Args:
        channel: where news go.
        models: shared with the cells.

    Attributes:
        model: a name; None takes the one that is loaded, else the default model.
        adapter: the name of one that is kept; empty for none.
        widget: where it is shown as one.
    """

    def __init__(self, channel: Sender, models: Models, lives: Lives) -> None:
        self.id = new_id()
        self._channel, self._models, self._lives = channel, models, lives
        self.model: str | None = None
        self._settings: dict[str, Any] = {}
        self._system, self._raw = "", False
        self._change: Any = 0  # which of the view's changes the settings are
        self._conversation = Conversation()
        self.adapter = ""
        self._refused = ""  # why a model could not be loaded
        self._title: tuple[str | None, str] = (None, "")  # a model as it was asked for, and its own name
        self._loading: dict[str, Any] | None = None
        self._failed = ""
        self._stream: Stream | None = None
        self._lock = threading.Lock()  # one answer at a time
        self.widget: Any = None

    # --- what it looks like

    def state(self) -> dict[str, Any]:
        """Everything but the records, as plain JSON."""
        options = sampling_options(self._settings)
        return {
            "id": self.id,
            "model": self._model_name(),
            "adapter": self.adapter,
            "settings": {name: getattr(options, name) for name in SETTINGS},
            "set": self._change,
            "system": self._system,
            "raw": self._raw,
            "turns": [
                {
                    name: getattr(turn, name)
                    for name in ("asked", "live", "failed", "path", "fork", "more", "key")
                }
                | {"versions": versions}
                for turn, versions in zip(self._turns, self._conversation.versions, strict=True)
            ],
            "undo": self._conversation.can_undo,
            "context": self._context(),
            "loading": self._loading,
            "refused": self._refused,
            "failed": self._failed,
        }

    @property
    def _turns(self) -> list[Turn]:
        return self._conversation.turns

    def _model_name(self) -> str | None:
        """The name that the model has in the list: one that was given by its path has a name of its own."""
        asked, name = self._title
        if self.model is not None:
            return name if asked == self.model else self.model
        loaded = self._models.loaded
        return loaded.name if loaded else None

    def _context(self) -> list[int] | None:
        """Tokens of the conversation, and of what the model can read; None where either is not known."""
        record = next((turn.record for turn in reversed(self._turns) if turn.record), None)
        loaded = self._models.loaded
        if record is None or loaded is None:
            return None
        return [record.timing.prompt_tokens + len(record.tokens), loaded.context_length]

    def bundle(self) -> dict[str, Any]:
        """What the notebook keeps."""
        state = self.state()
        for shown, turn in zip(state["turns"], self._turns, strict=True):
            shown["kept"] = kept(turn.record) if turn.record else None
            shown["markdown"] = turn.markdown
            shown["live"] = ""
        records = [(turn.asked, turn.record) for turn in self._turns]
        passing = {"loading": None, "set": 0, "failed": "", "refused": "", "undo": False}
        return playground_bundle({**state, **passing, "others": self._conversation.others()}, records)

    def take(self, saved: Any) -> None:
        """Go on with a conversation that a notebook kept.

        Raises:
            UsageError, ModelFileError: it cannot be read.
        """
        if not isinstance(saved, dict):
            raise UsageError("there is no conversation to go on with", hint="run the cell again")
        self._set(saved)
        self._take_model(saved.get("model"))
        adapter = saved.get("adapter")
        self.adapter = adapter if isinstance(adapter, str) else ""
        self._conversation = Conversation.read(saved.get("turns", []), saved.get("others"))

    def _take_model(self, name: Any) -> None:
        """A notebook's file may name any model, and is not asked to fetch it."""
        from ...sources import catalog

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
            "more": self._more,
            "path": self._path,
            "stop": lambda _: self._stop(),
            "clear": self._clear,
            "undo": self._undo,
            "version": self._version,
            "adapter": self._adapter,
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
        self._show()

    def _show(self) -> None:
        """Tell the view what is looked at, with all answers."""
        self._tell()
        for number, turn in enumerate(self._turns):
            if turn.record:
                self._tell_record(number, turn)

    def failed(self, error: LLMMagicsError) -> None:
        """Show an error in the view."""
        self._failed = str(error)
        self._tell()

    def _set(self, order: dict[str, Any]) -> None:
        self._change = order.get("set", self._change)  # also of what is refused: the view shows what holds
        settings = order.get("settings", {})
        if not isinstance(settings, dict):
            raise UsageError("settings are names and values", hint="reload the page")
        settings = {name: value for name, value in settings.items() if name in SETTINGS}
        sampling_options(settings)
        self._settings = settings
        self._system = str(order.get("system", self._system))
        self._raw = bool(order.get("raw", self._raw))

    def _send(self, order: dict[str, Any]) -> None:
        asked = str(order.get("text", ""))
        if not asked.strip():
            raise UsageError("there is no prompt", hint="write something below")
        self._idle()
        self._ask(len(self._turns), asked)

    def _ask(self, number: int, asked: str) -> None:
        """Ask it as a version of turn ``number``."""
        self._conversation.add(number, Turn(asked))
        self._answer(number)

    def _again(self, order: dict[str, Any]) -> None:
        """Answer a turn anew, with the next seed; the answer that is there stays as another version."""
        number = self._number(order)
        self._idle()
        self._settings["seed"] = (sampling_options(self._settings).seed + 1) % 2**32
        self._ask(number, self._turns[number].asked)

    def _edit(self, order: dict[str, Any]) -> None:
        """Ask something else in a turn's place; what was there stays as another version."""
        number, asked = self._number(order), str(order.get("text", ""))
        self._idle()
        if asked.strip():
            self._ask(number, asked)

    def _version(self, order: dict[str, Any]) -> None:
        """Look at another version of a turn, and at what followed that one."""
        self._idle()
        self._conversation.choose(self._number(order), whole(order, "version"))
        self._show()
        self._keep()

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

        def done(generation: Generation) -> None:
            turn.record = record.with_branch(generation, at=at, parent=parent)
            turn.path = len(turn.record.branches)  # what followed stays with the branch that it followed

        self._run(number, begin, done, fork=(parent, at))

    def _more(self, order: dict[str, Any]) -> None:
        """Go on with an answer that was cut off."""
        number = self._number(order)
        turn = self._turns[number]
        if turn.record is None:
            raise UsageError("there is no answer to go on with", hint="ask something")
        self._idle()
        record, path = turn.record, turn.path

        def begin(model: Model) -> Stream:
            return model.stream_more(record.path(path))

        def done(generation: Generation) -> None:
            turn.record = record.with_more(generation, path=path)

        self._run(number, begin, done, more=True)

    def _path(self, order: dict[str, Any]) -> None:
        """Go on with another branch of the answer."""
        turn, path = self._turns[self._number(order)], whole(order, "path")
        if turn.record and 0 <= path <= len(turn.record.branches) and path != turn.path:
            self._idle()
            turn.path = path
            self._show()
            self._keep()

    def _stop(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _clear(self, order: dict[str, Any]) -> None:
        self._stop()
        self._conversation.clear()
        self._keep()
        self._tell()

    def _undo(self, order: dict[str, Any]) -> None:
        self._conversation.undo()
        self._show()
        self._keep()

    def _adapter(self, order: dict[str, Any]) -> None:
        """Answer with an adapter that is kept, or without one."""
        from ...sources import adapters

        name = order.get("name")
        if not isinstance(name, str) or (name and adapters.find(name) is None):
            raise adapters.missing(str(name))
        self._idle()
        self.adapter = name
        self._tell()
        self._keep()

    def _load(self, order: dict[str, Any]) -> None:
        name = order.get("name")
        if not isinstance(name, str) or not name.strip():
            return
        self._idle()
        self._refused = ""
        before, self.model = self.model, name.strip()

        def load() -> None:
            try:
                loaded = self._base()
            except LLMMagicsError as error:
                self.model, self._refused = before, str(error)
                return self._tell()
            self._title = (self.model, loaded.name)
            self._open({})
            return None

        self._work(load)

    def _cells(self, order: dict[str, Any]) -> None:
        """The cells that give what is shown."""
        self._channel.send({"do": "play", "id": self.id, "cells": self.cells()})

    def cells(self) -> list[str]:
        """Return the sources of cells that give this conversation, one or two a turn."""
        return conversation(
            self._turns, model=self.model, adapter=self.adapter, system=self._system, raw=self._raw
        )

    # --- work

    def _number(self, order: dict[str, Any]) -> int:
        number = whole(order, "turn")
        if not 0 <= number < len(self._turns):
            raise UsageError(f"there is no turn {number!r}", hint="reload the page")
        return number

    def _idle(self) -> None:
        if self._lock.locked():
            raise UsageError("an answer is being made", hint="stop it first, or wait")

    def _answer(self, number: int) -> None:
        turn = self._turns[number]

        def begin(model: Model) -> Stream:
            if self._raw or model.template is None:
                return model.stream(turn.asked, raw=True, **self._settings)
            return model.stream(messages(self._turns, number), system=self._system or None, **self._settings)

        def done(generation: Generation) -> None:
            turn.record, turn.path = generation, 0

        self._run(number, begin, done)

    def _run(
        self,
        number: int,
        begin: Callable[[Model], Stream],
        done: Callable[[Generation], None],
        *,
        fork: tuple[int, int] | None = None,
        more: bool = False,
    ) -> None:
        """Make an answer in a thread, and tell the view of it.

        Args:
            fork: where a branch turns off; the view knows the tokens before.
            more: whether an answer goes on; the view knows the tokens before.
        """
        turn = self._turns[number]

        def work() -> None:
            try:
                stream = self._stream = begin(self._use())
                most = stream.answer.room + len(stream.generation.tokens)
                live = self._lives.begin(new_id(), most, stream.close, prose=not fork and not more)
                turn.live, turn.fork, turn.more = live.id, fork, more
                self._tell()
                if fork:
                    live.add(stream.generation.tokens[fork[1] :])
                for token in stream:
                    live.add([token])
                live.end(None)
                done(stream.generation)
            except LLMMagicsError as error:
                turn.failed = str(error)
            finally:
                turn.live, turn.fork, turn.more, self._stream = "", None, False, None
            if turn.record:
                self._tell_record(number, turn)
            self._tell()
            self._keep()

        self._work(work)

    def _use(self) -> Model:
        """The model with the adapter."""
        model = self._base()
        return model.with_adapter(self.adapter) if self.adapter else model

    def _base(self) -> Model:
        """The model, loaded with progress in the view."""
        loaded = self._models.loaded
        asked, name = self._title
        if loaded and self.model in (None, loaded.name, asked if name == loaded.name else None):
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
        news = {"turn": number, "key": turn.key, "kept": payload, "markdown": turn.markdown}
        self._channel.send({"do": "play", "id": self.id, **news})

    def _keep(self) -> None:
        """Let the view put the conversation in the notebook."""
        self._channel.send({"do": "play", "id": self.id, "bundle": self.bundle()})
