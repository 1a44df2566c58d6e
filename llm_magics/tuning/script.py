"""The full run, elsewhere: a plain script of transformers, PEFT and accelerate, on the same rows."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from ..core import validation
from ..models.adapters.targets import module_of, resolve_targets
from ..sources import store
from ..sources.catalog import hub_name
from .examples import turn_end
from .plan import default_learning_rate
from .run_state import RunState

SCRIPT, ROWS = "tune.py", "rows.jsonl"


def write_script(run: RunState, folder: str | Path) -> Path:
    """Return a new folder with tune.py and rows.jsonl; gives the script's path.

    Raises:
        UsageError: the folder exists. StoreError: it cannot be written.
    """

    def build(making: Path) -> None:
        held_out = {example.row for example in (*run.split.validation, *run.split.test)}
        learnt = {example.row for example in run.split.train} or {row.number for row in run.rows}
        lines = []
        for row in run.rows:
            if row.number in held_out | learnt:
                content = {"messages": list(map(dict, row.messages))} if row.messages else {"text": row.text}
                lines.append(json.dumps({**content, "held_out": row.number in held_out}, ensure_ascii=False))
        (making / ROWS).write_text("\n".join(lines) + "\n", "utf-8")
        (making / SCRIPT).write_text(script(run), "utf-8")

    return store.build_atomically(validation.require_path(folder, "the folder"), build) / SCRIPT


def script(run: RunState) -> str:
    """Return the script's text: the template with this run's values as its defaults."""
    options, plan = run.options, run.plan
    first = plan.first_layer if plan else 0
    batch = min(options.batch, max(len(run.split.train), 1))
    values = {
        "BASE": hub_name(run.model.name),
        "STEPS": plan.steps if plan else 100,
        "RANK": options.rank,
        "ALPHA": options.alpha,
        "TARGETS": _modules(run),
        "FIRST_LAYER": first,
        "LEARNING_RATE": plan.learning_rate if plan else default_learning_rate(options),
        "BATCH": batch,
        "MAX_LENGTH": options.max_length,
        "SEED": options.seed,
        "END": [run.model.tokenizer.token_text(id) for id in turn_end(run.model)],
    }
    text = files(__package__).joinpath("full_run.py.txt").read_text("utf-8")
    assignments = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    return text.replace("# VALUES", assignments)


def _modules(run: RunState) -> list[str] | str:
    """Return what PEFT calls the matrices that learn."""
    if run.model.lora_sessions is None:
        return "all-linear"
    spec = run.model.lora_sessions.spec
    roles = resolve_targets(spec, run.options.targets)
    return list(dict.fromkeys(module_of(spec, role)[0].rpartition(".")[2] for role in roles))
