"""Answers of a given form, and labels, in a real kernel."""

from __future__ import annotations

import json

from llm_magics.views.mime import GENERATION_MIME, INSPECTION_MIME
from tests.kernel.conftest import Kernel

TYPES = """
from dataclasses import dataclass
from typing import Literal
@dataclass
class Person:
    name: str
    born: int
    field: Literal["mathematics", "physics", "other"]
"""
ASK = "Extract the person as JSON: Ada Lovelace, a mathematician, was born in 1815."


def test_a_schema_gives_an_object(kernel: Kernel) -> None:
    assert kernel.run(TYPES).status == "ok"
    result = kernel.run(f"%%llm --schema Person -o p -t 0 -n 90\n{ASK}")
    assert result.status == "ok", result.error
    assert kernel.value("type(p).__name__, isinstance(p.born, int)") == "Person True"
    assert GENERATION_MIME in result.outputs[0]
    again = kernel.run(f"%%llm --schema Person -o q -t 0 -n 90\n{ASK}")  # the kept answer has its value too
    assert again.status == "ok" and kernel.value("p == q") == "True"
    short = kernel.run(f"%%llm --schema 'name, born int' -o row -t 0 -n 60\n{ASK}")
    assert short.status == "ok" and short.outputs[-1]["application/json"].keys() == {"name", "born"}
    assert set(json.loads(kernel.value("__import__('json').dumps(row)"))) == {"name", "born"}
    kernel.run("form = {'type': 'array', 'items': {'type': 'integer'}, 'minItems': 2, 'maxItems': 3}")
    assert kernel.run("value = %llm --schema form -t 0 -n 40 -q Three numbers").status == "ok"
    assert kernel.value("2 <= len(value.value) <= 3") == "True"


def test_patterns_and_grammars(kernel: Kernel) -> None:
    result = kernel.run("%%llm --regex '[0-9]{4}' -o year -t 0 -n 9\nWhen was Ada Lovelace born?")
    assert result.status == "ok" and len(kernel.value("year")) == 4
    kernel.run('lark = \'start: ("yes" | "no") ", " /[a-z ]{3,20}/\'')
    assert kernel.run("%%llm --grammar lark -o said -t 0 -n 30\nIs the sky blue?").status == "ok"
    assert kernel.value("said.split(',')[0] in ('yes', 'no')") == "True"


def test_a_value_comes_from_the_background_too(kernel: Kernel) -> None:
    kernel.run(TYPES)
    result = kernel.run(f"%%llm --schema Person --background -o job -t 0 -n 90\n{ASK}")
    assert result.status == "ok", result.error
    assert kernel.value("type(job.result(60).value).__name__") == "Person"


def test_what_cannot_be_is_said(kernel: Kernel) -> None:
    kernel.run(TYPES)
    cut = kernel.run(f"%%llm --schema Person -o cut -t 0 -n 12\n{ASK}")
    assert cut.status == "error" and "IncompleteAnswer" in cut.error and "Use -n" in cut.error
    assert '"name"' in cut.outputs[0]["text/plain"] and kernel.value("'cut' in globals()") == "False"
    for line, said in (
        ("--schema Nobody", "which is not defined"),
        ("--schema Person --think 20", "cannot be combined"),
        ("--schema Person -f json", "cannot be combined"),
        ("--schema Person --stop x", "cannot be combined"),
        ("--regex '('", "cannot be used"),
        ("--schema object", "no schema can be made of object"),
        ("--choices a", "two choices at least"),
        ("--choices a,b -c plan", "--choices gives one label"),
        ("--choices a,b --schema x,y", "--choices and --schema cannot be combined"),
        ("--choices a,b --tools print", "--choices and --tools cannot be combined"),
        ("--choices a,b --think 9", "--choices and --think cannot be combined"),
        ("--choices a,b --decide x?", "--choices and --decide cannot be combined"),
        ("--decide x? --draft small", "--decide and --draft cannot be combined"),
        ("--map rows --decide x?", "--decide and --map cannot be combined"),
        ("--map rows --draft small", "--map and --draft cannot be combined"),
    ):
        kernel.run("object = object")
        short = "" if "--choices" in line or "--decide" in line else "-n 5"
        result = kernel.run(f"%%llm {line} {short}\nhi")
        assert result.status == "error" and said in result.error, (line, result.error)


def test_typed_questions_about_a_text(kernel: Kernel) -> None:
    result = kernel.run(
        "%%llm --decide 'team: billing|tech; urgent?; severity 1-3' -o d\nMy invoice is wrong, please hurry!"
    )
    assert result.status == "ok", result.error
    assert result.data[INSPECTION_MIME]["view"] == "decisions"
    assert kernel.value("d['team'] in ('billing', 'tech') and d['severity'] in (1, 2, 3)") == "True"
    assert kernel.value("type(d['urgent']).__name__") == "bool"
    wrong = kernel.run("%%llm --decide 'nonsense'\nhi")
    assert wrong.status == "error" and "cannot be read" in wrong.error


def test_choices_have_exact_probabilities(kernel: Kernel) -> None:
    result = kernel.run("%%llm --choices positive,negative -o label\nIs this review positive? I love it!")
    assert result.status == "ok" and result.data[INSPECTION_MIME]["view"] == "choices"
    assert kernel.value("label in ('positive', 'negative')") == "True"
    assert kernel.value("abs(sum(label.probabilities.values()) - 1) < 1e-9") == "True"
    raw = kernel.run("%%llm --choices ' yes= yes| Yes, no' --raw -q -o answer\nQ: Is the sky blue? A:")
    assert (
        raw.status == "ok" and raw.outputs == [] and kernel.value("answer.strip() in ('yes', 'no')") == "True"
    )


def test_labels_refuse_options_of_sampling(kernel: Kernel) -> None:
    for option in ("-t 0.5", "-n 20", "--seed 3", "--top-k 5"):
        for labels in ("--choices yes,no", "--decide 'urgent?'"):
            result = kernel.run(f"%%llm {labels} {option}\nIs it?")
            assert result.status == "error" and "has no effect with" in result.error, result.error
