"""A run as it goes: one output that is updated, then replaced by what the notebook keeps of it."""

from __future__ import annotations

import sys
import threading
import time

from ...core.output import Output
from ...sanitize import safe_print
from ...tuning.run import TuneRun
from ...tuning.view_record import view_record
from ...views.tuning import headline, plain, tuning_bundle
from ..channel import Transport, new_id

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
        self.lock, self.is_training, self.request_count = threading.Lock(), False, 0

    def watch(self, run: TuneRun) -> None:
        """Show it again, if that is long enough ago or it has come to its end."""
        record = view_record(run, id=self.id, left_s=run.eta_seconds)
        now = time.monotonic()
        every = EVERY_S if self._notebook else LINES_S
        if now < self._next and not record["final"]:
            return
        if self._notebook:
            self._output.show(tuning_bundle(record))
        elif (words := headline(record)) != self._said:
            self._said = words
            safe_print(words, file=sys.stderr, flush=True)
            if record["final"]:
                safe_print(plain(record), flush=True)
        self._next = now + max(every, 10 * (time.monotonic() - now))

    def tell(self, channel: Transport, *, now: bool = False) -> None:
        """Send it to the view in the page, which writes it into the notebook: no cell is running."""
        if now or time.monotonic() >= self._next:
            bundle = tuning_bundle(view_record(self.run, id=self.id, left_s=self.run.eta_seconds))
            channel.send({"type": "record", "id": self.id, "bundle": bundle})
            self._next = time.monotonic() + EVERY_S
