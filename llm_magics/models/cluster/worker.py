"""What runs in a worker process: one model, opened once, answers chunks of rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import llm_magics as lm

from ...core import progress
from ...core.records import Generation
from ...engine.batch import Batch, Request
from ...errors import Interrupted, LLMMagicsError, UsageError
from ...inspection.answers.choices import choose
from ...inspection.reading.batch_score import ContinuationReader
from ...sanitize import single_line
from ...views.record_codec import encode_record
from ..rows.request_key import versions
from .model_spec import ModelSpec
from .row_job import Row, RowJob, encode_error

_lock = threading.Lock()  # a process has one model, which answers one chunk at a time
_opened: dict[tuple[ModelSpec, int], lm.Model] = {}


def run_chunk(
    job: RowJob,
    rows: Sequence[Row],
    *,
    threads: int,
    send: Callable[[int, dict[str, Any]], None],
    is_wanted: Callable[[], bool],
) -> tuple[list[tuple[int, dict[str, Any]]], float]:
    """Answer a chunk of rows.

    Args:
        job: what to do with a row.
        rows: of the chunk.
        threads: of the engine.
        send: called with each row that is finished, at once.
        is_wanted: asked now and then whether the notebook still waits.

    Returns:
        The results by row number, and the seconds that they took without the loading of the model.

    Raises:
        Interrupted: nobody waits any more.
        LLMMagicsError: this worker cannot run the model.
    """

    def check() -> None:
        if not is_wanted():
            raise Interrupted("the notebook does not wait for these rows any more")

    with _lock, progress.quiet():
        _check_versions(job)
        model = _open(job.model, threads)
        began, done = time.perf_counter(), []
        compute = _answers(model, job, rows, check) if job.labels is None else _labels(model, job, rows)
        for number, payload in compute:
            done.append((number, payload))
            send(number, payload)
            check()
        return done, time.perf_counter() - began


def _check_versions(job: RowJob) -> None:
    """Check that this process computes with the same packages as the notebook.

    Raises:
        UsageError: it does not, so its texts may be others.
    """
    if job.versions != (own := versions()):
        raise UsageError(
            f"a worker has llm_magics and onnxruntime {' and '.join(own)},"
            f" the notebook has {' and '.join(job.versions)}",
            hint="Upgrade the packages on the workers.",
        )


def _open(spec: ModelSpec, threads: int) -> lm.Model:
    """Return the model of a spec; the one that was open before is let go first.

    Raises:
        LLMMagicsError: it cannot be loaded here, or it has other weights here.
    """
    model = _opened.get((spec, threads))
    if model is None:
        _opened.clear()
        model = lm.load(
            spec.name,
            precision=spec.precision,
            threads=threads,
            file=spec.file,
            ignore_config=spec.ignore_config,
            kv_cache=spec.kv_cache,
            device=spec.device,
        )
        if spec.adapter:
            model = model.with_adapter(spec.adapter, spec.strength)
        if model.info.fingerprint != spec.info.fingerprint:
            raise UsageError(
                f"{single_line(spec.name)} has other weights on a worker ({model.info.fingerprint[:12]}) than"
                f" in the notebook ({spec.info.fingerprint[:12]})",
                hint="Load the same revision or the same file on both.",
            )
        _opened[spec, threads] = model
    return model


def _answers(
    model: lm.Model, job: RowJob, rows: Sequence[Row], check: Callable[[], None]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the result of each row."""
    assert job.options is not None

    requests = [Request(row.ids, row.prompt, job.options) for row in rows]
    at_a_time = max(min(job.at_a_time, len(rows)), 1)
    batch = Batch(model._runtime, requests, model=job.model.info, rows=at_a_time, step=lambda count: check())
    try:
        for index, result in batch:
            number = rows[index].number
            yield number, encode_record(result) if isinstance(result, Generation) else encode_error(result)
    finally:
        batch.close()


def _labels(model: lm.Model, job: RowJob, rows: Sequence[Row]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the label of each row."""
    assert job.labels is not None
    reader = ContinuationReader(model.runtime)
    for row in rows:
        try:
            record = choose(model.runtime, job.model.info, row.ids, job.labels, reader)
            yield row.number, dict(record.to_payload())
        except LLMMagicsError as error:
            yield row.number, encode_error(error)
