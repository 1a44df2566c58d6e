"""A run in a folder that others can use: PEFT's files, ONNX Runtime's, and where it all came from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import __version__
from ..core import validation
from ..errors import StoreError, UsageError
from ..models.adapters.lora import Adapter
from ..models.adapters.sessions import LoraSessions
from ..sanitize import single_line
from ..sources import adapters, store
from ..sources.catalog import hub_name
from ..trust import licenses
from ..trust.obligations import CARD, card, copy_texts, licensed_path, section, write_notice
from .checkpoint import data_hash
from .run_state import RunState

KEPT = "kept as"  # how the note on a kept adapter begins
ONNX = "adapter.onnx_adapter"


def save_run(run: RunState, adapter: Adapter, step: int, folder: str | Path) -> Path:
    """Write a new folder that PEFT loads, and this package too; whole or not at all.

    Where the license of the base asks for it, the folder's name gets a prefix, such as "Llama-".

    Raises:
        UsageError: it exists. StoreError: it cannot be written.
    """
    path = licensed_path(validation.require_path(folder, "the folder"), run.model.info.license)
    return store.build_atomically(path, _files(run, adapter, step))


def keep_run(run: RunState, adapter: Adapter, step: int) -> str:
    """Write the adapter under the name of the run, where ``%%llm -a NAME`` finds it after a restart.

    Returns:
        What was done, in words. That it cannot be written is said too, and stops no run.
    """
    try:
        _, moved = adapters.save(run.name, run.id, _files(run, adapter, step))
    except (StoreError, UsageError) as error:
        return f"the adapter is not kept on the disk: {error}"
    run.kept = run.name
    earlier = f"; the earlier adapter of that name is now {moved}" if moved else ""
    return f"{KEPT} {run.name}: %%llm -a {run.name} uses it, after a restart too{earlier}"


def _files(run: RunState, adapter: Adapter, step: int) -> Callable[[Path], None]:
    def build(making: Path) -> None:
        store.require_room(making, 2 * adapter.nbytes)
        adapter.save(making)
        if run.model.lora_sessions is not None:
            _onnx(run.model.lora_sessions, adapter, making / ONNX)
        license = licenses.find(run.model.info.license)
        if run.model.folder is not None:
            copy_texts(run.model.folder, making)
        (making / CARD).write_text(readme(run, step, write_notice(making, license)), "utf-8")
        facts = {
            "run": run.id,
            "model": run.model.info.fingerprint,
            "data": data_hash(run.rows),
            "options": run.options.to_dict(),
            "step": step,
            "loss": [[item.step, item.loss] for item in run.history],
            "held_out": [[at, loss] for at, loss in run.heldout_losses.items()],
        }
        (making / "run.json").write_text(json.dumps(facts, indent=1), "utf-8")

    return build


def readme(run: RunState, step: int, written: Sequence[str] = ()) -> str:
    """Return the model card: what this is, from what it was made, and what that asks.

    Args:
        run: the run.
        step: of the adapter.
        written: the license texts and notices that go with it, as sentences.
    """
    info, options = run.model.info, run.options
    license = licenses.find(info.license)
    base = hub_name(run.model.name)
    about = [
        f"A LoRA adapter for `{single_line(base)}`, tuned as a preview with open-llm-magics {__version__}. "
        "It learnt a manner, not facts: what it says in that manner may be wrong.",
    ]
    rows = [
        ("base", info.name),
        ("revision", info.revision),
        ("its fingerprint", info.fingerprint),
        ("data", f"{run.source}, {len(run.rows):,} rows, sha256 {data_hash(run.rows)}"),
        (
            "rows",
            f"{len(run.split.train)} learnt, {len(run.split.validation)} to choose the moment by, "
            f"{len(run.split.test)} for the figure",
        ),
        ("step", f"{step:,} of {len(run.history):,}"),
        ("plan", run.plan.reason if run.plan else ""),
        *((name, str(value)) for name, value in options.to_dict().items()),
    ]
    if run.perplexity:
        rows.append(("held out", str(run.perplexity)))
    changes = "an adapter was trained, which changes them where it is used"
    text = section(license, changes=changes, written=written)
    text += ["The rows that it learnt from have an owner too.", ""]
    front = {"base_model": base, "library_name": "peft", "license": license.id.lower()}
    return card(license.derived_name(run.name), front, about, rows, text)


def _onnx(slots: LoraSessions, adapter: Adapter, path: Path) -> None:
    """Write ONNX Runtime's adapter format: the LoRA inputs of the graph by name."""
    import onnxruntime as ort

    file = ort.AdapterFormat()
    file.set_adapter_version(1)
    file.set_model_version(1)
    inputs = slots.inputs(adapter)
    file.set_parameters({name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in inputs.items()})
    file.export_adapter(str(path))
