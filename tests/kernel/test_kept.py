"""Run All for free: kept answers equal fresh ones, and are given at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llm_magics import read_output
from tests.kernel.conftest import Kernel

PROMPTS = [f"Tell me about the number {n}." for n in range(20)]


@pytest.fixture
def kernel(default_gguf: Path) -> object:
    kernel = Kernel(LLM_MAGICS_KEEP_ANSWERS="on")
    assert kernel.run("%load_ext llm_magics").status == "ok"
    yield kernel
    kernel.close()


def apart(bundle: dict[str, object]) -> dict[str, object]:
    """The record without what differs from run to run, and without the mark of a kept answer."""
    payload = dict(bundle["application/vnd.llm-magics.generation+json"])
    return {name: value for name, value in payload.items() if name not in ("run", "note")}


def test_kept_answers_equal_fresh_ones(kernel: Kernel) -> None:
    for prompt in PROMPTS:
        cell = f"%%llm -n 12 -t 0.9 --seed 5 -o a\n{prompt}"
        first, again = kernel.run(cell).data, kernel.run(cell).data
        fresh = kernel.run(cell.replace("-o a", "--fresh -o a")).data
        told = again["application/vnd.llm-magics.generation+json"].get("note", "")
        assert "a kept answer" in told and "kept" not in str(first.get("note", ""))
        assert json.dumps(apart(first)) == json.dumps(apart(again)) == json.dumps(apart(fresh))
        assert read_output(again).text == read_output(fresh).text


def test_anything_that_changes_the_answer_asks_the_model(kernel: Kernel) -> None:
    base = "%%llm -n 6 -t 0.9 --seed 1 -o a\nhi"
    kernel.run(base)
    for other in ("-n 7", "-t 0.8", "--seed 2", "-p fp32", "--stop x"):
        cell = base.replace("-o a", f"{other} -o a")
        assert "kept answer" not in str(kernel.run(cell).data.get("text/plain")), other
    kernel.run("%llm use default")
    assert "kept answer" in kernel.run(base).data["text/plain"]
    assert kernel.value(
        "a.text == get_ipython().magics_manager.registry['LLMMagics'].workspace.models.active.last.text"
    )
    assert kernel.run("%llm tokens").status == "ok", "the kept answer is the last one"


def test_an_interrupted_or_damaged_answer_is_not_given(kernel: Kernel) -> None:
    kernel.run("%%llm -n 4 -t 0\nhi")
    home = Path(kernel.value("__import__('os').environ['LLM_MAGICS_HOME']"))
    (file,) = (home / "answers").glob("*.json")
    text = file.read_text()
    file.write_text(text.replace('"sha256": "', '"sha256": "0'))
    assert "kept answer" not in kernel.run("%%llm -n 4 -t 0\nhi").data["text/plain"]
    assert file.read_text() == text or json.loads(file.read_text())["record"]
    kernel.run("%config LLMMagics.keep_answers = False")
    assert "kept answer" not in kernel.run("%%llm -n 4 -t 0\nhi").data["text/plain"]


def test_the_fewest_used_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from llm_magics.magics.answers import kept

    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path))
    kept.folder().mkdir()
    for n in range(6):
        (kept.folder() / f"{n}.json").write_text("x" * 100)
        os.utime(kept.folder() / f"{n}.json", (n, n))
    kept.prune(files=4, size=350)
    assert sorted(path.name for path in kept.folder().glob("*.json")) == ["3.json", "4.json", "5.json"]
    assert kept.find("3") is None and not (kept.folder() / "3.json").exists(), "what is damaged is removed"


def test_the_answers_of_a_notebook_are_verified(kernel: Kernel, tmp_path: Path) -> None:
    cells = []
    for n, prompt in enumerate(("hi", "Name a color.", "Count to ten."), 1):
        bundle = kernel.run(f"%%llm -n 10 -t 0.9 --seed {n}\n{prompt}").data
        output = {"output_type": "display_data", "data": bundle, "metadata": {}}
        cells.append({"cell_type": "code", "execution_count": n, "outputs": [output], "source": ""})
    record = cells[1]["outputs"][0]["data"]["application/vnd.llm-magics.generation+json"]
    record["options"]["seed"] = 99  # another seed draws other tokens
    cells.append(
        {**cells[0], "execution_count": 4, "outputs": [json.loads(json.dumps(cells[0]["outputs"][0]))]}
    )
    other = cells[3]["outputs"][0]["data"]["application/vnd.llm-magics.generation+json"]
    other["model"]["fingerprint"] = "f" * 64
    (tmp_path / "lesson.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}))
    shown = kernel.run(f"%llm verify {tmp_path / 'lesson.ipynb'}").data
    lines = shown["text/plain"].splitlines()
    assert lines[0].startswith("[1]  = bit-equal") and lines[2].startswith("[3]  = bit-equal")
    assert "≠ drifted" in lines[1] and "first at" in lines[1] and "– not run" in lines[3]
    assert lines[-1] == "2 bit-equal =, 1 drifted ≠, 1 not run –" and "<table>" in shown["text/html"]
    (tmp_path / "odd.ipynb").write_text("[]")
    wrong = kernel.run(f"%llm verify {tmp_path / 'odd.ipynb'}")
    assert wrong.status == "error" and "no notebook that can be read" in wrong.error
