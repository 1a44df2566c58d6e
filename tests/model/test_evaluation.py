"""Evaluation against lm-evaluation-harness itself: the same numbers as its ``hf`` model in fp32."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import llm_magics as lm
from llm_magics.evaluation.lm_eval_model import NAME, register
from llm_magics.evaluation.scoring import encode_pair, ids_logprob, likelihoods

CAPITALS = [
    ("France", ["Paris", "Lyon", "Rome"], 0),
    ("Italy", ["Milan", "Rome", "Paris"], 1),
    ("Japan", ["Kyoto", "Osaka", "Tokyo"], 2),
    ("Spain", ["Madrid", "Barcelona", "Lisbon"], 0),
    ("Egypt", ["Cairo", "Giza", "Luxor"], 0),
    ("Canada", ["Toronto", "Ottawa", "Montreal"], 1),
    ("Australia", ["Sydney", "Melbourne", "Canberra"], 2),
    ("Brazil", ["Rio de Janeiro", "Bras\u00edlia", "S\u00e3o Paulo"], 1),
]


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("task")
    rows = [{"country": name, "cities": cities, "label": label} for name, cities, label in CAPITALS]
    (folder / "capitals.jsonl").write_text("\n".join(map(json.dumps, rows)))
    fields = {
        "task": "capitals",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(folder / "capitals.jsonl")}},
        "output_type": "multiple_choice",
        "test_split": "test",
        "fewshot_split": "test",
        "num_fewshot": 2,
        "description": "Capitals of the world.\n\n",
        "doc_to_text": "Question: What is the capital of {{country}}?\nAnswer:",
        "doc_to_choice": "cities",
        "doc_to_target": "label",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    }
    path = folder / "capitals.yaml"
    path.write_text(json.dumps(fields))
    return path


@pytest.fixture(scope="module")
def harness(task: Path, exact: lm.Model, oracle: Any) -> dict[str, Any]:
    """Run the harness with its hf model and with ours, on the same weights in fp32."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(exact.folder / "tokenizer.json"), eos_token="<|im_end|>", bos_token="<|im_start|>"
    )
    models = {
        "hf": HFLM(pretrained=oracle, tokenizer=tokenizer, batch_size=1),
        "ours": register()(model=exact),
    }
    manager = TaskManager(include_path=str(task.parent), include_defaults=False)
    return {
        name: lm_eval.simple_evaluate(
            model=model, tasks=["capitals"], task_manager=manager, log_samples=True, bootstrap_iters=0
        )
        for name, model in models.items()
    }


def likelihoods_of(result: dict[str, Any]) -> np.ndarray:
    samples = sorted(result["samples"]["capitals"], key=lambda item: item["doc_id"])
    return np.array([[float(answer[0][0]) for answer in item["resps"]] for item in samples])


def test_the_class_has_the_numbers_of_the_hf_model(harness: dict[str, Any]) -> None:
    hf, ours = (likelihoods_of(harness[name]) for name in ("hf", "ours"))
    assert hf.shape == (8, 3) and np.abs(hf - ours).max() < 2e-3
    for metric in ("acc,none", "acc_norm,none"):
        one, other = (harness[name]["results"]["capitals"][metric] for name in ("hf", "ours"))
        assert one == other


def test_our_evaluation_has_the_numbers_of_the_harness(
    harness: dict[str, Any], task: Path, exact: lm.Model, model: lm.Model
) -> None:
    record = lm.evaluate(task, [exact, model])
    found = harness["hf"]["results"]["capitals"]
    row = record.head["models"][0]
    assert row["acc"] == found["acc,none"] and row["acc_norm"] == found["acc_norm,none"]
    assert record.head["total"] == 8 and row["acc_bounds"][0] < row["acc"] <= row["acc_bounds"][1]
    # The prompts are those of the harness, with the same examples.
    samples = {item["doc_id"]: item["arguments"][0][0] for item in harness["hf"]["samples"]["capitals"]}
    for item in record.head["items"]:
        assert samples[item["number"] - 1].endswith(item["context"])
    # The logprobs of the tokens come to those of the harness.
    hf, at = likelihoods_of(harness["hf"]), 0
    for item in record.head["items"]:
        for n, texts in enumerate(item["texts"]):
            for choice, tokens in enumerate(texts):
                total = record.arrays["logprob"][at : at + len(tokens)].sum()
                at += len(tokens)
                if n == 0:
                    assert abs(total - hf[item["number"] - 1, choice]) < 5e-3
    assert at == len(record.arrays["logprob"])
    again = type(record).from_payload(record.to_payload())
    assert again.head == json.loads(json.dumps(record.head)) and "accuracy" in repr(again)
    assert len(record.to_pandas()) == 8
    assert lm.evaluate(task, exact, limit=3).head["total"] == 3


def test_other_requests_of_the_harness(exact: lm.Model) -> None:
    ours = register()(model=exact)

    class Request:
        def __init__(self, *args: Any) -> None:
            self.args = args

    text = "The quick brown fox jumps over the lazy dog. " * 3
    (rolling,) = ours.loglikelihood_rolling([Request(text)])
    prefix, ids = encode_pair(exact.tokenizer, "", text)
    assert abs(rolling - ids_logprob(exact.runtime, prefix, ids)) < 1e-3
    (whole,) = likelihoods(exact.runtime, "", [text])
    assert abs(whole.total - rolling) < 1e-2
    (answer,) = ours.generate_until([Request("Once upon a", {"until": ["."], "max_gen_toks": 12})])
    assert answer == exact.generate("Once upon a", raw=True, max_tokens=12, temperature=0.0, stop=["."]).text
    pairs = [Request("The sky is", " blue"), Request("", "Hello"), Request("The sky is ", "red")]
    assert [type(greedy) for _, greedy in ours.loglikelihood(pairs)] == [bool, bool, bool]


def test_the_program_of_the_harness_finds_the_class(task: Path, tmp_path: Path) -> None:
    command = [
        *(
            sys.executable,
            "-m",
            "llm_magics",
            "lm-eval",
            "run",
            "--model",
            NAME,
            "--model_args",
            "precision=fp32",
        ),
        *("--tasks", "capitals", "--include_path", str(task.parent), "--limit", "2"),
        *("--output_path", str(tmp_path)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "acc_norm" in done.stdout and list(tmp_path.rglob("*.json"))


def test_wrong_arguments(task: Path, exact: lm.Model) -> None:
    for call in (
        lambda: lm.evaluate(task, [exact] * 7),
        lambda: lm.evaluate(task, "smollm"),
        lambda: lm.evaluate(task, exact, limit=0),
        lambda: lm.evaluate(task.with_name("no.yaml"), exact),
    ):
        with pytest.raises(lm.UsageError):
            call()
