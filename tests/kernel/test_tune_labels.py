"""``%%llm_tune --decide`` in a real kernel: labels before and after on rows that were put aside."""

from __future__ import annotations

from llm_magics.views.mime import INSPECTION_MIME
from tests.kernel.conftest import Kernel

TABLE = """
import pandas as pd
good = ["I love it", "works perfectly", "great value", "very happy", "excellent quality", "best purchase"]
bad = ["it broke", "waste of money", "arrived damaged", "disappointed", "stopped working", "awful quality"]
rows = [(f"{text}, number {n}", label) for n in range(5) for texts, label in ((good, "zap"), (bad, "mip"))
        for text in texts]
df = pd.DataFrame(rows, columns=["review", "label"])
df.loc[3, "label"] = None
"""


def test_labels_are_learned(fresh_kernel: Kernel) -> None:
    kernel = fresh_kernel
    assert kernel.run("%load_ext llm_magics" + TABLE).status == "ok"
    options = "-n sorter --steps 40 --depth 6 --max-tokens 2"
    cell = f"%%llm_tune --decide df.label {options}\nReview: {{review}}\nLabel:"
    result = kernel.run(cell)
    assert result.status == "ok", result.error
    record = result.outputs[-1]
    assert record[INSPECTION_MIME]["view"] == "evaluation" and "accuracy" in record["text/plain"]
    before, after = (kernel.value(f"sorter.labels.head['models'][{n}]['acc']") for n in (0, 1))
    assert float(after) > float(before) and float(after) >= 0.8  # nobody can guess what zap means
    assert kernel.value("sorter.labels.head['total'] == len({e.row for e in sorter.split.test})") == "True"
    assert kernel.value("len(sorter.rows)") == "59"
    wrong = {
        "%%llm_tune --decide df.label\n{review} {label}": "has the label in it",
        "%%llm_tune --decide df.nothing\n{review}": "has no column",
        "%%llm_tune --decide df.review\n{label}": "2 to 50 can be learned",
        "%%llm_tune --decide df.label\nno name": "names nothing of a row",
        "%%llm_tune --decide df.label --data df\n{review}": "no --data",
        "%llm_tune --decide df.label": "no --data",
    }
    for text, message in wrong.items():
        assert message in kernel.run(text).error, text
