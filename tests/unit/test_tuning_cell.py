"""%%llm_tune's line, and what a run looks like where no script runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from llm_magics import UsageError
from llm_magics.magics.parsing.request import parse as parse_llm
from llm_magics.magics.tuning.request import OPTIONS, parse, usage
from llm_magics.tuning.options import tune_options
from llm_magics.views.mime import TUNING_MIME
from llm_magics.views.tuning import duration, html, plain, tuning_bundle
from tests.support.drawings import without_pictures
from tests.support.run_records import record

TEXTS = json.loads((Path(__file__).parents[1] / "hostile_texts.json").read_text("utf-8"))


def test_rows_come_from_the_cell_or_from_what_is_named() -> None:
    request = parse("-n pirate --steps 5 -p 'who are you' -p there", "a ⇒ b\n", {})
    assert (request.command, request.rows, request.source) == ("tune", "a ⇒ b\n", "cell")
    assert request.name == "pirate" and request.prompts == ("who are you", "there")
    assert request.options == {"steps": 5}
    table = [("a", "b")]
    assert parse("--data mine", None, {"mine": table}).rows is table
    assert parse("--data mine.csv", None, {}).rows == Path("mine.csv")
    assert parse("--data mine --depth 4 --targets q_proj,v_proj", "", {"mine": 1}).options == {
        "depth": 4,
        "targets": ("q_proj", "v_proj"),
    }
    assert parse("--resume -n x --steps 9", None, {}).options == {"steps": 9}
    assert parse("-h", None, {}).command == "help" and all(each.flags[0] in usage() for each in OPTIONS)


@pytest.mark.parametrize(
    ("line", "cell", "what"),
    [
        ("", None, "there are no rows"),
        ("", "  \n", "there are no rows"),
        ("--data x", "a ⇒ b", "in --data"),
        ("--resume", "a ⇒ b", "uses the rows of the run"),
        ("-n 2x", "a ⇒ b", "valid variable name"),
        ("--stepps 3", "a ⇒ b", "Did you mean --steps"),
        ("--steps three", "a ⇒ b", "invalid value"),
        ("word", "a ⇒ b", "not an option"),
    ],
)
def test_what_is_wrong_is_said(line: str, cell: str | None, what: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(line, cell, {})
    assert what in f"{error.value}{error.value.hint}"


def test_what_stays_as_text_is_said() -> None:
    request = parse("-p 'who is {name}' -p 'who is {nobody}'", "a ⇒ b\n", {"name": "Ann"})
    assert request.prompts == ("who is Ann", "who is {nobody}") and "nobody" in request.unresolved[0]


def test_every_option_is_one_of_a_run() -> None:
    ours = {"data", "decide", "name", "prompts", "model", "folder", "resume", "precision", "quiet", "help"}
    samples = {"depth": 4, "targets": "all", "learning_rate": "auto", "eval_fraction": 0.2}
    tune_options({each.name: samples.get(each.name, 8) for each in OPTIONS if each.name not in ours})


def test_an_adapter_is_an_option_of_llm() -> None:
    assert parse_llm("-a pirate:0.8 -n 5", "hi\n", {}).adapter == "pirate:0.8"


def test_it_is_a_picture_without_scripts() -> None:
    bundle = tuning_bundle(record())
    assert bundle[TUNING_MIME]["best"] == 8
    for shown in (bundle["text/plain"], bundle["text/html"]):
        for words in (
            "Tuned · step 12 of 12",
            "4.00 → 1.25",
            "Held-out loss 4.10 → 2.50 nats a token, lowest at step 8",
            "Perplexity 60.00 → 5.50 [5.00, 6.00] on 2 rows",
            "word for word",
            "18 rows of cell learnt",
            "learns a manner, not facts",
        ):
            assert words in shown
    assert "<ins>Arr </ins>aye" in bundle["text/html"] and "I amaye" in plain(record())
    nothing = {"loss": [[], []], "held_out": [[], []], "prompts": [], "weights": [0, 0]}
    begun = record(plan=None, best=None, perplexity=None, **nothing)
    assert "Getting ready" in plain({**begun, "state": "loading", "final": False, "total": 0})
    assert (duration(12.2), duration(192)) == ("12 s", "3 min 12 s")


@pytest.mark.parametrize("text", TEXTS)
def test_no_text_becomes_active(text: str) -> None:
    model = {"name": text, "precision": "", "licence": text}
    made = record(text=text, notes=[text], source=text, why=text, model=model)
    rest, drawn = without_pictures(html(made))
    assert drawn
    assert set(re.findall(r"<\s*/?\s*([^\s>/]*)", rest)) <= {"p", "b", "ins"}
    assert "\x1b" not in plain(made) + html(made)
