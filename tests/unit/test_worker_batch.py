"""The loop over workers: order, halves, rows that kill, and what is refused."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence

import pytest

from llm_magics import ClusterError, ContextOverflow, Interrupted, LLMMagicsError, ModelInfo, UsageError
from llm_magics.core.options import SamplingOptions
from llm_magics.engine.batch import Request
from llm_magics.models.cluster.model_spec import ModelSpec
from llm_magics.models.cluster.row_job import Collected, Row, RowJob, decode_error, encode_error
from llm_magics.models.cluster.worker_batch import AHEAD, CHUNK_S, WorkerBatch
from tests.unit.test_structured import noise

JOB = RowJob(ModelSpec("a", ModelInfo("a", "", "")), options=SamplingOptions())


class Workers:
    """Workers that end chunks in any order, die at some rows, and send rows before their chunk ends."""

    def __init__(self, count: int, *, deadly: Sequence[int] = (), bystanders: bool = False, seed: int = 0):
        self.count, self.deadly, self.bystanders = count, set(deadly), bystanders
        self.chunks: dict[str, list[Row]] = {}
        self.events: deque[Collected] = deque()
        self.sizes: list[int] = []
        self.computed: list[int] = []
        self.cancelled = False
        self._random = random.Random(seed)
        self.row_s = 0.1

    def submit(self, job: RowJob, rows: Sequence[Row]) -> str:
        ticket = str(len(self.sizes))
        self.sizes.append(len(rows))
        self.chunks[ticket] = list(rows)
        assert len(self.chunks) <= AHEAD * max(self.count, 1)
        return ticket

    def collect(self) -> Collected:
        if self.events:
            return self.events.popleft()
        assert self.chunks, "nothing was submitted: this would wait for ever"
        ticket = self._random.choice(sorted(self.chunks))
        rows = self.chunks.pop(ticket)
        if self.deadly & {row.number for row in rows}:
            for row in rows:
                if row.number in self.deadly:
                    break
                if self._random.random() < 0.5:
                    self.events.append(Collected(None, [self._answer(row)]))
            if self.bystanders:  # a worker that dies takes another chunk with it
                self.events.extend(Collected(other, killed=True) for other in list(self.chunks)[:1])
                for event in self.events:
                    self.chunks.pop(event.ticket or "", None)
            self.events.append(Collected(ticket, killed=True))
        else:
            answers = [self._answer(row) for row in rows]
            self.events.append(Collected(None, answers[:1]))
            self.events.append(Collected(ticket, answers, seconds=self.row_s * len(rows)))
        return self.events.popleft()

    def _answer(self, row: Row) -> tuple[int, dict]:
        self.computed.append(row.number)
        return row.number, {"text": f"{row.prompt}!"}

    def cancel(self) -> None:
        self.cancelled = True


def requests(count: int) -> list[Request]:
    return [Request([n], f"row {n}", SamplingOptions()) for n in range(count)]


def run(workers: Workers, count: int) -> dict:
    batch = WorkerBatch(workers, JOB, requests(count), lambda payload: payload["text"])
    came = list(batch)
    assert len(came) == len(dict(came)), "no row comes twice"
    return dict(came)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("bystanders", [False, True])
def test_a_row_that_kills_is_the_only_error(seed: int, bystanders: bool) -> None:
    rng = random.Random(seed)
    count = rng.randrange(1, 300)
    deadly = rng.sample(range(count), min(count, rng.randrange(3)))
    workers = Workers(rng.randrange(1, 5), deadly=deadly, bystanders=bystanders, seed=seed)
    results = run(workers, count)
    assert sorted(results) == list(range(count))
    assert {n for n, result in results.items() if isinstance(result, ClusterError)} == set(deadly)
    assert all(result == f"row {n}!" for n, result in results.items() if n not in deadly)


def test_chunks_grow_to_some_seconds_and_shrink_at_the_end() -> None:
    workers = Workers(2)
    run(workers, 3000)
    assert workers.sizes[0] == 32 and max(workers.sizes) == int(CHUNK_S / workers.row_s)
    assert workers.sizes[-1] <= 8
    small = Workers(2)
    run(small, 40)
    assert max(small.sizes) == 10


def test_workers_that_die_at_every_row_end_the_run() -> None:
    with pytest.raises(ClusterError, match="workers that had this row died"):
        run(Workers(2, deadly=range(50)), 50)


def test_errors_of_rows_travel() -> None:
    for error in (
        UsageError("a", hint="b", why="c"),
        ContextOverflow("too long", over=7, hint="x"),
        LLMMagicsError("y"),
    ):
        again = decode_error(encode_error(error))
        assert type(again) is type(error) and str(again) == str(error)
        assert getattr(again, "over", None) == getattr(error, "over", None)
    assert (
        type(decode_error({"error": "Interrupted", "message": "m", "hint": "", "why": ""})) is LLMMagicsError
    )
    assert type(decode_error({"error": "__doc__", "message": "m", "hint": "", "why": ""})) is LLMMagicsError


def test_a_chunk_that_comes_back_short_is_an_error() -> None:
    class Short(Workers):
        def collect(self) -> Collected:
            item = super().collect()
            return Collected(item.ticket, [], seconds=1.0) if item.ticket else item

    with pytest.raises(ClusterError, match="returned 1 of 8 rows"):
        run(Short(2), 20)


def test_closing_cancels() -> None:
    workers = Workers(2)
    batch = WorkerBatch(workers, JOB, requests(100), lambda payload: payload["text"])
    next(batch)
    batch.close()
    assert workers.cancelled and len(batch.results) >= 1 and list(batch) == []


def test_a_model_made_of_parts_cannot_travel() -> None:
    with pytest.raises(UsageError, match="cannot open"):
        noise(1).map(["a"], raw=True, progress=False, on="tcp://127.0.0.1:1", keep=False)


@pytest.mark.parametrize("on", [7, "somewhere", "http://x", object()])
def test_what_is_no_cluster_is_refused(on: object, tiny_gguf: object, home: object) -> None:
    import llm_magics as lm

    with pytest.raises(UsageError, match="no cluster of Dask"):
        lm.load(tiny_gguf).map(["a"], raw=True, progress=False, on=on)


def test_an_address_where_nothing_answers(
    tiny_gguf: object, home: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import llm_magics as lm
    from llm_magics.models.cluster import dask_workers

    monkeypatch.setattr(dask_workers, "CONNECT_S", 1)
    model = lm.load(tiny_gguf)
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        model.map(["a"], raw=True, progress=False, on="tcp://127.0.0.1:9")
    assert isinstance(model.last_map[0], Interrupted)
