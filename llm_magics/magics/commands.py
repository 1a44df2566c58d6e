"""What a view asks of the kernel: stop, tell again what was missed, and go on from another token.

Orders come from the notebook's page and are checked like any input. Whatever takes time runs in a thread of
its own, so that the next order is heard meanwhile; what comes of it goes back on the channel.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any, cast

from ..core.records import Generation
from ..errors import (
    RELOAD_PAGE,
    RUN_CELL,
    Interrupted,
    LLMMagicsError,
    UsageError,
)
from ..views.bundle import generation_bundle, tokens_bundle
from ..views.record_codec import decode_record
from .channel import Channel, Order, Transport, int_field
from .corrections import Corrections
from .ghost.commands import GhostCommands
from .ghost.model import GhostModel
from .inspection.commands import InspectionCommands
from .panel.commands import PanelCommands
from .playground.environment import environment
from .playground.playground import Playground
from .session import ModelProvider
from .stream_sender import ActiveStream, ActiveStreams
from .tuning.commands import TuningCommands

log = logging.getLogger(__name__)
OnExtended = Callable[[str, Generation, Generation], None]  # a view's id, the answer before and after
MOST_JOBS = 8  # of what takes time, at once


def _read_answer(order: Order) -> tuple[dict[str, Any], Generation]:
    """Return the record that a view sent, and the answer in it."""
    payload = order.get("record")
    generation = decode_record(payload) if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(generation, Generation):
        raise UsageError("the message has no answer to continue", hint=RUN_CELL)
    return payload, generation


def _stream_id(payload: dict[str, Any]) -> str:
    """Return the id by which the page knows an answer; empty where it has none."""
    return str(payload["run"].get("id", ""))


def _bundle_like(generation: Generation, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the bundle of an answer that takes the place of ``payload`` in the notebook."""
    bundle = tokens_bundle if payload.get("view") == "tokens" else generation_bundle
    note, conversation = payload.get("note"), payload.get("conversation")
    return bundle(
        generation,
        note if isinstance(note, str) else "",
        id=_stream_id(payload),
        conversation=conversation if isinstance(conversation, dict) else None,
        fold=payload.get("fold") is not False,
    )


