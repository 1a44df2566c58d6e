"""What runs in a kernel now: answers, runs over rows, tuning runs, downloads and conversions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...sanitize import single_line

if TYPE_CHECKING:
    from ...inspection.answers.rows import RowsState
    from ..stream_sender import ActiveStreams
    from ..tuning.commands import TuningCommands

_SILENT_S = 10.0  # a download that says nothing for so long has ended with an error
INTERRUPT = "interrupt"


@dataclass(frozen=True, slots=True)
class Job:
    """One thing that runs.

    Attributes:
        id: of the job; stays the same while it runs.
        kind: "answer", "rows", "tuning" or "loading".
        title: what is worked on.
        share: from 0 to 1; None where it is not known.
        detail: how far it is, in words.
        paused: whether it is paused; None where it cannot be.
        stop: how it is stopped: "stop" by the kernel, "interrupt" by an interrupt of the running cell, or
            empty where it cannot be.
    """

    id: str
    kind: str
    title: str
    share: float | None
    detail: str
    paused: bool | None = None
    stop: str = "stop"
    act: Callable[[str], None] = field(default=lambda action: None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        names = ("id", "kind", "title", "share", "detail", "paused", "stop")
        return {name: getattr(self, name) for name in names}


class JobList:
    """Collect the jobs of a kernel from where each runs.

    Args:
        streams: the answers.
        tuning: the tuning runs.

    Attributes:
        rows: the run over rows that goes on in a cell, or None.
    """

    def __init__(self, streams: ActiveStreams, tuning: TuningCommands) -> None:
        self._streams, self._tuning = streams, tuning
        self.rows: RowsState | None = None
        self._loading: tuple[str, float | None, float] | None = None

    def hear_progress(self, what: str, share: float | None) -> None:
        """Take the progress of a download or a conversion, from any thread."""
        done = share is not None and share >= 1
        self._loading = None if done or not what else (what, share, time.monotonic())

    def collect(self) -> list[Job]:
        """Return what runs now."""
        return [*self._answers(), *self._row_runs(), *self._tuning_runs(), *self._downloads()]

    def find(self, id: Any) -> Job | None:
        """Return the job with that id, or None."""
        return next((job for job in self.collect() if job.id == id), None)

    def _answers(self) -> list[Job]:
        jobs = []
        for live in self._streams.running():
            count = len(live.tokens)
            seconds = live.tokens[-1].time_s if live.tokens else 0.0
            speed = f", {count / seconds:.1f} tokens/s" if seconds > 0.2 else ""
            jobs.append(
                Job(
                    live.id,
                    "answer",
                    "Answer",
                    min(count / max(live.most, 1), 1.0),
                    f"{count:,} of at most {live.most:,} tokens{speed}",
                    act=lambda action, live=live: live.stop(),  # type: ignore[misc]
                )
            )
        return jobs

    def _row_runs(self) -> list[Job]:
        state = self.rows
        if state is None or state.state != "running":
            return []
        done = len(state.results)
        failed = sum(1 for result in list(state.results.values()) if result.error)
        errors = f", {failed:,} error{'s' * (failed != 1)}" if failed else ""
        detail = f"{done:,} of {state.total:,}{errors}"
        share = done / max(state.total, 1)
        return [Job("rows", "rows", single_line(state.source), share, detail, stop=INTERRUPT)]

    def _tuning_runs(self) -> list[Job]:
        jobs = []
        for view in self._tuning.views():
            run = view.run
            if run.state not in ("training", "paused"):
                continue

            def act(action: str, view: Any = view) -> None:
                if action == "stop":
                    view.run.stop()
                else:
                    view.run.pause(action == "pause")

            paused = run.state == "paused"
            detail = f"step {run.step:,} of {run.total:,}" + (", paused" if paused else "")
            share = run.step / run.total if run.total else None
            jobs.append(Job(view.id, "tuning", single_line(run.name), share, detail, paused=paused, act=act))
        return jobs

    def _downloads(self) -> list[Job]:
        loading = self._loading
        if loading is None or time.monotonic() - loading[2] > _SILENT_S:
            return []
        what, share, _ = loading
        title, _, detail = what.partition(": ")
        return [Job("loading", "loading", single_line(title), share, single_line(detail), stop=INTERRUPT)]
