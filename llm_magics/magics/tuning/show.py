"""A run as it goes: one output that is updated, then replaced by what the notebook keeps of it."""

from __future__ import annotations

import sys
import threading
import time

from ...clean import say
from ...core.output import Output
from ...tuning.record import record_of
from ...tuning.run import TuneRun
from ...views.tuning import headline, plain, tuning_bundle
from ..channel import Sender, new_id

EVERY_S, LINES_S = 0.5, 5.0  # in a notebook, and on stderr


class RunView:
    """Shows a run in a notebook's output; elsewhere its headline on stderr, and its text at the end.

    Attributes:
        id: by which the view in the page knows it.
        going: held by whoever makes steps or answers; driven: whether steps are made.
        wishes: how often another strength, or another moment, was asked for.
    """

    def __init__(self, run: TuneRun, *, notebook: bool, output: Output | None = None) -> None:
        self.run, self.id = run, new_id()
        self._notebook, self._output = notebook, output or Output()
        self._next, self._said = 0.0, ""
        self.going, self.driven, self.wishes = threading.Lock(), False, 0

    def watch(self, run: TuneRun) -> None:
        """Show it again, if that is long enough ago or it has come to its end."""
        record = record_of(run, id=self.id, left_s=run.left_s)
        now = time.monotonic()
        every = EVERY_S if self._notebook else LINES_S
        if now < self._next and not record["final"]:
            return
        if self._notebook:
            self._output.show(tuning_bundle(record))
        elif (words := headline(record)) != self._said:
            self._said = words
            say(words, file=sys.stderr, flush=True)
            if record["final"]:
                say(plain(record), flush=True)
        self._next = now + max(every, 10 * (time.monotonic() - now))

    def tell(self, channel: Sender, *, now: bool = False) -> None:
        """Send it to the view in the page, which writes it into the notebook: no cell is running."""
        if now or time.monotonic() >= self._next:
            bundle = tuning_bundle(record_of(self.run, id=self.id, left_s=self.run.left_s))
            channel.send({"do": "record", "id": self.id, "bundle": bundle})
            self._next = time.monotonic() + EVERY_S
