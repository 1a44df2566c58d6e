"""A place to try: a conversation with a model, its settings, and the tokens of every answer.

The state lives here, in the kernel; a view draws it and sends orders. What is kept in the notebook holds the
whole conversation, so that a view without this object (another session) can begin it again.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ...core import progress
from ...core.options import SamplingOptions, sampling_options
from ...core.payloads import PlaygroundStatePayload
from ...core.records import Generation
from ...core.validation import check_strength
from ...errors import RELOAD_PAGE, RUN_CELL, LLMMagicsError, UsageError
from ...sanitize import single_line
from ...views import answer_text
from ...views.playground import playground_bundle
from ...views.record_codec import encode_record
from ..channel import Transport, int_field, new_id
from ..session import ModelProvider, split_precision
from ..stream_sender import ActiveStream, ActiveStreams
from .both import generate_both
from .cells import conversation
from .environment import environment
from .schema_field import MOST_SCHEMA, read_schema, schema_options
from .versions import Conversation, Turn, messages

if TYPE_CHECKING:
    from ...engine.generate import Stream
    from ...models.model import Model

SETTINGS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "seed")


class Playground:
    """One conversation.

    Args:
        channel: where news go.
        models: shared with the cells.

    Attributes:
        model: a name; None takes the one that is loaded, else the default model.
        adapter: the name of one that is kept; empty for none.
        strength: of the adapter.
        compared: the model that answers too, as "NAME" or "NAME:int4"; empty for none.
        widget: where it is shown as one.
    """

    def __init__(self, channel: Transport, models: ModelProvider, streams: ActiveStreams) -> None:
        self.id = new_id()
        self._channel, self._models, self._lives = channel, models, streams
        self.model: str | None = None
        self._settings: dict[str, Any] = {}
        self._system, self._raw, self._schema = "", False, ""
        self._change: Any = 0  # which of the view's changes the settings are
        self._conversation = Conversation()
        self.adapter, self.strength, self.compared = "", 1.0, ""
        self._refused = ""  # why a model could not be loaded
        self._title: tuple[str | None, str] = (None, "")  # a model as it was asked for, and its own name
        self._loading: dict[str, Any] | None = None
        self._failed = ""
        self._stream: Stream | None = None
        self._other_stream: Stream | None = None  # of the compared model
        self._lock = threading.Lock()  # one answer at a time
        self.widget: Any = None

    def _chosen(self) -> dict[str, Any]:
        """Return the sampling settings of the view, else of the notebook, else of the model's maker."""
        return {**self._models.sampling, **self._settings}

    def _options(self) -> SamplingOptions:
        return sampling_options(self._chosen())

    # --- what it looks like

    def state(self) -> PlaygroundStatePayload:
        """Return everything but the records, as plain JSON."""
        options = self._options()
        return {
            "id": self.id,
            "model": self._model_name(),
            "adapter": self.adapter,
            "strength": self.strength,
            "compared": self.compared,
            "settings": {name: getattr(options, name) for name in SETTINGS},
            "set": self._change,
            "system": self._system,
            "raw": self._raw,
            "form": self._schema,
            "turns": [
                {
                    "asked": turn.prompt,
                    "live": turn.stream_id,
                    "failed": turn.error,
                    "path": turn.path,
                    "fork": turn.branch_point,
                    "more": turn.extends,
                    "key": turn.key,
                    "versions": versions,
                    "stars": sorted(turn.stars),
                }
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
        """Return the name that the model has in the list.

        One that was given by its path has a name of its own.
        """
        asked, name = self._title
        if self.model is not None:
            return name if asked == self.model else self.model
        loaded = self._models.loaded
        return loaded.name if loaded else None

    def _context(self) -> list[int] | None:
        """Return tokens of the conversation, and of what the model can read.

        None where either is not known.
        """
        record = next((turn.record for turn in reversed(self._turns) if turn.record), None)
        loaded = self._models.loaded
        if record is None or loaded is None:
            return None
        return [record.timing.prompt_tokens + len(record.tokens), loaded.context_length]

    def bundle(self) -> dict[str, Any]:
        """Return what the notebook keeps."""
        state = self.state()
        for shown, turn in zip(state["turns"], self._turns, strict=True):
            shown["kept"] = encode_record(turn.record) if turn.record else None
            shown["markdown"] = turn.markdown
            shown["side"] = turn.side
            shown["live"] = ""
        records = [(turn.prompt, turn.record) for turn in self._turns]
        passing = {"loading": None, "set": 0, "failed": "", "refused": "", "undo": False}
        return playground_bundle({**state, **passing, "others": self._conversation.others()}, records)

    def take(self, saved: Any) -> None:
        """Go on with a conversation that a notebook kept.

        Raises:
            UsageError, ModelFileError: it cannot be read.
        """
        if not isinstance(saved, dict):
            raise UsageError("there is no saved conversation", hint=RUN_CELL)
        self._take_settings(saved)
        self._take_model(saved.get("model"))
        adapter = saved.get("adapter")
        self.adapter = adapter if isinstance(adapter, str) else ""
        strength = saved.get("strength", 1.0)
        is_number = isinstance(strength, (int, float)) and not isinstance(strength, bool)
        self.strength = check_strength(strength) if is_number else 1.0
        self._conversation = Conversation.read(saved.get("turns", []), saved.get("others"))

    def _take_model(self, name: Any) -> None:
        """Select a saved model. A notebook's file may name any model, so none is downloaded here."""
        rows = environment(self._models)["models"]  # those that are here, and the default model
        if name is None or name in {row["name"] for row in rows}:
            self.model = name
        else:
            model = single_line(str(name))
            self._failed = f"this conversation used {model}\n  → Load it by its name on the left."

    # --- orders

    def handle(self, action: str, order: dict[str, Any]) -> None:
        """Handle a message of the view; errors are shown in it."""
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "open": self._open,
            "restore": lambda _: self._send_state(),
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
            "compare": self._compare,
            "star": self._star,
            "import": self._import,
            "model": self._load,
            "cells": self._cells,
        }
        handler = actions.get(action)
        if handler is None:
            return
        try:
            failed = self._failed
            if action not in ("open", "restore"):
                self._failed = ""
            handler(order)
            if failed and action == "set":
                self._send_state()  # the error is corrected
        except LLMMagicsError as error:
            self._failed = str(error)
            self._send_state()

    def _open(self, order: dict[str, Any]) -> None:
        """Send the whole state to a view that was opened."""
        self._send_environment()
        self._show()

    def _show(self) -> None:
        """Tell the view what is looked at, with all answers."""
        self._send_state()
        for number, turn in enumerate(self._turns):
            if turn.record:
                self._send_record(number, turn)

    def show_error(self, error: LLMMagicsError) -> None:
        """Show an error in the view."""
        self._failed = str(error)
        self._send_state()

    def _set(self, order: dict[str, Any]) -> None:
        self._take_settings(order)
        read_schema(self._schema)  # a wrong one stays in its field, to be corrected

    def _take_settings(self, order: dict[str, Any]) -> None:
        self._change = order.get("set", self._change)  # also of what is refused: the view shows what holds
        settings = order.get("settings", {})
        if not isinstance(settings, dict):
            raise UsageError("the settings have the wrong format", hint=RELOAD_PAGE)
        settings = {name: value for name, value in settings.items() if name in SETTINGS}
        sampling_options(settings)
        self._settings = settings
        self._system = str(order.get("system", self._system))
        self._raw = bool(order.get("raw", self._raw))
        self._schema = str(order.get("form", self._schema))[:MOST_SCHEMA]

    def _send(self, order: dict[str, Any]) -> None:
        asked = str(order.get("text", ""))
        if not asked.strip():
            raise UsageError("the prompt is empty", hint="Write a prompt.")
        self._check_idle()
        self._ask(len(self._turns), asked)

    def _ask(self, number: int, asked: str) -> None:
        """Ask it as a version of turn ``number``."""
        self._conversation.add(number, Turn(asked))
        self._answer(number)

    def _again(self, order: dict[str, Any]) -> None:
        """Regenerate an answer with the next seed; the old answer stays as another version."""
        number = self._number(order)
        self._check_idle()
        self._settings["seed"] = (self._options().seed + 1) % 2**32
        self._ask(number, self._turns[number].prompt)

    def _edit(self, order: dict[str, Any]) -> None:
        """Ask something else in a turn's place; what was there stays as another version."""
        number, asked = self._number(order), str(order.get("text", ""))
        self._check_idle()
        if asked.strip():
            self._ask(number, asked)

    def _version(self, order: dict[str, Any]) -> None:
        """Look at another version of a turn, and at what followed that one."""
        self._check_idle()
        self._conversation.choose(self._number(order), int_field(order, "version"))
        self._show()
        self._save()

    def _branch(self, order: dict[str, Any]) -> None:
        number, token = self._number(order), order.get("token")
        parent, at = int_field(order, "parent"), int_field(order, "at")
        turn = self._turns[number]
        if turn.record is None or not isinstance(token, (int, str)):
            raise UsageError("there is no answer to branch from", hint="Ask something first.")
        self._check_idle()
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
            raise UsageError("there is no answer to continue", hint="Ask something first.")
        self._check_idle()
        record, path = turn.record, turn.path

        def begin(model: Model) -> Stream:
            return model.stream_more(record.path(path))

        def done(generation: Generation) -> None:
            turn.record = record.with_more(generation, path=path)

        self._run(number, begin, done, more=True)

    def _path(self, order: dict[str, Any]) -> None:
        """Go on with another branch of the answer."""
        turn, path = self._turns[self._number(order)], int_field(order, "path")
        if turn.record and 0 <= path <= len(turn.record.branches) and path != turn.path:
            self._check_idle()
            turn.path = path
            self._show()
            self._save()

    def _stop(self) -> None:
        for stream in (self._stream, self._other_stream):
            if stream is not None:
                stream.close()

    def _clear(self, order: dict[str, Any]) -> None:
        self._stop()
        self._conversation.clear()
        self._save()
        self._send_state()

    def _undo(self, order: dict[str, Any]) -> None:
        self._conversation.undo()
        self._show()
        self._save()

    def _adapter(self, order: dict[str, Any]) -> None:
        """Select a saved adapter and its strength, or none."""
        from ...sources import adapters

        name, strength = order.get("name"), order.get("strength", 1.0)
        if not isinstance(name, str) or (name and adapters.find(name) is None):
            raise adapters.missing(str(name))
        self._check_idle()
        self.adapter, self.strength = name, check_strength(strength)
        self._send_state()
        self._save()

    def _compare(self, order: dict[str, Any]) -> None:
        """Select the model that answers too, or none."""
        name = order.get("name")
        if not isinstance(name, str):
            raise UsageError(f"name must be a string, got {name!r:.40}", hint=RELOAD_PAGE)
        self._check_idle()
        self.compared = name.strip()
        if self.compared:
            self._run_in_thread(self._other_model)  # loads it, with progress
        self._send_state()
        self._save()

    def _star(self, order: dict[str, Any]) -> None:
        """Mark a branch of an answer, or unmark it."""
        turn, path = self._turns[self._number(order)], int_field(order, "path")
        if turn.record is None or not 0 <= path <= len(turn.record.branches):
            raise UsageError("this answer has no such branch", hint=RELOAD_PAGE)
        turn.stars ^= {path}
        self._send_state()
        self._save()

    def _import(self, order: dict[str, Any]) -> None:
        """Take a conversation that another playground exported, in the place of this one."""
        saved = order.get("saved")
        if not isinstance(saved, dict) or not isinstance(saved.get("turns"), list):
            raise UsageError(
                "this file holds no conversation", hint="Choose a file that Export as JSON has written."
            )
        self._check_idle()
        self.take(saved)
        self._show()
        self._save()

    def _load(self, order: dict[str, Any]) -> None:
        name = order.get("name")
        if not isinstance(name, str) or not name.strip():
            return
        self._check_idle()
        self._refused = ""
        before, self.model = self.model, name.strip()

        def load() -> None:
            try:
                loaded = self._base()
            except LLMMagicsError as error:
                self.model, self._refused = before, str(error)
            else:
                self._title = (self.model, loaded.name)
                self._send_environment()

        self._run_in_thread(load)

    def _cells(self, order: dict[str, Any]) -> None:
        """Send the cells that reproduce the conversation."""
        self._channel.send({"type": "playground", "id": self.id, "cells": self.cells()})

    def cells(self) -> list[str]:
        """Return the sources of cells that give this conversation, one or two a turn."""
        return conversation(
            self._turns,
            model=self.model,
            adapter=self._adapter_text,
            system=self._system,
            raw=self._raw,
            schema=self._schema,
        )

    # --- work

    def _number(self, order: dict[str, Any]) -> int:
        number = int_field(order, "turn")
        if not 0 <= number < len(self._turns):
            raise UsageError(f"turn {number!r} does not exist", hint=RELOAD_PAGE)
        return number

    def _check_idle(self) -> None:
        if self._lock.locked():
            raise UsageError("an answer is being generated", hint="Wait, or stop it first.")

    def _answer(self, number: int) -> None:
        turn = self._turns[number]

        turn.side = None

        def begin(model: Model) -> Stream:
            options = {**self._chosen(), **schema_options(self._schema)}
            if self._raw or model.template is None:
                return model.stream(turn.prompt, raw=True, **options)
            return model.stream(messages(self._turns, number), system=self._system or None, **options)

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
            number: the number of the turn.
            begin: starts the stream.
            done: receives the finished answer.
            fork: where a branch turns off; the view knows the tokens before.
            more: whether an answer goes on; the view knows the tokens before.
        """
        turn = self._turns[number]

        def work() -> None:
            try:
                stream = self._stream = begin(self._use())
                most = stream.answer.room + len(stream.generation.tokens)
                shown = partial(answer_text.partial, prompt=stream.generation.prompt)
                whole = not fork and not more
                live = self._lives.begin(new_id(), most, stream.close, markdown=shown if whole else None)
                turn.stream_id, turn.branch_point, turn.extends = live.id, fork, more
                self._send_state()
                if fork:
                    live.add(stream.generation.tokens[fork[1] :])
                if whole and self.compared:
                    self._generate_both(turn, number, live, stream, begin)
                else:
                    for token in stream:
                        live.add([token])
                live.end(None)
                done(stream.generation)
                formed = whole and stream.generation.options.grammar is not None
                if formed and stream.generation.stop_reason != "interrupted":
                    stream.value  # noqa: B018  # says by how much an answer was too short
            except LLMMagicsError as error:
                turn.error = str(error)
            finally:
                turn.stream_id, turn.branch_point, turn.extends = "", None, False
                self._stream = self._other_stream = None
            if turn.record:
                self._send_record(number, turn)
            self._save()

        self._run_in_thread(work)

    def _generate_both(
        self, turn: Turn, number: int, live: ActiveStream, stream: Stream, begin: Callable[[Model], Stream]
    ) -> None:
        """Generate the answer of both models, and show them side by side."""
        self._other_stream = begin(self._other_model())

        def show(side: dict[str, Any]) -> None:
            turn.side = side
            news = {"turn": number, "key": turn.key, "side": side}
            self._channel.send({"type": "playground", "id": self.id, **news})

        generate_both(stream, self._other_stream, live, show)

    def _use(self) -> Model:
        """Return the model with the adapter."""
        model = self._base()
        return model.with_adapter(self.adapter, self.strength) if self.adapter else model

    @property
    def _adapter_text(self) -> str:
        """Return the adapter with its strength, as ``-a`` takes it."""
        return self.adapter if self.strength == 1 or not self.adapter else f"{self.adapter}:{self.strength:g}"

    def _other_model(self) -> Model:
        """Return the compared model, loaded with progress in the view."""
        from ...models.loading.load import load

        name, precision = split_precision(self.compared)
        with self._loading_shown(self.compared):
            return load(name, precision=precision or "auto")

    @contextmanager
    def _loading_shown(self, name: str) -> Iterator[None]:
        """Show the progress of loading a model in the view."""

        def heard(what: str, share: float | None) -> None:
            self._loading = {"what": single_line(what), "share": share}
            self._send_state()

        heard(f"loading {name} …", None)
        try:
            with progress.listening(heard):
                yield
        finally:
            self._loading = None

    def _base(self) -> Model:
        """Return the model, loaded with progress in the view."""
        loaded = self._models.loaded
        asked, name = self._title
        if loaded and self.model in (None, loaded.name, asked if name == loaded.name else None):
            return loaded

        with self._loading_shown(self.model or "the default model"):
            return self._models.use(self.model)

    def _run_in_thread(self, work: Callable[[], object]) -> None:
        """Run work in a thread, then send the state; only one runs at a time."""

        def run() -> None:
            with self._lock:
                try:
                    work()
                except LLMMagicsError as error:
                    self._failed = str(error)
            self._send_state()  # the view offers the next prompt now, and it is not refused

        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()

    def _send_environment(self) -> None:
        self._channel.send({"type": "playground", "id": self.id, **environment(self._models)})

    def _send_state(self) -> None:
        self._channel.send({"type": "playground", "id": self.id, "now": self.state()})

    def _send_record(self, number: int, turn: Turn) -> None:
        assert turn.record is not None
        payload = encode_record(turn.record)
        news = {"turn": number, "key": turn.key, "kept": payload, "markdown": turn.markdown}
        self._channel.send({"type": "playground", "id": self.id, **news})

    def _save(self) -> None:
        """Let the view put the conversation in the notebook."""
        self._channel.send({"type": "playground", "id": self.id, "bundle": self.bundle()})
