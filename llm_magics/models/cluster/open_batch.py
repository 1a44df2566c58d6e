"""Where rows are answered: in this process, or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...core.options import SamplingOptions
from ...core.records import ModelInfo
from ...engine.batch import Batch, Request
from ...engine.runtime import Runtime
from ...errors import LLMMagicsError, UsageError
from ...inspection.answers.choices import Choices
from ...sanitize import single_line
from ..rows.batch_generate import OpenBatch, RowBatch, decode_generation
from .dask_workers import DaskWorkers
from .model_spec import ModelSpec
from .row_job import RowJob
from .worker_batch import WorkerBatch


def batch_opener(
    runtime: Runtime, info: ModelInfo, options: SamplingOptions, spec: ModelSpec | None, on: Any
) -> OpenBatch:
    """Return what begins to answer requests.

    Args:
        runtime: of the model in this process.
        info: the model in the records.
        options: of every answer.
        spec: how another process opens the model; None where it cannot.
        on: the cluster, as :class:`DaskWorkers` takes it; None answers here.

    Raises:
        UsageError: another process cannot open the model.
    """
    if on is None:
        return lambda requests, rows: Batch(runtime, requests, model=info, rows=rows)
    known = _require_spec(spec, info)

    def open_batch(requests: Iterable[Request | LLMMagicsError], rows: int) -> RowBatch:
        job = RowJob(known, options=options, at_a_time=rows)
        return WorkerBatch(_workers(on), job, requests, decode_generation)

    return open_batch


def open_labels(
    info: ModelInfo,
    labels: Mapping[str, Sequence[str]],
    requests: Iterable[Request | LLMMagicsError],
    spec: ModelSpec | None,
    on: Any,
) -> WorkerBatch[Choices]:
    """Begin to choose the labels of requests on a cluster; see :func:`batch_opener`."""
    job = RowJob(_require_spec(spec, info), labels=labels)
    return WorkerBatch(_workers(on), job, requests, Choices.from_payload)


def _workers(on: Any) -> DaskWorkers:
    return on if isinstance(on, DaskWorkers) else DaskWorkers(on)


def _require_spec(spec: ModelSpec | None, info: ModelInfo) -> ModelSpec:
    if spec is None:
        raise UsageError(
            f"a worker cannot open {single_line(info.name)} by its name",
            hint="Load the model with lm.load(name), and an adapter by its name or its folder.",
        )
    return spec
