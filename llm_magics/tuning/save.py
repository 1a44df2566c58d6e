"""A run in a folder that others can use: PEFT's files, ONNX Runtime's, and where it all came from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from .. import __version__
from ..clean import line
from ..core import given
from ..errors import StoreError, UsageError
from ..models.adapted import Slots
from ..models.adapter import Adapter
from ..sources import adapters, store
from ..sources.catalog import hub_name
from .checkpoint import data_hash
from .records import Progress

KEPT = "kept as"  # how the note on a kept adapter begins
ONNX = "adapter.onnx_adapter"
# What licences ask of who passes on something that was made from the weights. Not advice: a reminder.
ASKS = {
    "apache-2.0": "keep its notices, pass on the licence, and say that you changed the work",
    "mit": "keep its notice and the licence text",
    "bsd-3-clause": "keep its notice and the licence text, and do not advertise with its authors' names",
    "cc-by-4.0": "name the authors, link the licence, and say what you changed",
    "cc-by-nc-4.0": "name the authors, say what you changed, and do not use it commercially",
    "llama2": 'pass on the "Llama 2 Community License" and its notice, and follow its acceptable use policy',
    "llama3": 'show "Built with Meta Llama 3", begin the name with "Llama 3", pass on the licence',
    "llama3.1": 'show "Built with Llama", begin the name with "Llama", pass on the licence',
    "llama3.2": 'show "Built with Llama", begin the name with "Llama", pass on the licence',
    "gemma": "pass on the Gemma Terms of Use and their use restrictions, and say that you changed it",
}
UNKNOWN = "find out what it allows before you pass this on"


def save_run(run: Progress, adapter: Adapter, step: int, folder: str | Path) -> Path:
    """Write a new folder that PEFT loads, and this package too; whole or not at all.

    Raises:
        UsageError: it exists. StoreError: it cannot be written.
    """
    return store.whole(given.path(folder, "the folder"), _files(run, adapter, step))


def keep_run(run: Progress, adapter: Adapter, step: int) -> str:
    """Write the adapter under the name of the run, where ``%%llm -a NAME`` finds it after a restart.

    Returns:
        What was done, in words. That it cannot be written is said too, and stops no run.
    """
    try:
        _, moved = adapters.keep(run.name, run.id, _files(run, adapter, step))
    except (StoreError, UsageError) as error:
        return f"the adapter is not kept on the disk: {error}"
    run.kept = run.name
    earlier = f"; the earlier adapter of that name is now {moved}" if moved else ""
    return f"{KEPT} {run.name}: %%llm -a {run.name} uses it, after a restart too{earlier}"


def _files(run: Progress, adapter: Adapter, step: int) -> Callable[[Path], None]:
    def build(making: Path) -> None:
        store.require_room(making, 2 * adapter.nbytes)
        adapter.save(making)
        if run.model.slots is not None:
            _onnx(run.model.slots, adapter, making / ONNX)
        (making / "README.md").write_text(readme(run, step), "utf-8")
        facts = {
            "run": run.id,
            "model": run.model.info.fingerprint,
            "data": data_hash(run.rows),
            "options": run.options.to_dict(),
            "step": step,
            "loss": [[each.step, each.loss] for each in run.history],
            "held_out": [[at, loss] for at, loss in run.checks.items()],
        }
        (making / "run.json").write_text(json.dumps(facts, indent=1), "utf-8")

    return build


def readme(run: Progress, step: int) -> str:
    """The model card: what this is, from what it was made, and what that asks."""
    info, options = run.model.info, run.options
    base = hub_name(run.model.name)
    licence = info.licence or "unknown"
    front = {"base_model": base, "library_name": "peft", "license": licence.lower()}
    about = [
        f"# {line(run.name)}",
        "",
        f"A LoRA adapter for `{line(base)}`, tuned as a preview with open-llm-magics {__version__}. "
        "It learnt a manner, not facts: what it says in that manner may be wrong.",
        "",
        "| | |",
        "|---|---|",
        f"| base | {_cell(info.name)} |",
        f"| revision | {_cell(info.revision)} |",
        f"| its fingerprint | {_cell(info.fingerprint)} |",
        f"| data | {_cell(run.source)}, {len(run.rows):,} rows, sha256 {data_hash(run.rows)} |",
        f"| rows | {len(run.split.train)} learnt, {len(run.split.choose)} to choose the moment by, "
        f"{len(run.split.final)} for the figure |",
        f"| step | {step:,} of {len(run.history):,} |",
        f"| plan | {_cell(run.plan.reason if run.plan else '')} |",
        *(f"| {name} | {_cell(str(value))} |" for name, value in options.to_dict().items()),
    ]
    if run.perplexity:
        about.append(f"| held out | {_cell(str(run.perplexity))} |")
    ask = ASKS.get(licence.lower(), UNKNOWN)
    about += [
        "",
        "## Licence",
        "",
        f"The base is under {line(licence)}. What is made from it is to {ask}."
        if licence.lower() in ASKS
        else f"The licence of the base is given as {line(licence)}: {ask}.",
        "The rows that it learnt from have an owner too.",
        "",
    ]
    head = [f"{name}: {json.dumps(line(value))}" for name, value in front.items()]
    return "\n".join(["---", *head, "---", *about])


def _onnx(slots: Slots, adapter: Adapter, path: Path) -> None:
    """ONNX Runtime's own format: the inputs of the graph with slots, by name."""
    import onnxruntime as ort

    kept = ort.AdapterFormat()
    kept.set_adapter_version(1)
    kept.set_model_version(1)
    inputs = slots.inputs(adapter)
    kept.set_parameters({name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in inputs.items()})
    kept.export_adapter(str(path))


def _cell(text: str) -> str:
    return line(text, most=400).replace("|", "\\|") or "–"
