"""What a view asks of the kernel: stop, tell again what was missed, and go on from another token.

Orders come from the notebook's page and are checked like any input. Whatever takes time runs in a thread of
its own, so that the next order is heard meanwhile; what comes of it goes back on the channel.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ..core.records import Generation, ModelInfo
from ..errors import Interrupted, LLMMagicsError, UsageError
from ..views.bundle import generation_bundle, tokens_bundle
from ..views.kept import read_kept
from .channel import Channel, Order, whole
from .inside.orders import Looks
from .live import Live, Lives
from .playground import playground
from .playground.playground import Playground
from .tuning.orders import Tunes

if TYPE_CHECKING:
    from ..models.model import Model

log = logging.getLogger(__name__)
MOST_JOBS = 8  # of what takes time, at once


class Models(playground.Models, Protocol):
    """Where the model comes from."""

    def model_of(self, info: ModelInfo) -> Model: ...
    def grown(self, view: str, before: Generation, after: Generation) -> None: ...


def _answer_of(order: Order) -> tuple[dict[str, Any], Generation]:
    """Return the record that a view sent, and the answer in it."""
    payload = order.get("record")
    generation = read_kept(payload) if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(generation, Generation):
        raise UsageError("there is no answer to go on with", hint="run the cell again")
    return payload, generation


def _id_of(payload: dict[str, Any]) -> str:
    """Return the id by which the page knows an answer; empty where it has none."""
    return str(payload["run"].get("id", ""))


def _bundle_of(generation: Generation, payload: dict[str, Any]) -> dict[str, Any]:
    """Return the bundle of an answer that takes the place of ``payload`` in the notebook."""
    bundle = tokens_bundle if payload.get("view") == "tokens" else generation_bundle
    note, conversation = payload.get("note"), payload.get("conversation")
    return bundle(
        generation,
        note if isinstance(note, str) else "",
        id=_id_of(payload),
        conversation=conversation if isinstance(conversation, dict) else None,
    )


class Orders:
    """Follows the orders of one notebook's views."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._jobs = threading.Semaphore(MOST_JOBS)
        self.channel = Channel(self._obey)
        self.lives = Lives(self.channel)
        self.playgrounds: dict[str, Playground] = {}
        self.tunes = Tunes(self.channel, self._work)
        self.looks = Looks(models, self.channel, self._work)

    def _obey(self, order: Order) -> None:
        do, id = order.get("do"), order.get("id")
        live = self.lives.find(id)
        if do == "branch" and isinstance(id, str):
            self._work(id, lambda: self._branch(id, order))
        elif do == "more" and isinstance(id, str):
            self._work(id, lambda: self._more(id, order))
        elif do == "play" and isinstance(id, str):
            self._play(id, order)
        elif do == "tune" and isinstance(id, str):
            self.tunes.obey(id, order)
        elif do == "look" and isinstance(id, str):
            self.looks.obey(id, order)
        elif do == "stop" and isinstance(id, str) and self.looks.stop(id):
            pass
        elif live is None:
            self.channel.send({"do": "gone", "id": id})
        elif do == "stop":
            live.stop()
        elif do == "again":
            live.again(int(order.get("from", 0)), as_text=bool(order.get("text")))
        elif do == "record" and live.bundle:
            self.channel.send({"do": "record", "id": id, "bundle": live.bundle})

    def _play(self, id: str, order: Order) -> None:
        """An order for a playground: one of this session, or one that a notebook kept.

        What a notebook kept is read when something is asked in it, and not when the notebook is opened.
        """
        found = self.playgrounds.get(id)
        if found is None and order.get("act") == "open":
            news = playground.surroundings(self._models)
            return self.channel.send({"do": "play", "id": id, "unknown": True, **news})
        if found is None and order.get("act") == "restore":
            found = Playground(self.channel, self._models, self.lives)
            found.id = id
            self.playgrounds[id] = found
            try:
                found.take(order.get("saved"))
            except LLMMagicsError as error:
                found.failed(error)
                return None
        if found is None:
            self.channel.send({"do": "play", "id": id, "gone": True})
        else:
            found.obey(order)
        return None

    def _branch(self, id: str, order: Order) -> None:
        """Go on from another token of the answer that the view shows, and send the answer with its branch."""
        payload, generation = _answer_of(order)
        token, parent, at = order.get("token"), whole(order, "parent"), whole(order, "at")
        if not isinstance(token, (int, str)):
            raise UsageError("there is no token to go on with", hint="load the page again")
        base = generation.path(parent)
        stream = self._models.model_of(generation.model).stream_branch(base, at, token)
        live = self.lives.begin(id, base.options.max_tokens, stream.close)
        live.add(stream.generation.tokens[at:])
        for each in stream:
            live.add([each])
        tree = generation.with_branch(stream.generation, at=at, parent=parent)
        self._give(live, tree, payload)

    def _more(self, id: str, order: Order) -> None:
        """Go on with an answer, or a branch of it, that was cut off; and send the answer with what is new."""
        payload, generation = _answer_of(order)
        path = whole(order, "path")
        base = generation.path(path)
        stream = self._models.model_of(generation.model).stream_more(base)
        live = self.lives.begin(id, stream.answer.room + len(base.tokens), stream.close)
        for each in stream:
            live.add([each])
        whole_answer = generation.with_more(stream.generation, path=path)
        if path == 0:
            self._models.grown(_id_of(payload), generation, whole_answer)
        self._give(live, whole_answer, payload)

    def _give(self, live: Live, answer: Generation, payload: dict[str, Any]) -> None:
        """End what is made, and send the answer that takes the place of ``payload`` in the notebook."""
        bundle = _bundle_of(answer, payload)
        live.end(bundle)
        self.channel.send({"do": "record", "id": live.id, "bundle": bundle})

    def _work(self, id: str, work: Callable[[], None]) -> None:
        """Do it in a thread; an error is told to the view.

        Each has caches and threads of its own: a page that asks for very many at once is refused.
        """
        if not self._jobs.acquire(blocking=False):
            return self._fail(
                id, f"{MOST_JOBS} orders are being followed already", "wait until one of them is done"
            )

        def run() -> None:
            try:
                work()
            except (LLMMagicsError, Interrupted) as error:
                self._fail(id, str(error), error.hint)
            except Exception as error:
                log.exception("an order of a view failed")
                self._fail(id, f"this failed: {error}", "restart the kernel, then run the cell again")
            finally:
                self._jobs.release()

        # The context tells the kernel which order its messages belong to.
        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True).start()
        return None

    def _fail(self, id: str, what: str, hint: str) -> None:
        self.channel.send({"do": "failed", "id": id, "what": what, "hint": hint})
