"""``%%llm --map`` in a real kernel."""

from __future__ import annotations

from llm_magics.inspection.answers.rows import RowsRun
from llm_magics.views.mime import INSPECTION_MIME
from tests.kernel.conftest import Kernel

TABLE = """
import pandas as pd
df = pd.DataFrame({"review": ["I love it", "It broke", None, "Fine"], "truth": ["pos", "neg", "pos", "pos"]})
"""


def test_a_column_is_mapped(kernel: Kernel) -> None:
    assert kernel.run(TABLE + "%config LLMMagics.keep_answers = True").status == "ok"
    result = kernel.run("%%llm --map df.review -o df.summary -t 0 -n 8\nSay in two words: {review}")
    assert result.status == "ok", result.error
    assert kernel.value("df.summary.notna().tolist()") == "[True, True, False, True]"
    assert kernel.value("df.summary_error.notna().tolist()") == "[False, False, True, False]"
    assert result.data[INSPECTION_MIME]["view"] == "rows" and "4 of 4 rows" in result.data["text/plain"]
    one = kernel.run("%%llm -t 0 -n 8 --fresh -o one\nSay in two words: I love it")
    assert one.status == "ok" and kernel.value("one.text == df.summary[0]") == "True"
    # The journal has them: the run is free, whatever happened to the table.
    kernel.run("del df['summary']\nfrom llm_magics.engine.batch import Batch\nBatch._read_prompt = None")
    again = kernel.run("%%llm --map df.review -o df.summary -t 0 -n 8\nSay in two words: {review}")
    assert again.status == "ok", again.error
    assert kernel.value("df.summary[0] == one.text") == "True"
    kernel.run("import importlib, llm_magics.engine.batch as batch\nimportlib.reload(batch)")
    kernel.run("%config LLMMagics.keep_answers = None")


def test_labels_and_truth(fresh_kernel: Kernel) -> None:
    kernel = fresh_kernel
    assert kernel.run("%load_ext llm_magics" + TABLE).status == "ok"
    cell = "%%llm --map df.review -o df.label --choices pos,neg --truth df.truth\nReview: {review}\nLabel:"
    result = kernel.run(cell)
    assert result.status == "ok", result.error
    assert kernel.value("set(df.label.dropna()) <= {'pos', 'neg'}") == "True"
    assert kernel.value("df.label_p.dropna().between(0.5, 1).all()") == "True"
    assert "accuracy" in result.data["text/plain"] and "1 with an error: rows 2" in result.data["text/plain"]
    single = kernel.run("%%llm --choices pos,neg -o one\nReview: I love it\nLabel:")
    assert single.status == "ok" and kernel.value("one == df.label[0]") == "True"
    assert kernel.value("abs(max(one.probabilities.values()) - df.label_p[0]) < 1e-6") == "True"


def test_typed_columns_and_lists(fresh_kernel: Kernel) -> None:
    kernel = fresh_kernel
    assert kernel.run("%load_ext llm_magics" + TABLE).status == "ok"
    result = kernel.run(
        "%%llm --map df.review -o df.parsed --schema 'topic, stars int' -t 0 -n 60\n"
        "Describe as JSON: {review}"
    )
    assert result.status == "ok", result.error
    assert kernel.value("[c for c in df.columns if c.startswith('parsed')]") == (
        "['parsed_topic', 'parsed_stars', 'parsed_error']"
    )
    kernel.run("texts = ['red', 'blue']")
    listed = kernel.run("%%llm --map texts -o out -t 0 -n 4 -q\nName a thing that is {row}.")
    assert listed.status == "ok" and listed.outputs == [] and kernel.value("len(out)") == "2"
    for line, said in (
        ("--map df.nothing", "has no column"),
        ("--map df.review --see above", "one answer a row"),
        ("--map df.review --truth texts", "--truth has 2 rows"),
        ("--truth df.truth", "only valid with --map"),
    ):
        wrong = kernel.run(f"%%llm {line} -n 3\nx {{review}}")
        assert wrong.status == "error" and said in wrong.error, (line, wrong.error)


def test_rows_on_a_cluster(fresh_kernel: Kernel) -> None:
    kernel = fresh_kernel
    start = (
        "%load_ext llm_magics\nfrom distributed import LocalCluster\n"
        "cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)"
    )
    assert kernel.run(start + TABLE).status == "ok"
    cell = "%%llm --map df.review -o df.{column} -t 0 -n 6 {on}\nSay in two words: {{review}}"
    result = kernel.run(cell.format(column="there", on="--on cluster"))
    assert result.status == "ok", result.error
    assert result.data[INSPECTION_MIME]["view"] == "rows" and "4 of 4 rows" in result.data["text/plain"]
    head = RowsRun.from_payload(result.data[INSPECTION_MIME]).head
    (worker,) = head["workers"]
    assert worker["rows"] == 3 and worker["present"] and worker["memory"] > 1e6 and head["more_workers"] == 0
    kernel.run("%config LLMMagics.keep_answers = False")
    assert kernel.run(cell.format(column="here", on="")).status == "ok"
    assert (
        kernel.value("(df.here.dropna() == df.there.dropna()).all() and df.there.notna().sum() == 3")
        == "True"
    )
    labels = kernel.run(
        "%%llm --map df.review -o df.label --choices pos,neg --on cluster\nReview: {review}\nLabel:"
    )
    assert labels.status == "ok" and kernel.value("df.label.notna().sum()") == "3", labels.error
    for line, said in (
        ("--map df.review --on nobody", "which is not defined"),
        ("--map df.review --on df", "no cluster of Dask"),
        ("--on cluster", "only valid with --map"),
    ):
        wrong = kernel.run(f"%%llm {line} -n 3\nx {{review}}")
        assert wrong.status == "error" and said in wrong.error, (line, wrong.error)
    kernel.run("cluster.close()")
    gone = kernel.run("%%llm --map df.review --fresh -n 3 --on tcp://127.0.0.1:9\nx {review}")
    assert gone.status == "error" and "ClusterError" in gone.error, gone.error
