"""%%llm_tune's line, and what a run looks like where no script runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from llm_magics import UsageError
from llm_magics.magics.cell import parse as parse_llm
from llm_magics.magics.tuning.cell import OPTIONS, parse, usage
from llm_magics.tuning.options import tune_options
from llm_magics.views.tuning import MIME, duration, html, plain, tuning_bundle
from tests.drawings import without_pictures

TEXTS = json.loads((Path(__file__).parents[1] / "hostile_texts.json").read_text("utf-8"))


def test_rows_come_from_the_cell_or_from_what_is_named() -> None:
    request = parse("-n pirate --steps 5 -p 'who are you' -p there", "a ⇒ b\n", {})
    assert (request.verb, request.rows, request.source) == ("tune", "a ⇒ b\n", "cell")
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
    assert parse("-h", None, {}).verb == "help" and all(each.flags[0] in usage() for each in OPTIONS)


@pytest.mark.parametrize(
    ("line", "cell", "what"),
    [
        ("", None, "there are no rows"),
        ("", "  \n", "there are no rows"),
        ("--data x", "a ⇒ b", "behind --data"),
        ("--resume", "a ⇒ b", "the rows it had"),
        ("-n 2x", "a ⇒ b", "name of a variable"),
        ("--stepps 3", "a ⇒ b", "did you mean --steps"),
        ("--steps three", "a ⇒ b", "does not understand"),
        ("word", "a ⇒ b", "not an option"),
    ],
)
def test_what_is_wrong_is_said(line: str, cell: str | None, what: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(line, cell, {})
    assert what in f"{error.value}{error.value.hint}"


def test_what_stays_as_text_is_said() -> None:
    request = parse("-p 'who is {name}' -p 'who is {nobody}'", "a ⇒ b\n", {"name": "Ann"})
    assert request.prompts == ("who is Ann", "who is {nobody}") and "nobody" in request.left[0]


def test_every_option_is_one_of_a_run() -> None:
    ours = {"data", "name", "prompts", "model", "folder", "resume", "precision", "quiet", "help"}
    samples = {"depth": 4, "targets": "all", "learning_rate": "auto", "eval_fraction": 0.2}
    tune_options({each.name: samples.get(each.name, 8) for each in OPTIONS if each.name not in ours})


def test_an_adapter_is_an_option_of_llm() -> None:
    assert parse_llm("-a pirate:0.8 -n 5", "hi\n", {}).adapter == "pirate:0.8"


def record(**more: Any) -> dict[str, Any]:
    """A run of twelve steps."""
    text = more.pop("text", "aye")
    return {
        "schema": 1,
        "kind": "tuning",
        "id": "x",
        "final": True,
        "state": "done",
        "why": "12 steps were made",
        "name": "pirate",
        "model": {"name": "tiny", "precision": "repacked", "licence": "Apache-2.0"},
        "source": "cell",
        "rows": {"all": 22, "train": 18, "choose": 2, "final": 2},
        "rank": 8,
        "plan": {"first": 22, "steps": 12, "every": 4, "rate": 0.001, "reason": "the last 8 of 30 layers"},
        "step": 12,
        "total": 12,
        "tokens_per_s": 1180.0,
        "left_s": None,
        "memory": {"weights": 138e6, "adapter": 29e6, "activations": 412e6, "limit": 1.6e9},
        "weights": [921_600, 134_500_000],
        "loss": [list(range(1, 13)), [4.0 - n / 4 for n in range(12)]],
        "held_out": [[0, 4, 8, 12], [4.1, 3.0, 2.5, 2.6]],
        "best": 8,
        "rising": False,
        "notes": ["row 3 comes back word for word: 14 tokens of it in one answer"],
        "strength": 1.0,
        "adapter_step": 8,
        "prompts": [
            {
                "prompt": f"who are you {text}",
                "before": ["I", " am", text],
                "after": [{"step": 8, "strength": 1.0, "text": [["Arr ", 1], [text, 0]], "lost": [0]}],
            }
        ],
        "perplexity": {
            "before": 60.0,
            "after": 5.5,
            "before_interval": [50, 70],
            "after_interval": [5, 6],
            "change": 0.1,
            "change_interval": [0.09, 0.11],
            "rows": 2,
            "tokens": 80,
        },
        **more,
    }


def test_it_is_a_picture_without_scripts() -> None:
    bundle = tuning_bundle(record())
    assert bundle[MIME]["best"] == 8
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
