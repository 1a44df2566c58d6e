"""Rows out in chunks, results back as they come: the loop over any kind of workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from math import ceil
from typing import Any, Generic, TypeVar

from ...engine.batch import Request
from ...errors import ClusterError, LLMMagicsError
from .row_job import Row, RowJob, RowWorkers, decode_error

CHUNK_S = 20.0  # a chunk's work: longer ones are lost when a worker dies, shorter ones end with empty rows
FIRST = 32  # rows of a chunk as long as the speed is not known
LEAST = 8  # rows of a chunk at the end of a run, where there are as many
AHEAD = 2  # chunks a worker, the one that it works on among them
_MOST_DEATHS = 3  # rows that kill a worker one after the other

Result = TypeVar("Result")


class WorkerBatch(Generic[Result]):
    """Results of many rows in the order in which they end: an iterator of ``(index, result)``.

    Args:
        workers: the processes that answer.
        job: what they do with a row.
        requests: the rows, or errors, which are their own results.
        decode: makes the result of a row from what a worker sent.

    Raises:
        ClusterError: the workers cannot run the model, or they are gone. ``results`` has what came before.

    A chunk whose workers died is halved until the row that kills them stands alone; that row is tried once
    more with no other beside it, because a worker that dies takes the rows of others with it.
    """

    def __init__(
        self,
        workers: RowWorkers,
        job: RowJob,
        requests: Iterable[Request | LLMMagicsError],
        decode: Callable[[Mapping[str, Any]], Result],
    ) -> None:
        self.results: dict[int, Result | LLMMagicsError] = {}
        self._workers, self._job, self._decode = workers, job, decode
        self._waiting: deque[Row] = deque()
        self._chunks: deque[list[Row]] = deque()  # halves of chunks whose workers died
        self._suspects: deque[Row] = deque()
        self._running: dict[str, list[Row]] = {}
        self._alone: str | None = None  # the ticket of a suspect that runs with no other beside it
        self._deaths = 0
        self._row_s = 0.0
        self._loop = self._run(requests)

    def __iter__(self) -> Iterator[tuple[int, Result | LLMMagicsError]]:
        return self

    def __next__(self) -> tuple[int, Result | LLMMagicsError]:
        return next(self._loop)

    def close(self) -> None:
        """Stop here; the workers are told."""
        self._loop.close()
        self._workers.cancel()

    def _run(
        self, requests: Iterable[Request | LLMMagicsError]
    ) -> Generator[tuple[int, Result | LLMMagicsError], None, None]:
        for index, request in enumerate(requests):
            if isinstance(request, LLMMagicsError):
                self.results[index] = request
                yield index, request
            else:
                self._waiting.append(Row(index, [int(id) for id in request.ids], request.prompt))
        self._submit()
        while self._running:
            item = self._workers.collect()
            for number, payload in item.rows:
                if number not in self.results:
                    self._deaths = 0
                    yield number, self._take(number, payload)
            if item.ticket is None or item.ticket not in self._running:
                continue
            chunk = self._running.pop(item.ticket)
            left = [row for row in chunk if row.number not in self.results]
            if item.error is not None:
                raise item.error
            if item.killed:
                yield from self._killed(item.ticket, left)
            elif left:
                raise ClusterError(
                    f"a worker returned {len(chunk) - len(left):,} of {len(chunk):,} rows",
                    hint="Upgrade open-llm-magics on the workers.",
                )
            elif item.seconds:
                self._row_s = item.seconds / len(chunk)
            self._submit()

    def _take(self, number: int, payload: Mapping[str, Any]) -> Result | LLMMagicsError:
        """Keep the result of a row."""
        self.results[number] = decode_error(payload) if "error" in payload else self._decode(payload)
        return self.results[number]

    def _killed(self, ticket: str, left: list[Row]) -> list[tuple[int, Result | LLMMagicsError]]:
        """Split a chunk whose workers died; return the row that did it, with its error.

        Raises:
            ClusterError: several rows in a row did.
        """
        if len(left) > 1:
            half = len(left) // 2
            self._chunks.extend([left[:half], left[half:]])
        elif left and ticket != self._alone:
            self._suspects.append(left[0])
        elif left:
            self._deaths += 1
            error = ClusterError(
                "the workers that had this row died", hint="Check the worker's log. Is its memory enough?"
            )
            if self._deaths >= _MOST_DEATHS:
                raise error
            self.results[left[0].number] = error
            return [(left[0].number, error)]
        return []

    def _submit(self) -> None:
        """Give the workers as many chunks as they can have at hand."""
        if self._alone in self._running:
            return
        most = AHEAD * max(self._workers.count, 1)
        while len(self._running) < most and (self._chunks or self._waiting):
            chunk = self._chunks.popleft() if self._chunks else self._next_chunk()
            self._running[self._workers.submit(self._job, chunk)] = chunk
        if not self._running and self._suspects:
            row = self._suspects.popleft()
            self._alone = self._workers.submit(self._job, [row])
            self._running[self._alone] = [row]

    def _next_chunk(self) -> list[Row]:
        """Take rows of about :data:`CHUNK_S` seconds; fewer at the end, so that all workers end together."""
        by_time = int(CHUNK_S / self._row_s) if self._row_s else FIRST
        share = ceil(len(self._waiting) / (AHEAD * max(self._workers.count, 1)))
        size = max(1, min(by_time, max(share, LEAST), len(self._waiting)))
        return [self._waiting.popleft() for _ in range(size)]
