"""Cells as people write them: variables, values that are used, help, loops, captures, odd terminals."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from llm_magics.views.bundle import read_output
from llm_magics.views.mime import GENERATION_MIME
from tests.kernel.conftest import Kernel
from tests.support.homes import own_home


def test_an_answer_in_braces_is_its_text(kernel: Kernel) -> None:
    """N1: it was the whole record, thousands of tokens."""
    kernel.run("%%llm -n 20 -t 0 -o short\nName a colour.")
    answer = read_output(kernel.run("%%llm -n 20 -t 0\nTranslate to French: {short}").data)
    assert kernel.value("short") == kernel.value("short.text")
    assert (
        f"Translate to French: {kernel.value('short.text')}" in answer.prompt and len(answer.prompt_ids) < 120
    )
    assert kernel.value("len({short, short})") == "1"


def test_locals_go_before_globals(kernel: Kernel) -> None:
    """N2: a global of that name was sent, or nothing at all."""
    kernel.run(
        "x = 'OLD'\ndef ask(x, y):\n    %llm -n 2 -t 0 -q -o r Repeat exactly: {x} {y}\nask('NEW', 'LOCAL')"
    )
    assert "Repeat exactly: NEW LOCAL" in kernel.value("r.prompt")
    call = "get_ipython().run_cell_magic('llm', '-n 2 -q -o r', 'Say {z}')"
    code = f"def outer():\n    z = 'INNER'\n    {call}\nouter()"
    kernel.run(code)
    assert "Say INNER" in kernel.value("r.prompt")
    kernel.run("%llm -n 2 -q -o r Repeat: {x}")
    assert "Repeat: OLD" in kernel.value("r.prompt")


def test_a_value_that_is_used_is_given(kernel: Kernel) -> None:
    """N16: it was None; where nothing takes it, it is not shown twice."""
    assert not kernel.run("a = %llm -n 4 -t 0 -q Hello").outputs
    assert kernel.value("type(a).__name__, len(a.tokens)") == "Generation 4"
    shown = kernel.run("%llm -n 4 -t 0 Hello")
    assert len(shown.outputs) == 1 and GENERATION_MIME in shown.outputs[0]
    assert len(kernel.run("%%llm -n 4 -t 0\nHello").outputs) == 1
    assert len(kernel.run("%llm -n 4 -t 0 Hello\n%llm -n 4 -t 0 Hello").outputs) == 2
    assert not kernel.run(
        "all = [get_ipython().run_line_magic('llm', f'-n 3 -q {n}') for n in (1, 2)]"
    ).outputs
    assert kernel.value("len(all), len(all[1].tokens)") == "2 3"
    assert (
        kernel.run("p = %llm tokenize -q Hello you").status == "ok"
        and kernel.value("type(p).__name__") == "Tokenization"
    )
    assert kernel.run("b = %llm models fits").status == "ok"
    assert kernel.value("type(b).__name__, b[0].name") == "ModelTable pythia-70m"
    assert not kernel.run("b = %llm version").outputs and kernel.value("b") == "None"


def test_a_lone_question_mark_is_help(kernel: Kernel) -> None:
    """N8: the model was asked "?"."""
    for line in ("%llm?", "%llm??", "?%llm", "%%llm?"):
        result = kernel.run(line)
        assert result.status == "ok" and not result.outputs, line
    assert (
        "--layer" not in kernel.run("%llm logit_lens?").stdout
        and "after each layer" in kernel.run("%llm logit_lens?").stdout
    )
    assert "%llm tokens [on|off]" in kernel.run("%llm tokens?").stdout


def test_help_shows_the_options(kernel: Kernel) -> None:
    """N22: %%llm? showed one line, and IPython refused %%llm --help over an empty cell."""
    for cell in ("%%llm --help", "%%llm --help\n", "%%llm -h\n\n"):
        result = kernel.run(cell)
        assert result.status == "ok" and "--temperature" in result.stdout, (cell, result.stdout)
    assert "--rank" in kernel.run("%%llm_tune --help\n").stdout
    shown = kernel.value("'--temperature' in get_ipython().object_inspect('%llm')['docstring']")
    assert shown == "True"
    # A prompt below the line is still a prompt.
    assert kernel.run("%%llm -n 2 -t 0\n--help").status == "ok"


def test_an_interrupt_ends_a_loop_that_catches_errors(kernel: Kernel) -> None:
    """N11: Interrupted was an Exception, and the loop went on with the next."""
    code = (
        "done, failed, stopped = [], [], []\n"
        "try:\n"
        "    for p in ['one', 'two', 'three']:\n"
        "        try:\n"
        "            get_ipython().run_cell_magic('llm', '-n 400 -t 1 -o r', 'Write a long story "
        "about ' + p)\n"
        "        except Exception as e:\n"
        "            failed.append(p)\n"
        "        done.append(p)\n"
        "except KeyboardInterrupt as e:\n"
        "    stopped.append(type(e).__name__)\n"
    )
    timer = threading.Timer(2.0, lambda: kernel.manager.interrupt_kernel())
    timer.start()
    kernel.run(code)
    timer.cancel()
    assert kernel.value("done, failed, stopped") == "[] [] ['Interrupted']"
    timer = threading.Timer(1.0, lambda: kernel.manager.interrupt_kernel())
    timer.start()
    result = kernel.run("%%llm -n 400 -t 1\nWrite a long story.")
    assert (
        result.status == "error"
        and "Interrupted: stopped after" in result.error
        and "Traceback" not in result.error
    )


def test_what_is_captured_is_the_answer_alone(kernel: Kernel) -> None:
    """N17: every frame was kept."""
    kernel.run("%%capture cap\nget_ipython().run_cell_magic('llm', '-n 60 -t 0', 'Tell me a story.')")
    assert kernel.value("len(cap.outputs)") == "1"
    kernel.run("%%capture cap\n%llm -n 30 -t 0 Tell me a story.")
    assert kernel.value("len(cap.outputs), len(cap.outputs[0].data['text/plain']) > 40") == "1 True"


def test_models_can_be_called(kernel: Kernel) -> None:
    """N3: the subpackage hid the function."""
    assert kernel.run("import llm_magics as lm\nlm.models()").status == "ok"
    code = (
        "from llm_magics import list_models\nlm.load()\nassert lm.models()[0].name == list_models()[0].name"
    )
    assert kernel.run(code).status == "ok"


def test_the_system_message_can_be_taken_away(kernel: Kernel) -> None:
    """N26"""
    kernel.run("%llm -n 2 -q -o plain Hi\n%llm -n 2 -q -s '' -o bare Hi")
    assert "helpful AI assistant" in kernel.value("plain.prompt") and "helpful" not in kernel.value(
        "bare.prompt"
    )


def test_threads_are_shown_and_said(kernel: Kernel) -> None:
    """N27: the row "threads" meant conversations."""
    kernel.run("%llm -n 2 -q Hi")
    status = kernel.run("%llm").stdout
    assert "\nthreads " in status and " cores" in status and "\nconversations " in status


def test_models_of_markdown_do_not_log(kernel: Kernel) -> None:
    """N23: 277 lines below one answer."""
    code = (
        "import logging, io\nbuffer = io.StringIO()\n"
        "logging.basicConfig(level=logging.DEBUG, stream=buffer, force=True)\n"
        "%llm -n 8 -t 0 Hello"
    )
    kernel.run(code)
    assert kernel.value("'markdown_it' in buffer.getvalue()") == "False"
    kernel.run("logging.basicConfig(level=logging.WARNING, force=True)")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "latin-1"])
def test_terminals_that_are_not_utf_8(encoding: str, default_gguf: Path, tmp_path: Path) -> None:
    """N20: a UnicodeEncodeError came after the whole answer."""
    code = "%load_ext llm_magics\n%llm --help\n%llm -n 6 -t 0 -o a Hello\n%llm tokens\n%llm --nonsense x"
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", code],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "IPYTHONDIR": str(tmp_path)},
        timeout=120,
    )
    out = ran.stdout.decode(encoding)
    assert "UnicodeEncodeError" not in out + ran.stderr.decode(encoding, "replace")
    assert "--temperature" in out and "raise it with -n" in out and "unknown option --nonsense" in out


def test_a_model_is_not_pickled(kernel: Kernel) -> None:
    """N28"""
    result = kernel.run("import pickle, copy\npickle.dumps(lm.load())")
    assert "UsageError: a model cannot be pickled" in result.error and "lm.load(name)" in result.error
    assert "UsageError" in kernel.run("copy.deepcopy(lm.load())").error


def test_an_adapter_outlives_the_kernel(default_gguf: Path, tmp_path: Path) -> None:
    """B5"""
    rows = "\n".join(f"what is {n} ⇒ Beep. It is {n}." for n in range(12))
    home = own_home(tmp_path)
    day_one = Kernel(**home)
    try:
        assert day_one.run("%load_ext llm_magics").status == "ok"
        tuned = day_one.run(f"%%llm_tune -n robot --depth 2 --steps 4 --max-tokens 8 -p hi\n{rows}")
        assert tuned.status == "ok" and "kept as robot" in tuned.data["text/plain"], tuned.error
        said = day_one.run("%llm -a robot -n 8 -t 0 -o a what is 3").data["text/plain"]
    finally:
        day_one.close()
    day_two = Kernel(**home)
    try:
        day_two.run("%load_ext llm_magics")
        assert "robot" in day_two.run("%llm adapters").stdout
        assert day_two.run("%llm -a robot -n 8 -t 0 what is 3").data["text/plain"] == said
        assert "Use its saved adapter: %%llm -a robot" in day_two.run("%llm_tune --resume -n robot").error
        assert "unknown adapter 'ghost'" in day_two.run("%llm -a ghost hi").error
        assert "robot is removed" in day_two.run("%llm adapters rm robot").stdout
        assert "no adapter is kept" in day_two.run("%llm adapters").stdout
    finally:
        day_two.close()


def test_use_and_pull_load_a_model_by_name(fresh_kernel: Kernel, tiny_gguf: Path) -> None:
    kernel = fresh_kernel
    kernel.run("%load_ext llm_magics")
    pulled = kernel.run(f"%llm pull {tiny_gguf}")
    assert "tiny is ready: repacked" in pulled.stdout and "256 tokens of context" in pulled.stdout
    assert not any(output["text/plain"] for output in pulled.outputs)  # nothing of the progress is left
    assert "No model is loaded yet" in kernel.run("%llm").stdout
    assert "tiny is in use: int8" in kernel.run(f"%llm use {tiny_gguf} -p int8").stdout
    assert "tiny" in kernel.run("%llm status").stdout
    assert "tiny (int8) fits: about" in kernel.run("%llm fit").stdout
    assert "smollm2-135m-instruct (auto) fits" in kernel.run("%llm fit smollm2-135m-instruct").stdout
    used = kernel.run("%llm use default")
    assert "smollm2-135m-instruct is in use" in used.stdout
    assert not any(output["text/plain"] for output in used.outputs)
    assert "use needs the NAME of a model" in kernel.run("%llm use").error
