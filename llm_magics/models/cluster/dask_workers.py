"""Workers of a Dask cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from ...errors import ClusterError, Interrupted, LLMMagicsError, UsageError
from ...sanitize import single_line
from .row_job import Collected, Row, RowJob, decode_error, encode_error

CONNECT_S = 10
NO_WORKERS_S = 60.0  # a cluster without workers is waited for so long
_POLL_S = 0.2


@dataclass(slots=True)
class WorkerState:
    """A worker as the scheduler knows it.

    Attributes:
        address: of the worker.
        name, host: as the cluster calls it, and its machine.
        rows: how many it has finished.
        memory, memory_limit: bytes; 0 where it is not known.
        working: whether it computes now.
        present: whether it is there.
    """

    address: str
    name: str = ""
    host: str = ""
    rows: int = 0
    memory: int = 0
    memory_limit: int = 0
    working: bool = False
    present: bool = True


class DaskWorkers:
    """The workers of a Dask cluster, each with one model.

    Args:
        on: the address of a scheduler, a ``distributed.Client``, or a cluster object of Dask.

    Raises:
        UsageError: it is none of them, or Dask is not installed. ClusterError: nothing answers there.
    """

    def __init__(self, on: Any) -> None:
        self._client, self._own = _connect(on)
        self._topic = f"llm-magics-{uuid4().hex[:12]}"
        self._numbers = count()
        self._futures: dict[str, Any] = {}
        self._queue: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._client.subscribe_topic(self._topic, lambda event: self._queue.put(("row", event[1])))
        self._empty_since: float | None = None
        self._seen: dict[str, WorkerState] = {}  # by address, those that are gone among them

    @property
    def count(self) -> int:
        return len(self._client.nthreads())

    def submit(self, job: RowJob, rows: Sequence[Row]) -> str:
        ticket = f"{self._topic}-{next(self._numbers)}"
        try:
            future = self._client.submit(
                run_on_dask, job, list(rows), self._topic, key=ticket, pure=False, retries=0
            )
        except Exception as error:
            raise self._lost() from error
        self._futures[ticket] = future
        future.add_done_callback(lambda done: self._queue.put(("chunk", ticket)))
        return ticket

    def collect(self) -> Collected:
        checked = time.monotonic()
        while True:
            try:
                kind, value = self._queue.get(timeout=_POLL_S)
            except Empty:
                if time.monotonic() - checked > 1:
                    checked = time.monotonic()
                    self._check()
                continue
            self._empty_since = None
            if kind == "row":
                self._note(value.get("worker"))
                return Collected(None, [(int(value["number"]), value["result"])])
            future = self._futures.pop(value, None)
            if future is not None:
                return self._collected(value, future)

    def snapshot(self) -> list[WorkerState]:
        """Return the workers that were seen so far, with their rows and their memory."""
        try:
            present = self._client.scheduler_info(n_workers=-1)["workers"]
        except Exception:  # of a scheduler that is gone, or of another version: the last ones are told
            return list(self._seen.values())
        for address in present:
            self._seen.setdefault(str(address), WorkerState(str(address)))
        for address, state in self._seen.items():
            row = present.get(address)
            state.present = row is not None
            if row is not None:
                metrics = row.get("metrics", {})
                state.name, state.host = str(row.get("name", "")), str(row.get("host", ""))
                state.memory = int(metrics.get("memory", 0) or 0)
                state.memory_limit = int(row.get("memory_limit", 0) or 0)
                state.working = int(metrics.get("executing", 0) or 0) > 0
        return list(self._seen.values())

    def _note(self, address: Any) -> None:
        """Count a row of a worker."""
        if isinstance(address, str):
            self._seen.setdefault(address, WorkerState(address)).rows += 1

    def _collected(self, ticket: str, future: Any) -> Collected:
        """Return what came of a chunk that has ended."""
        from distributed.scheduler import KilledWorker

        if future.status == "lost" and self._client.status == "running":
            # The worker died with the finished chunk in its memory: the rows that it sent are here.
            with suppress(Exception):
                future.cancel(force=True)
            return Collected(ticket, killed=True)
        if future.status in ("cancelled", "lost"):
            raise self._lost()
        try:
            result = future.result(timeout=CONNECT_S)
        except KilledWorker:
            return Collected(ticket, killed=True)
        except Exception as error:
            if future.status in ("cancelled", "lost", "pending"):
                raise self._lost() from None
            text = single_line(f"{type(error).__name__}: {error}")[:300]
            return Collected(ticket, error=ClusterError(f"a worker failed: {text}", hint=_INSTALL))
        if "failed" in result:
            cause = decode_error(result["failed"])
            hint = cause.hint or "Check the worker's log."
            return Collected(
                ticket, error=ClusterError(f"a worker cannot run the model: {cause.message}", hint=hint)
            )
        return Collected(ticket, result["rows"], seconds=result["seconds"])

    def _check(self) -> None:
        """Check that something can still come.

        Raises:
            ClusterError: the scheduler is gone, or no worker has come for a minute.
        """
        if self._client.status != "running":
            raise self._lost()
        if self.count:
            self._empty_since = None
            return
        self._empty_since = self._empty_since or time.monotonic()
        if time.monotonic() - self._empty_since > NO_WORKERS_S:
            raise ClusterError("the Dask cluster has no workers", hint="Start workers. Then run it again.")

    def _lost(self) -> ClusterError:
        return ClusterError(
            "the connection to the Dask scheduler was lost",
            hint="Start the scheduler again. Then run it again: the finished rows are kept.",
        )

    def cancel(self) -> None:
        """End every chunk that has not ended; close the client where it was opened here."""
        futures, self._futures = list(self._futures.values()), {}
        with suppress(Exception):  # of a scheduler that is gone: there is nothing left to cancel
            if futures:
                self._client.cancel(futures, force=True)
            self._client.unsubscribe_topic(self._topic)
        if self._own:
            self._client.close(timeout=2)


_INSTALL = "Upgrade open-llm-magics on the workers."


def _connect(on: Any) -> tuple[Any, bool]:
    """Return the client of a cluster, and whether it was opened here."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "running on a cluster needs Dask", hint="Run pip install 'open-llm-magics[dask]'."
        ) from None
    if isinstance(on, Client):
        if on.asynchronous:
            raise UsageError("the client is asynchronous", hint="Pass Client(…, asynchronous=False).")
        if on.status != "running":
            raise ClusterError("the client is not connected", hint="Connect it again.")
        return on, False
    address = on if isinstance(on, str) else getattr(on, "scheduler_address", None)
    if not isinstance(address, str) or not address.startswith(("tcp://", "tls://", "inproc://", "ws", "ucx")):
        raise UsageError(
            f"{single_line(str(on)):.80} is no cluster of Dask",
            hint="Pass an address such as tcp://127.0.0.1:8786, a Client, or a cluster.",
        )
    try:
        open_client: Any = Client
        return open_client(on, timeout=CONNECT_S, set_as_default=False), True
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {single_line(address):.80}",
            why=single_line(str(error))[:200],
            hint="Start it with dask scheduler, or correct the address.",
        ) from None


def run_on_dask(job: RowJob, rows: list[Row], topic: str) -> dict[str, Any]:
    """Answer a chunk in a worker of Dask; the rows are sent as they are finished, and all at the end."""
    from distributed import get_worker

    from .worker import run_chunk

    worker = get_worker()
    tasks, key = worker.state.tasks, worker.get_current_task()

    def is_wanted() -> bool:
        task = tasks.get(key)
        return task is not None and task.state == "executing"

    def send(number: int, result: dict[str, Any]) -> None:
        worker.log_event(topic, {"number": number, "result": result, "worker": worker.address})

    try:
        done, seconds = run_chunk(job, rows, threads=worker.state.nthreads, send=send, is_wanted=is_wanted)
    except LLMMagicsError as error:
        return {"failed": encode_error(error)}
    except Interrupted:  # as a KeyboardInterrupt it would end the worker
        return {"rows": [], "seconds": 0.0}
    return {"rows": done, "seconds": seconds}
