"""Many prompts, answered side by side.

Rows that end are filled again at once (continuous batching, Yu et al. 2022, Orca).

One engine call decodes a token of every row. Reading the weights is what a call of one token costs most, so
this is several times as fast as one answer after the other. A row has its own options, seed and stop
strings, and its tokens are those it would have alone: in fp32 the greedy text is that of a Stream; a
quantised model's kernels round otherwise for several tokens than for one, so two tokens that it holds about
equally likely may change places. What the other rows are never changes a row's text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ..core.options import SamplingOptions
from ..core.records import Generation, ModelInfo
from ..core.sampling import TokenScorer
from ..errors import LLMMagicsError, UsageError
from .answer import Answer
from .base import Logits
from .caches.cache_pool import free_bytes
from .generate import CHUNK, Stream
from .prefill import chunk_ends
from .runtime import Runtime

ROWS = 32


class BatchCache(Protocol):
    """KV caches of several sequences, the rows."""

    token_bytes: int
    """What a row's token takes, in bytes."""

    def start_row(self, row: int, ids: Sequence[int]) -> int:
        """Clear ``row`` for a sequence that starts with ``ids``.

        Return how many of them it holds already, which is never all of them.
        """
        ...

    def extend_row(self, row: int, ids: Sequence[int]) -> Logits:
        """Append ``ids`` (n ≥ 1) to ``row``.

        Logits after the last of them, float32 (1, vocab), valid until the next call.
        """
        ...

    def step(self, ids: Sequence[int]) -> Logits:
        """Append ``ids[r]`` to row r, for the first n rows.

        Logits float32 (n, vocab), valid until the next call.
        """
        ...

    def copy_prefix(self, source: int, target: int) -> None:
        """Make row ``target`` what row ``source`` is."""
        ...


@runtime_checkable
class SupportsBatching(Protocol):
    """An engine that decodes several sequences at once."""

    def batch_cache(self, rows: int) -> BatchCache: ...


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked in one row: the prompt's ids, and its text for the record."""

    ids: Sequence[int]
    prompt: str
    options: SamplingOptions


Result = Generation | LLMMagicsError


