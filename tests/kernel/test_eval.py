"""``%llm eval`` in a real kernel."""

from __future__ import annotations

import json
from pathlib import Path

from llm_magics.views.mime import INSPECTION_MIME
from tests.kernel.conftest import Kernel


def test_two_precisions_on_a_task(fresh_kernel: Kernel, tmp_path: Path) -> None:
    kernel = fresh_kernel
    rows = [{"q": f"{n} plus {n} is", "a": [f"{2 * n}", f"{3 * n + 1}"], "label": 0} for n in range(1, 9)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = {
        "task": "sums",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
        "output_type": "multiple_choice",
        "test_split": "test",
        "doc_to_text": "q",
        "doc_to_choice": "a",
        "doc_to_target": "label",
    }
    path = tmp_path / "sums.yaml"
    path.write_text(json.dumps(task))
    assert kernel.run("%load_ext llm_magics").status == "ok"
    result = kernel.run(f"%llm eval {path} --limit 6 -m default -m default:fp32 -o found")
    assert result.status == "ok", result.error
    assert result.data[INSPECTION_MIME]["view"] == "evaluation" and "6 items" in result.data["text/plain"]
    assert kernel.value("[m['model']['precision'] for m in found.head['models']]") == "['repacked', 'fp32']"
    assert kernel.value("len(found.head['items']), 'difference' in found.head['models'][1]") == "6 True"
    one = kernel.run(f"%llm eval {path}")
    assert one.status == "ok" and "8 items" in one.data["text/plain"]
    assert "cannot be read" in kernel.run("%llm eval missing.yaml").error
    assert "needs the YAML file" in kernel.run("%llm eval").error
    path.write_text("doc_to_text: !function utils.x")
    assert "which is not run" in kernel.run(f"%llm eval {path}").error
