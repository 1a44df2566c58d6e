"""Tasks of lm-evaluation-harness: no code runs, and what would change the numbers is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from llm_magics import TemplateError, UsageError
from llm_magics.evaluation.items import items_of
from llm_magics.evaluation.task_file import read_task
from llm_magics.inspection.answers.intervals import paired_difference

ROWS = [
    {"q": f"What is {n} + {n}?", "good": str(2 * n), "bad": str(3 * n + 1), "answer": n % 2} for n in range(6)
]
TASK = {
    "task": "sums",
    "dataset_path": "json",
    "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
    "output_type": "multiple_choice",
    "test_split": "test",
    "doc_to_text": "Question: {{q}}\nAnswer:",
    "doc_to_choice": "{{ [good, bad] }}",
    "doc_to_target": "answer",
}


def write(folder: Path, **changes: Any) -> Path:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    fields = {key: value for key, value in {**TASK, **changes}.items() if value is not None}
    path = folder / "sums.yaml"
    path.write_text(json.dumps(fields))  # JSON is YAML
    return path


def test_items(tmp_path: Path) -> None:
    items = list(items_of(read_task(write(tmp_path))))
    assert len(items) == 6 and items[1].context == "Question: What is 1 + 1?\nAnswer:"
    assert items[1].choices == ("2", "4") and items[1].gold == (1,) and items[1].delimiter == " "
    assert len(list(items_of(read_task(tmp_path / "sums.yaml"), 2))) == 2


@pytest.mark.parametrize(
    ("changes", "gold"),
    [
        ({"doc_to_target": "{{ answer }}"}, (1,)),
        ({"doc_to_target": "{{ good }}", "doc_to_choice": ["2", "zero"]}, None),
        ({"doc_to_target": "good"}, (0,)),
        ({"doc_to_target": 1}, (1,)),
        ({"doc_to_choice": {"a": "yes", "b": "no"}}, (1,)),
    ],
)
def test_targets(tmp_path: Path, changes: dict[str, Any], gold: tuple[int, ...] | None) -> None:
    task = read_task(write(tmp_path, **changes))
    if gold is None:
        with pytest.raises(UsageError, match="not one of its choices"):
            list(items_of(task))
    else:
        assert list(items_of(task))[1].gold == gold


def test_shots(tmp_path: Path) -> None:
    more = {"num_fewshot": 2, "description": "Sums.\n\n", "fewshot_split": "test"}
    items = list(items_of(read_task(write(tmp_path, **more, fewshot_config={"sampler": "first_n"}))))
    shown = items[0].context
    assert shown.startswith(
        "Sums.\n\nQuestion: What is 1 + 1?\nAnswer: 4\n\nQuestion: What is 2 + 2?\nAnswer: 4\n\n"
    )
    assert shown.endswith("Question: What is 0 + 0?\nAnswer:")
    drawn = list(items_of(read_task(write(tmp_path, **more))))
    first = [row for row in Random(1234).sample(ROWS, 3) if row != ROWS[0]][:2]
    assert all(row["q"] in drawn[0].context for row in first)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"output_type": "generate_until"}, "output_type"),
        ({"process_docs": "x"}, "the field process_docs"),
        ({"metric_list": [{"metric": "f1"}]}, "the metric 'f1'"),
        ({"metric_list": [{"metric": "acc_mutual_info"}]}, "acc_mutual_info"),
        ({"dataset_path": "hellaswag"}, "data must be in local files"),
        ({"dataset_kwargs": {"data_files": "rows.jsonl", "field": "x"}}, "field in dataset_kwargs"),
        ({"test_split": "validation"}, "the split 'validation'"),
        ({"num_fewshot": -1}, "num_fewshot"),
        ({"fewshot_config": {"sampler": "balanced"}}, "the sampler"),
        ({"fewshot_config": {"samples": []}}, "fewshot_config"),
        ({"doc_to_choice": None}, "a missing doc_to_choice"),
        ({"dataset_kwargs": {"data_files": {"test": "missing.jsonl"}}}, "cannot be read"),
        ({"dataset_kwargs": {"data_files": {"test": 5}}}, "must be a path"),
        ({"include": "sums.yaml"}, "includes"),
    ],
)
def test_what_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_task(write(tmp_path, **changes))


def test_code_is_not_run(tmp_path: Path) -> None:
    for text in ("doc_to_text: !function utils.text", "a: !!python/object/apply:os.system ['touch x']"):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(UsageError, match=r"Python code|no valid YAML"):
            read_task(path)
    for template in (
        "{{ q.__class__.__mro__ }}",
        "{{ missing }}",
        "{% for n in range(10**9) %}x{% endfor %}",
    ):
        with pytest.raises((TemplateError, UsageError)):
            list(items_of(read_task(write(tmp_path, doc_to_text=template))))
    for choice in ("{{ q }}", "__import__('os').system('x')", "{{ [good] }}", "{{ [1, 2] }}"):
        with pytest.raises(UsageError, match="doc_to_choice"):
            list(items_of(read_task(write(tmp_path, doc_to_choice=choice))))


def test_files(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "child.yaml").write_text("include: sums.yaml\ntask: child\nnum_fewshot: 1\n")
    child = read_task(tmp_path / "child.yaml")
    assert child.name == "child" and child.shots == 1 and len(child.documents) == 6
    (tmp_path / "rows.csv").write_text('q,good,bad,answer\n"a, b",x,y,0\n')
    csv = write(
        tmp_path,
        dataset_path="csv",
        dataset_kwargs={"data_files": {"test": "rows.csv"}},
        doc_to_target="good",
    )
    assert next(iter(items_of(read_task(csv)))).context == "Question: a, b\nAnswer:"
    (tmp_path / "rows.jsonl").write_text("[1]")
    path.write_text(json.dumps(TASK))
    with pytest.raises(UsageError, match="a row that is no object"):
        read_task(path)
    for text in ("[", "- a", "\x00", "a: &x [*x]"):
        path.write_text(text)
        with pytest.raises(UsageError):
            read_task(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_task(tmp_path / "no.yaml")


def test_the_paired_interval_covers_at_its_rate() -> None:
    covered = 0
    random = Random(5)
    for _ in range(500):
        pairs = [(random.random(), random.random()) for _ in range(120)]
        one = [a < 0.62 for a, _ in pairs]
        other = [a < 0.5 if b < 0.6 else b < 0.75 for a, b in pairs]  # they agree more often than by chance
        truth = 0.62 - (0.6 * 0.5 + 0.15)
        _, low, high = paired_difference(one, other)
        covered += low <= truth <= high
    assert 0.925 <= covered / 500 <= 0.985
    assert paired_difference([True] * 5, [True] * 5)[0] == 0
