"""Many requests to a server, several at a time: it puts them into one batch by itself."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ...core.records import Generation
from ...engine.batch import Request
from ...errors import LLMMagicsError, ServerError
from .stream import RemoteStream

Result = Generation | LLMMagicsError
_MOST_FAILURES = 3  # in a row: then the server is at fault, and not the rows
_HEARD_S = 0.1  # how often an interrupt is heard where waiting cannot be interrupted


class RemoteBatch:
    """Answers to many requests: an iterator of ``(index, result)``, in the order in which they end.

    Args:
        start: begins the answer to a request.
        requests: read in the thread that iterates.
        rows: at most so many at a time.

    Raises:
        ServerError: the server fails, and not a single row. What was finished was given out.
    """

    def __init__(
        self,
        start: Callable[[Request], RemoteStream],
        requests: Iterable[Request | LLMMagicsError],
        rows: int,
    ) -> None:
        self._start, self._requests, self._rows = start, iter(requests), rows
        self.results: dict[int, Result] = {}
        self._ended: queue.SimpleQueue[tuple[int, Result]] = queue.SimpleQueue()
        self._running: dict[int, RemoteStream | None] = {}
        self._lock, self._closed = threading.Lock(), False
        self._threads = ThreadPoolExecutor(rows, thread_name_prefix="llm-magics-rows")

    def __iter__(self) -> Iterator[tuple[int, Result]]:
        numbers = enumerate(self._requests)
        failures, succeeded, more = 0, False, True
        while True:
            while more and len(self._running) < self._rows:
                item = next(numbers, None)
                more = item is not None
                if item is not None:
                    self._submit(*item)
            if not self._running:
                return
            index, result = self._next()
            del self._running[index]
            if isinstance(result, ServerError):
                failures += 1
                if failures >= _MOST_FAILURES or not succeeded:
                    raise result
            else:
                failures, succeeded = 0, True
            self.results[index] = result
            yield index, result

    def close(self) -> None:
        """Stop all requests; the answers that were begun are in :attr:`results`."""
        with self._lock:
            self._closed = True
            streams = [stream for stream in self._running.values() if stream is not None]
        for stream in streams:
            stream.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        while not self._ended.empty():
            index, result = self._ended.get()
            if isinstance(result, Generation) and result.tokens:
                self.results[index] = result

    def _submit(self, index: int, request: Request | LLMMagicsError) -> None:
        self._running[index] = None
        if isinstance(request, LLMMagicsError):
            self._ended.put((index, request))
        else:
            self._threads.submit(self._answer, index, request)

    def _next(self) -> tuple[int, Result]:
        while True:
            try:
                return self._ended.get(timeout=_HEARD_S)
            except queue.Empty:
                continue

    def _answer(self, index: int, request: Request) -> None:
        """Answer one request, in a thread."""
        try:
            stream = self._start(request)
            with self._lock:
                if self._closed:
                    return
                self._running[index] = stream
            for _ in stream:
                pass
            result: Result = stream.generation
            if stream.cut:
                result = ServerError(stream.cut, hint="Run it again.")
        except LLMMagicsError as error:
            result = error
        except Exception as error:  # a thread must not end without a result: the row would be waited for
            result = ServerError(f"the answer cannot be read: {error}", hint="Run it again.")
        self._ended.put((index, result))
