"""Conversations, the history and other habits in a real kernel."""

from __future__ import annotations

import json
import re
from pathlib import Path

from llm_magics.views.mime import INSPECTION_MIME
from tests.kernel.conftest import Kernel


def test_conversations_are_listed_copied_and_written(kernel: Kernel, tmp_path: Path) -> None:
    assert "no conversation yet" in kernel.run("%llm threads").stdout
    kernel.run("%%llm -c plan -n 4 -t 0\nSay one.")
    kernel.run("%%llm -c plan -n 4 -t 0\nSay two.")
    listed = kernel.run("%llm threads").stdout
    assert "plan" in listed and "2 turns" in listed and "Say one." in listed
    assert "Say two." in kernel.run("%llm threads show plan").stdout
    assert "2 turns" in kernel.run("%llm threads fork plan other").stdout
    assert "Say two." in kernel.run("%llm threads undo other").stdout
    kernel.run(f"import os; os.chdir({str(tmp_path)!r})")
    assert "is written" in kernel.run("%llm threads export plan plan.json").stdout
    assert len(json.loads((tmp_path / "plan.json").read_text())["messages"]) == 4
    again = kernel.run("%llm threads export plan plan.json")
    assert again.status == "error" and "exists already" in again.error
    assert "removed" in kernel.run("%llm threads clear other").stdout
    assert kernel.run("%llm threads show other").status == "error"
    assert kernel.run("%llm threads of fate").status == "error", "it is no prompt"


def test_stale_turns_are_answered_again(kernel: Kernel) -> None:
    """A front end sends the id of a cell; here the turn is changed by hand."""
    kernel.run("magics = get_ipython().magics_manager.registry['LLMMagics'].workspace")
    kernel.run("plan = magics.conversations.find('plan')\nplan.turns[0].answer = 'Three.'")
    assert "No turn is stale" in kernel.run("%llm refresh plan").stdout
    kernel.run("plan.turns[1].stale = 1\nbefore = plan.turns[1].answer")
    assert "1 stale" in kernel.run("%llm threads").stdout
    assert "Answered again: turn 2." in kernel.run("%llm refresh plan").stdout
    assert kernel.value("plan.turns[1].stale") == "0"


def test_the_history_is_off_until_a_setting_turns_it_on(kernel: Kernel) -> None:
    assert "is off" in kernel.run("%llm history").stdout
    kernel.run("%config LLMMagics.history = True")
    kernel.run("%%llm -n 3 -t 0 -o a\nSay a secret.")
    listed = kernel.run("%llm history").stdout
    assert "3 tokens" in listed and "secret" not in listed
    kernel.run("%config LLMMagics.history_prompts = True")
    kernel.run("%%llm -n 3 -t 0 -o b\nName a color.")
    number = kernel.run("%llm history color").stdout.split()[0]
    assert kernel.run(f"%llm again {number}").status == "ok"
    assert kernel.run("%llm again 1").status == "error"
    kernel.run("%config LLMMagics.history = False")


def test_an_alias_and_an_assignment_work(kernel: Kernel) -> None:
    kernel.run("%alias_magic ask llm")
    assert (
        kernel.run("%%ask -n 2 -o c\nhi").status == "ok" and kernel.value("type(c).__name__") == "Generation"
    )
    assert kernel.run("%llm -n 2 d << hi").status == "ok" and kernel.value("len(d.tokens) <= 2") == "True"
    assert kernel.run("%llm -n 2 -o e hi;").outputs == [] and kernel.value("len(e.tokens) <= 2") == "True"


SEVERAL = "-m default -m default --samples 2 -n 12 -t 1.5 --seed 3 -o several"


def test_several_models_and_samples_answer(kernel: Kernel) -> None:
    kernel.run("%%llm -n 1\nhi")
    result = kernel.run(
        "%%llm -m default -m default --samples 2 -n 12 -t 1.5 --seed 3 -o several\nTell a joke."
    )
    assert result.status == "ok"
    assert kernel.value("[answer.options.seed for answer in several]") == "[3, 4, 3, 4]"
    assert kernel.value("several[0].text == several[2].text != several[1].text") == "True"
    assert len(result.outputs) == 5 and "the same text" in result.outputs[-1]["text/plain"]
    kernel.run("f, g, *_ = several")
    shown = kernel.run("%llm diff f g").data
    assert "they part at token" in shown["text/plain"] and "<table>" in shown["text/html"]
    wrong = kernel.run("%llm diff f nothing")
    assert wrong.status == "error" and "not a variable with an answer" in wrong.error
    refused = kernel.run("%%llm --samples 2 -c plan\nhi")
    assert refused.status == "error" and "cannot be combined" in refused.error


def test_two_models_stream_in_one_output(kernel: Kernel) -> None:
    """Both answer in turns; the output has what both said, and where they part."""
    frames: list[dict[str, object]] = []
    result = kernel.run(
        "%%llm -m default:fp32 -m default:int4 -t 0 -n 60 --fresh -o two\nName three rivers of Europe.",
        on_display=lambda seen: frames.append(seen.outputs[-1]),
    )
    assert result.status == "ok" and len(result.outputs) == 1
    assert kernel.value("[answer.model.precision for answer in two]") == "['fp32', 'int4']"
    shown = result.data
    assert "they part at token" in shown["text/plain"] or "the same text" in shown["text/plain"]
    assert shown[INSPECTION_MIME]["view"] == "side_by_side"
    # Each answers as it does alone, and there were frames on the way.
    assert len(result.displays) > 3
    for precision, number in (("fp32", 0), ("int4", 1)):
        alone = f"%%llm -m default:{precision} -t 0 -n 60 --fresh -o alone\nName three rivers of Europe."
        assert kernel.run(alone).status == "ok"
        assert kernel.value(f"alone.text == two[{number}].text") == "True"
    failed = kernel.run("%%llm -m default -m no/such-model-here -n 3\nhi")
    assert failed.status == "error"
    kernel.run("%%llm -m default -n 1\nhi")


def test_a_draft_guesses_for_the_model(kernel: Kernel) -> None:
    """The text is that of the model alone; the note says how many guesses were right."""
    kernel.run(
        "import llm_magics.engine.speculation.draft as engine_draft\n"
        "engine_draft.best_count = lambda share, cost: 3"
    )
    alone = kernel.run("%%llm -m default:fp32 -t 0 -n 40 --fresh -o alone\nWhy is the sky blue?")
    drafted = kernel.run("%%llm --draft default:int4 -t 0 -n 40 --fresh -o drafted\nWhy is the sky blue?")
    assert alone.status == drafted.status == "ok"
    assert kernel.value("alone.text == drafted.text") == "True"
    assert re.search(r"the draft guessed \d\d tokens, \d\d of them right", drafted.data["text/plain"])
    wrong = kernel.run("%%llm --draft no/such-model -n 3\nhi")
    assert wrong.status == "error"
    kernel.run("%%llm -m default -n 1\nhi")