class CommandRouter:
    """Handle the messages of the views of one notebook, or of one widget.

    Args:
        models: the model in use.
        on_extended: is told of an answer that was extended.
        channel: the way to a widget; None takes the comms of the notebook's page.
        corrections: the corrected cells of the errors that were shown.
    """

    def __init__(
        self,
        models: ModelProvider,
        on_extended: OnExtended,
        channel: Transport | None = None,
        corrections: Corrections | None = None,
    ) -> None:
        self._models, self._on_extended = models, on_extended
        self._jobs = threading.Semaphore(MOST_JOBS)
        self.channel = Channel(self.handle) if channel is None else cast(Channel, channel)
        self.streams = ActiveStreams(self.channel)
        self.playgrounds: dict[str, Playground] = {}
        self.tuning = TuningCommands(self.channel, self._run_in_thread)
        self.corrections = corrections or Corrections()
        self.ghost = GhostCommands(self.channel, GhostModel(models))
        self.panel = PanelCommands(
            self.channel, models, self.ghost, self.streams, self.tuning, self._run_in_thread
        )
        self.inspection = InspectionCommands(models, self.channel, self._run_in_thread)

    def handle(self, order: Order) -> None:
        """Dispatch a message of a view by its type, such as "inspection.open"."""
        kind, id = order.get("type"), order.get("id")
        room, _, action = kind.partition(".") if isinstance(kind, str) else ("", "", "")
        handlers: dict[str, Callable[[str, str, Order], None]] = {
            "stream": self._stream,
            "generation": self._generation,
            "inspection": self.inspection.handle,
            "tuning": self.tuning.handle,
            "playground": self._playground,
            "error": self._correction,
            "ghost": self.ghost.handle,
            "panel": self.panel.handle,
        }
        handler = handlers.get(room)
        if handler is not None and isinstance(id, str):
            handler(id, action, order)
        else:
            self.channel.send({"type": "gone", "id": id})

    def _stream(self, id: str, action: str, order: Order) -> None:
        """Stop a stream or an inspection, or send again what a page missed."""
        if action == "stop" and self.inspection.stop(id):
            return
        live = self.streams.find(id)
        if live is None:
            self.channel.send({"type": "gone", "id": id})
        elif action == "stop":
            live.stop()
        elif action == "resend":
            live.resend(int(order.get("from", 0)), as_text=bool(order.get("text")))
        elif action == "record" and live.bundle:
            self.channel.send({"type": "record", "id": id, "bundle": live.bundle})
        elif action == "record":  # it is being made
            self.channel.send({"type": "known", "id": id})

    def _generation(self, id: str, action: str, order: Order) -> None:
        """Branch or extend the answer that the message brings along."""
        work = {"branch": self._branch, "extend": self._extend}.get(action)
        if work is None:
            self.channel.send({"type": "gone", "id": id})
        else:
            self._run_in_thread(id, lambda: work(id, order))

    def _playground(self, id: str, action: str, order: Order) -> None:
        """Handle a message for a playground of this session, or restore a saved one.

        What a notebook kept is read when something is asked in it, and not when the notebook is opened.
        """
        result = self.playgrounds.get(id)
        if result is None and action == "open":
            news = environment(self._models)
            return self.channel.send({"type": "playground", "id": id, "unknown": True, **news})
        if result is None and action == "restore":
            result = Playground(self.channel, self._models, self.streams)
            result.id = id
            self.playgrounds[id] = result
            try:
                result.take(order.get("saved"))
            except LLMMagicsError as error:
                result.show_error(error)
                return None
        if result is None:
            self.channel.send({"type": "playground", "id": id, "gone": True})
        else:
            result.handle(action, order)
        return None

    def _correction(self, id: str, action: str, order: Order) -> None:
        """Send the corrected cell of an error that an output shows."""
        cell = self.corrections.find(order.get("what"))
        news = {"type": "gone"} if cell is None else {"type": "correction", "cell": cell}
        self.channel.send({**news, "id": id})

    def _branch(self, id: str, order: Order) -> None:
        """Go on from another token of the answer that the view shows, and send the answer with its branch."""
        payload, generation = _read_answer(order)
        token, parent, at = order.get("token"), int_field(order, "parent"), int_field(order, "at")
        if not isinstance(token, (int, str)):
            raise UsageError("the message has no token to continue from", hint=RELOAD_PAGE)
        base = generation.path(parent)
        stream = self._models.model_of(generation.model).stream_branch(base, at, token)
        live = self.streams.begin(id, base.options.max_tokens, stream.close)
        live.add(stream.generation.tokens[at:])
        for item in stream:
            live.add([item])
        tree = generation.with_branch(stream.generation, at=at, parent=parent)
        self._finish(live, tree, payload)

    def _extend(self, id: str, order: Order) -> None:
        """Go on with an answer, or a branch of it, that was cut off; and send the answer with what is new."""
        payload, generation = _read_answer(order)
        path = int_field(order, "path")
        base = generation.path(path)
        stream = self._models.model_of(generation.model).stream_more(base)
        live = self.streams.begin(id, stream.room + len(base.tokens), stream.close)
        for item in stream:
            live.add([item])
        whole_answer = generation.with_more(stream.generation, path=path)
        if path == 0:
            self._on_extended(_stream_id(payload), generation, whole_answer)
        self._finish(live, whole_answer, payload)

    def _finish(self, live: ActiveStream, answer: Generation, payload: dict[str, Any]) -> None:
        """End what is made, and send the answer that takes the place of ``payload`` in the notebook."""
        bundle = _bundle_like(answer, payload)
        live.end(bundle)
        self.channel.send({"type": "record", "id": live.id, "bundle": bundle})

    def _run_in_thread(self, id: str, work: Callable[[], None]) -> None:
        """Do it in a thread; an error is told to the view.

        Each has caches and threads of its own: a page that asks for very many at once is refused.
        """
        if not self._jobs.acquire(blocking=False):
            return self._send_error(
                id, f"{MOST_JOBS} requests are running already", "Wait until one of them is done."
            )

        def run() -> None:
            try:
                work()
            except (LLMMagicsError, Interrupted) as error:
                self._send_error(id, str(error), error.hint)
            except Exception as error:
                log.exception("an order of a view failed")
                self._send_error(
                    id, f"an internal error occurred: {error}", "Restart the kernel, and run the cell again."
                )
            finally:
                self._jobs.release()

        # The context tells the kernel which order its messages belong to.
        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
        return None

    def _send_error(self, id: str, what: str, hint: str) -> None:
        self.channel.send({"type": "failed", "id": id, "what": what, "hint": hint})
