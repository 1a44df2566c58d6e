"""What is kept of a run: PEFT loads it, we load it, it merges, and its script runs elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import llm_magics
from llm_magics import Model, StoreError, UsageError
from llm_magics.sources import store
from llm_magics.tuning.evaluation import completion_nll
from llm_magics.tuning.run import TuneRun, run_to_end
from tests.support.runs import ROWS, run_of

IDS = list(range(40, 70))


@pytest.fixture
def model(home: Path, hub_folder: Path) -> Model:
    return llm_magics.load(str(hub_folder), precision="fp32")


@pytest.fixture
def run(model: Model) -> TuneRun:
    return run_to_end(run_of(model, learning_rate=0.02, prompts=("hi",)))


def logits(model: Model) -> np.ndarray:
    return model.engine.cache().extend(IDS, all_logits=True).copy()


def test_it_is_saved_for_peft_and_for_us(run: TuneRun, hub_folder: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    folder = run.save(tmp_path / "pirate")
    base = AutoModelForCausalLM.from_pretrained(hub_folder, dtype=torch.float32)
    with torch.no_grad():
        theirs = PeftModel.from_pretrained(base, folder).eval()(torch.tensor([IDS])).logits[0].numpy()
    ours = logits(run.tuned_model)
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
    again = llm_magics.load(str(hub_folder), precision="fp32", adapter=folder)
    assert np.array_equal(logits(again), ours) and not np.array_equal(logits(run.model), ours)

    card = (folder / "README.md").read_text("utf-8")
    for words in (
        run.model.info.fingerprint,
        "sha256",
        "| seed | 0 |",
        "that nothing was chosen on",
        "owner",
    ):
        assert words in card
    assert json.loads((folder / "run.json").read_text())["step"] == run.adapter_step
    with pytest.raises(UsageError, match="exists"):
        run.save(folder)


def test_onnx_runtime_reads_its_own_format(run: TuneRun, tmp_path: Path) -> None:
    import onnxruntime as ort

    folder = run.save(tmp_path / "kept")
    read = ort.AdapterFormat.read_adapter(str(folder / "adapter.onnx_adapter")).get_parameters()
    ours = run.model.lora_sessions.inputs(run.adapter)
    assert read.keys() == ours.keys()
    assert all(np.array_equal(read[name].numpy(), array) for name, array in ours.items())


def test_it_merges_into_a_model_like_any_other(run: TuneRun, tmp_path: Path) -> None:
    run.strength = 0.5
    merged = llm_magics.load(str(run.merge(tmp_path / "merged", precision="fp32")))
    expected = logits(run.tuned_model)
    assert np.abs(logits(merged) - expected).max() <= 1e-4 * np.abs(expected).max()
    assert merged.generate("hi", max_tokens=4, temperature=0).text
    packed = llm_magics.load(str(run.merge(tmp_path / "packed")))
    assert np.corrcoef(logits(packed).ravel(), expected.ravel())[0, 1] > 0.99
    with pytest.raises(UsageError, match="is unknown"):
        run_merge_of(packed, run, tmp_path)


def run_merge_of(model: Model, run: TuneRun, tmp_path: Path) -> Any:
    from llm_magics.models.loading.merge import merge

    return merge(model, run.adapter, tmp_path / "twice")


def test_a_full_disk_leaves_nothing_and_loses_nothing(
    run: TuneRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise StoreError("there is no room", hint="make some")

    with monkeypatch.context() as patch:
        patch.setattr(store, "require_room", full)
        with pytest.raises(StoreError, match="no room"):
            run.save(tmp_path / "kept")
    assert not list(tmp_path.glob("*kept*"))
    assert run.save(tmp_path / "kept").is_dir()


def test_the_script_runs(run: TuneRun, hub_folder: Path, tmp_path: Path) -> None:
    script = run.script(tmp_path / "full")
    rows = [json.loads(line) for line in (script.parent / "rows.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == len(ROWS) and sum(row["held_out"] for row in rows) == 6
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    ran = subprocess.run(
        [sys.executable, str(script), "--base", str(hub_folder), "--steps", "12"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    before, after = (
        float(line.rpartition(" ")[2]) for line in ran.stdout.splitlines() if line.startswith("held-out loss")
    )
    assert after < before
    # The same rows in the same tokens: the loss before is what our run saw.
    found = completion_nll(run.model.engine, [*run.split.validation, *run.split.test])
    assert before == pytest.approx(found[:, 0].sum() / found[:, 1].sum(), abs=1e-2)
    trained = run.model.with_adapter(script.parent / "adapter")
    assert not np.array_equal(logits(trained), logits(run.model))