class Batch:
    """Answers to many requests, in the order in which they end: an iterator of ``(index, result)``.

    Args:
        runtime: the model.
        requests: read one by one as rows become free. One that is an error is its own result.
        model: what it is called in the records.
        rows: at most so many are answered at a time.
        memory: bytes that their KV caches may come to; one row always runs. None: a quarter of what the
            machine has free.
        step: told how many tokens were decided on, after each call.

    A request that cannot be answered (its prompt is too long) has its error as a result, and the others go
    on. Dropping or closing the batch stops it; ``results`` holds what was made until then.
    """

    def __init__(
        self,
        runtime: Runtime,
        requests: Iterable[Request | LLMMagicsError],
        *,
        model: ModelInfo,
        rows: int = ROWS,
        memory: int | None = None,
        step: Callable[[int], object] = lambda count: None,
    ) -> None:
        self._step = step
        self._runtime, self._model, self._rows = runtime, model, rows
        self._memory = free_bytes() // 4 if memory is None else memory
        self._requests = enumerate(requests)
        self._waiting: tuple[int, Answer] | None = None  # the next one, when there was no memory for it yet
        self._active: list[tuple[int, Answer]] = []  # by row
        self._results: dict[int, Result] = {}
        self._fresh: deque[int] = deque()  # those not yet given out
        self._weigher = TokenScorer(runtime.engine.vocab_size)
        self._loop = (
            self._run(runtime.engine) if isinstance(runtime.engine, SupportsBatching) else self._one_by_one()
        )

    def __iter__(self) -> Iterator[tuple[int, Result]]:
        return self

    def __next__(self) -> tuple[int, Result]:
        return next(self._loop)

    def close(self) -> None:
        """Stop here."""
        self._loop.close()
        for _, answer in self._active:
            answer.finish_interrupted()

    @property
    def results(self) -> dict[int, Result]:
        """Return what there is so far, by index.

        Complete, or begun and then with stop_reason "interrupted".
        """
        return self._results | {index: answer.generation for index, answer in self._active}

    def _run(self, engine: SupportsBatching) -> Generator[tuple[int, Result], None, None]:
        slots, active = engine.batch_cache(self._rows), self._active
        while True:
            while len(active) < self._rows and (item := self._start_row(slots, len(active))):
                active.append(item)
            while self._fresh:
                index = self._fresh.popleft()
                yield index, self._results[index]
            if not active:
                return
            logits = slots.step([answer.ids[-1] for _, answer in active])
            for (_, answer), row_logits in zip(active, logits, strict=True):
                answer.append(answer.choose(row_logits, self._weigher, answer.ids))
            self._step(len(active))
            # From the end, so that the last row is never one that has ended.
            for row in reversed(range(len(active))):
                if active[row][1].ended:
                    self._replace(slots, row)

    def _replace(self, slots: BatchCache, row: int) -> None:
        """Take the answer that has ended out of its row; the next request goes there, else the last row."""
        index, answer = self._active[row]
        self._set_result(index, answer.generation)
        item = self._start_row(slots, row)
        if item is None:
            item = self._active.pop()
            if row == len(self._active):
                return
            slots.copy_prefix(len(self._active), row)
        self._active[row] = item

    def _start_row(self, slots: BatchCache, row: int) -> tuple[int, Answer] | None:
        """Begin the next request in ``row``, decide its first token, and return the request.

        Return None when no request can begin now.
        """
        while item := self._next_that_fits(slots.token_bytes):
            index, answer = item
            self._read_prompt(slots, row, answer)
            if not answer.ended:
                return item
            self._set_result(index, answer.generation)
        return None

    def _next_that_fits(self, token_bytes: int) -> tuple[int, Answer] | None:
        """Return the next request that there is memory for; the first always has it."""
        item, self._waiting = self._waiting or self._next(), None
        if item is None:
            return None
        running = [answer for _, answer in self._active if not answer.ended]
        needed = sum(len(entry.ids) + entry.room for entry in [*running, item[1]])
        if running and needed * token_bytes > self._memory:
            self._waiting = item
            return None
        return item

    def _read_prompt(self, slots: BatchCache, row: int, answer: Answer) -> None:
        answer.begin()
        begin = answer.cached_tokens = slots.start_row(row, answer.ids)
        for end in chunk_ends(begin, len(answer.ids), CHUNK):
            logits = slots.extend_row(row, answer.ids[begin:end])
            begin = end
        answer.append(answer.choose(logits[0], self._weigher, answer.ids))

    def _next(self) -> tuple[int, Answer] | None:
        """Return the next request that can be answered."""
        for index, request in self._requests:
            if isinstance(request, LLMMagicsError):
                self._set_result(index, request)
                continue
            try:
                return index, self._answer(request)
            except LLMMagicsError as error:
                self._set_result(index, error)
        return None

    def _answer(self, request: Request) -> Answer:
        if not all(0 <= id < self._runtime.engine.vocab_size for id in request.ids):
            raise UsageError(
                "the prompt has token ids outside of the vocabulary",
                hint="Encode the text with the tokenizer of this model.",
            )
        return Answer(
            request.ids,
            request.options,
            self._runtime.tokenizer,
            context_length=self._runtime.engine.context_length,
            prompt=request.prompt,
            model=self._model,
            logits_size=self._runtime.engine.vocab_size,
        )

    def _set_result(self, index: int, result: Result) -> None:
        self._results[index] = result
        self._fresh.append(index)

    def _one_by_one(self) -> Generator[tuple[int, Result], None, None]:
        """Generate one request after the other, on engines with a single sequence."""
        for index, request in self._requests:
            if isinstance(request, LLMMagicsError):
                self._results[index] = request
            else:
                self._generate_alone(index, request)
            yield index, self._results[index]

    def _generate_alone(self, index: int, request: Request) -> None:
        try:
            stream = Stream(
                self._runtime, request.ids, request.options, prompt=request.prompt, model=self._model
            )
        except LLMMagicsError as error:
            self._results[index] = error
            return
        try:
            for _ in stream:
                pass
        finally:
            self._results[index] = stream.generation
