"""Tuning runs of a tiny model."""

from __future__ import annotations

from typing import Any

from llm_magics import Model
from llm_magics.tuning.checkpoint import Checkpoint
from llm_magics.tuning.dataset import read_rows
from llm_magics.tuning.options import tune_options
from llm_magics.tuning.run import TuneRun

ROWS = [(f"what is {n}", f"aye, {n} be {n + 1} less one, matey") for n in range(24)]


def run_of(
    model: Model,
    rows: Any = ROWS,
    *,
    prompts: tuple[str, ...] = (),
    resume: Any = None,
    keep: bool = False,
    **options: Any,
) -> TuneRun:
    given = {"eval_fraction": 0.25, "max_tokens": 6, "steps": 12, "batch": 4, **options}
    checkpoint = None if resume is None else Checkpoint(resume)
    return TuneRun(
        model, read_rows(rows), tune_options(given), prompts=prompts, checkpoint=checkpoint, keep=keep
    )
