"""The magics as a user meets them: a real kernel and the real model."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_magics.models.loading.convert import FORMAT
from llm_magics.views.bundle import read_output
from llm_magics.views.mime import GENERATION_MIME, INSPECTION_MIME, TUNING_MIME
from tests.kernel.conftest import Kernel, Result

FRANCE = "What is the capital of France?"


def test_paris(kernel: Kernel) -> None:
    result = kernel.run(f"%%llm -t 0\n{FRANCE}")
    assert result.status == "ok" and not result.stdout
    assert set(result.data) == {"text/plain", "text/markdown", GENERATION_MIME}
    assert "Paris" in result.data["text/plain"]
    answer = read_output(result.data)
    assert answer.text == result.data["text/plain"] == result.data["text/markdown"]
    assert (
        answer.model.fingerprint.startswith("b179c952")
        and answer.stop_reason == "stop"
        and answer.options.temperature == 0
    )


def test_line_magic_with_a_question_mark(kernel: Kernel) -> None:
    assert "Paris" in kernel.run(f"%llm -t 0 {FRANCE}").data["text/plain"]


def test_streams_in_frames_and_then_one_bundle(kernel: Kernel) -> None:
    seen: list[str] = []
    result = kernel.run(
        "%%llm -n 150 -t 0 --raw\nOnce upon a time there was",
        on_display=lambda r: seen.append(r.data["text/plain"]),
    )
    assert len(seen) >= 5 and seen[0] and seen[-2].startswith(seen[1])
    span = result.updates[-2] - result.updates[0]
    assert (len(result.updates) - 2) / span <= 21
    assert "raise it with -n" in seen[-1]


def test_same_seed_same_text_whatever_came_between(kernel: Kernel) -> None:
    def ask(seed: int) -> str:
        return kernel.run(f"%%llm --seed {seed} -t 1 -n 60\nWrite a poem about rain.").data["text/plain"]

    first = ask(1)
    kernel.run("%%llm -n 20\nWrite a poem about snow.")
    assert ask(1) == first != ask(2)


def test_variables_are_expanded_once(kernel: Kernel) -> None:
    kernel.run("name = 'Ada {danger}'; word = 'short'")
    assert kernel.run("%%llm -n 2 -o a -s 'Be {word}.'\nHello {name}, {1 + 1} {{x}} $name").status == "ok"
    prompt = kernel.value("a.prompt")
    assert "Hello Ada {danger}, {1 + 1} {x} $name" in prompt and "Be short." in prompt


def test_out_quiet_and_raw(kernel: Kernel) -> None:
    result = kernel.run("%%llm -q -o b --raw -t 0 -n 5\nOnce upon a time")
    assert result.outputs == [] and result.status == "ok"
    assert kernel.value("(b.prompt, len(b.tokens), b.stop_reason)") == "('Once upon a time', 5, 'length')"


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ("-n 3", "len(c.tokens) == 3"),
        ("-t 0", "all(t.rank == 0 for t in c.tokens)"),
        ("-t 2 --top-k 1", "all(t.rank == 0 for t in c.tokens)"),
        ("-t 2 --top-p 0.0001 --top-k 0", "all(t.rank == 0 for t in c.tokens)"),
        ("-t 2 --min-p 1", "all(t.rank == 0 for t in c.tokens)"),
        ("-t 2 --seed 3 --top-k 0 --top-p 1 --min-p 0", "any(t.rank > 0 for t in c.tokens)"),
        ("-t 0 --repetition-penalty 5 -n 60", "any(t.rank > 0 for t in c.tokens)"),
        ("-t 0 --stop capital", "'capital' not in c.text and c.stop_reason == 'stop'"),
        ("-t 0 -m smollm2-135m-instruct", "c.model.name == 'smollm2-135m-instruct'"),
        ("-t 0 -p fp32", "c.model.precision == 'fp32' and 'Paris' in c.text"),
        ("-t 0 --threads 1", "'Paris' in c.text"),
    ],
)
def test_every_option_does_something(kernel: Kernel, options: str, check: str) -> None:
    assert kernel.run(f"%%llm -q -o c {options}\n{FRANCE}").status == "ok"
    assert kernel.value(check) == "True"
    assert kernel.run("%llm -m default").status == "ok"  # what is named stays


def test_a_cell_goes_on_with_the_model_in_use(fresh_kernel: Kernel, tiny_gguf: Path, tmp_path: Path) -> None:
    """What the status shows is what the next cell runs, and what the verbs look at."""
    kernel = fresh_kernel
    (tmp_path / "own.gguf").write_bytes(tiny_gguf.read_bytes())
    kernel.run("%load_ext llm_magics")
    assert kernel.run(f"import os; os.chdir({str(tmp_path)!r})").status == "ok"
    assert kernel.run("%%llm -m own.gguf -n 2 -o a\nhi").status == "ok"
    assert kernel.run("os.chdir('/')\n%llm -n 2 -o b hi").status == "ok"
    assert "own" in kernel.run("%llm").stdout and kernel.value("b.model == a.model") == "True"
    assert kernel.run("%llm logit_lens -o seen").status == "ok"
    assert kernel.value("seen.model.name == a.model.name") == "True"
    assert kernel.run("%llm compare -o two --precision fp32").status == "ok"
    assert kernel.run("%llm -n 2 -p fp32 -o c hi").status == "ok", "the same model, in another precision"
    same = "(c.model.name == a.model.name, c.model.precision, c.model.fingerprint == a.model.fingerprint)"
    assert kernel.value(same) == "(True, 'fp32', True)"
    assert kernel.run("%llm -m missing.gguf hi").status == "error", "and the one in use stays it"
    assert kernel.run("%llm -n 2 -o d hi").status == "ok" and kernel.value("d.model == c.model") == "True"
    assert "from 1 to 1024" in kernel.run("%llm --threads 0").error
    assert kernel.run("%llm -m default -n 2 -o e hi").status == "ok"
    assert kernel.value("(e.model.name, e.model.precision)") == "('smollm2-135m-instruct', 'repacked')"
    assert kernel.run("%llm -n 2 -o f hi").status == "ok" and kernel.value("f.model == e.model") == "True"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("%%llm --temprature 0\nhi", "Did you mean --temperature?"),
        ("%%llm -t 99\nhi", "temperature must be a number from 0 to 10"),
        ("%%llm --eval\nhi {nope}", "name 'nope' is not defined"),
        ("%%llm -m gpt-5\nhi", "unknown model 'gpt-5'"),
        ("%%llm -m missing.gguf\nhi", "file not found: missing.gguf"),
        ("%%llm -p int3\nhi", "unknown precision 'int3'"),
        ("long = 'word ' * 9000", ""),
        ("%%llm\n{long}", "too many"),
        ("%%llm\n\n", "prompt is empty"),
    ],
)
def test_errors_are_one_short_block_and_fail_the_cell(kernel: Kernel, code: str, said: str) -> None:
    result = kernel.run(code)
    if said:
        assert result.status == "error" and said in result.error
        assert "Traceback" not in result.error and "→" in result.error and result.error.count("\n") <= 3
        assert result.outputs == []


def once(act: Callable[[], object]) -> Callable[[object], None]:
    done: list[object] = []
    return lambda _: None if done else done.append(act() or True)


def test_interrupt_keeps_the_text_fails_the_cell_and_the_next_one_works(kernel: Kernel) -> None:
    kernel.run("%%llm -n 1\nhi")  # the model is loaded: the first display is the answer's
    result = kernel.run(
        "%%llm -n 3000 -t 1.5 -o cut\nWrite a very long story.",
        on_display=once(kernel.manager.interrupt_kernel),
    )
    assert (
        result.status == "error"
        and "Interrupted: stopped after" in result.error
        and "Traceback" not in result.error
    )
    assert result.seconds < 2 and "interrupted after" in result.data["text/markdown"]
    answer = read_output(result.data)
    assert (
        answer.stop_reason == "interrupted"
        and answer.text
        and result.data["text/plain"].startswith(answer.text)
    )
    assert kernel.value("cut.stop_reason") == "interrupted"
    assert "Paris" in kernel.run(f"%%llm -t 0\n{FRANCE}").data["text/plain"]


def test_interrupt_while_a_long_prompt_is_read(kernel: Kernel) -> None:
    kernel.run("%%llm -n 1\nhi")
    kernel.run("long = 'The quick brown fox jumps over the lazy dog. ' * 600")
    # The first display says that it is reading.
    result = kernel.run("%%llm -n 5\n{long}", on_display=once(kernel.manager.interrupt_kernel))
    assert result.status == "error" and "stopped after 0 tokens" in result.error and result.seconds < 3
    assert "Paris" in kernel.run(f"%%llm -t 0\n{FRANCE}").data["text/plain"]


def test_interrupt_while_it_says_that_it_is_reading(kernel: Kernel) -> None:
    """The signal may land anywhere: here inside the display of that line."""
    kernel.run(
        "from llm_magics.magics.output import Notebook\nstatus = Notebook.status\n"
        "def late(self, text): status(self, text); raise KeyboardInterrupt\n"
        "Notebook.status = late\nlong = 'The quick brown fox jumps over the lazy dog. ' * 100"
    )
    result = kernel.run("%%llm -n 5\n{long}")
    kernel.run("Notebook.status = status")
    assert result.status == "error" and "stopped after 0 tokens" in result.error
    assert "interrupted" in result.data["text/markdown"]


def test_status_and_help(kernel: Kernel) -> None:
    kernel.run("%%llm -n 3\nhi")
    status = kernel.run("%llm").stdout
    for word in (
        "smollm2-135m-instruct",
        "precision",
        "repacked",
        "MB",
        "tokens/s",
        "Apache-2.0",
        "8,192",
        "fidelity",
    ):
        assert word in status
    assert "--repetition-penalty" in kernel.run("%llm --help").stdout


def test_generation_and_trace_show_themselves(kernel: Kernel) -> None:
    kernel.run("import llm_magics as lm\nanswer = lm.load().generate('hi', max_tokens=3)")
    assert GENERATION_MIME in kernel.run("answer").data
    shown = kernel.run("lm.load().score('The <b>cat</b> sat.')").data
    assert "perplexity" in shown["text/plain"] and "<ins>&lt;</ins>" in shown["text/html"]


def test_reloading_the_extension(kernel: Kernel) -> None:
    assert kernel.run("%reload_ext llm_magics").status == "ok"
    assert "Paris" in kernel.run(f"%%llm -t 0\n{FRANCE}").data["text/plain"]
    kernel.run("%unload_ext llm_magics")
    assert kernel.run("%%llm\nhi").status == kernel.run("%llm hi").status == "error"
    kernel.run("%load_ext llm_magics")


def test_lean_start(fresh_kernel: Kernel) -> None:
    fresh_kernel.run(
        "import sys\nbefore = set(sys.modules)\n%load_ext llm_magics\nnew = set(sys.modules) - before"
    )
    assert fresh_kernel.value("len(new) < 50 and not {'numpy', 'onnxruntime'} & new") == "True"
    assert "Paris" in fresh_kernel.run(f"%%llm -t 0\n{FRANCE}").data["text/plain"]
    loaded = fresh_kernel.value(
        "sorted({'torch', 'transformers', 'onnx_ir', 'gguf', 'pandas'} & set(__import__('sys').modules))"
    )
    assert loaded == "[]"
    high = (
        fresh_kernel.value("open('/proc/self/status').read()") if os.path.exists("/proc/self/status") else ""
    )
    if peak := re.search(r"VmHWM:\s+(\d+) kB", high):
        assert int(peak[1]) / 1024 <= 400


def test_killed_while_generating_leaves_a_sound_cache(fresh_kernel: Kernel) -> None:
    from llm_magics.sources import store

    fresh_kernel.run("%load_ext llm_magics\n%llm -n 2 hi")
    pid = int(fresh_kernel.value("__import__('os').getpid()"))
    fresh_kernel.client.execute("%%llm -n 3000 -t 1.5\nWrite a very long story.")
    while fresh_kernel.client.get_iopub_msg(timeout=30)["msg_type"] != "update_display_data":
        pass
    os.kill(pid, signal.SIGKILL)
    before = store.cached()
    assert any(key.startswith("smollm2-135m-instruct/auto") for key in before)
    other = Kernel()
    try:
        other.run("%load_ext llm_magics")
        assert "Paris" in other.run(f"%%llm -t 0\n{FRANCE}").data["text/plain"]
    finally:
        other.close()
    assert store.cached() == before


def test_a_model_that_is_not_used_any_more_is_gone(fresh_kernel: Kernel) -> None:
    kernel = fresh_kernel
    assert kernel.run("%load_ext llm_magics\n%llm -n 2 hi").status == "ok"
    assert kernel.run("%llm --bad").status == "error"
    count = "len(__import__('llm_magics.models.loading.load', fromlist=['_loaded'])._loaded)"
    kernel.run("import gc; gc.disable()")
    assert kernel.value(count) == "1"
    assert kernel.run("%llm -n 2 -p fp32 hi").status == "ok"
    assert kernel.value(count) == "1"
    assert kernel.run("%llm " + "long " * 9000).status == "error"  # its traceback must keep nothing alive
    used = "int(__import__('psutil').Process().memory_info().rss / 1e6)"
    before = int(kernel.value(used))
    assert kernel.run("%unload_ext llm_magics").status == "ok"
    assert kernel.value(count) == "0"
    assert before > 250 and int(kernel.value(used)) < before - 120  # weights and caches, given back


def test_the_memory_of_conversations_is_shown_and_set(kernel: Kernel) -> None:
    assert kernel.run("%llm -n 2 --cache-mb 77 hi").status == "ok"
    assert "in 1 KV cache of at most 77 MB" in kernel.run("%llm").stdout


def test_a_question_mark_is_ours_only_where_ipython_would_take_it(kernel: Kernel) -> None:
    told = 'import llm_magics.magics.workspace as m; m.parse_ = getattr(m, "parse_", m.parse)\n'
    kernel.run(
        told
        + "def spy(line, cell, ns): print('ASKED', repr(line), repr(cell)); raise SystemError\nm.parse = spy"
    )
    try:
        for code, line in {
            "%llm What is that?": "What is that?",
            "x = 1\nif x:\n    %llm Who's there?\n": "Who's there?",
            "%llm one \\\n  two?": "one    two?",
            "%llm -- really??": "-- really??",
        }.items():
            assert f"ASKED {line!r} None" in kernel.run(code).stdout, code
        for code in (
            'text = """\n%llm What is that?\n"""\nprint(repr(text))',
            "print(repr('%llm what?'), 'a%llm b?')",
            "%%writefile /dev/null\n%llm What is that?",
            "# %llm what?\nprint('fine')",
        ):
            result = kernel.run(code)
            assert result.status == "ok" and "ASKED" not in result.stdout, code
        text = kernel.run('text = """\n%llm What is that?\n"""\nprint(repr(text))').stdout
        assert text.strip() == repr("\n%llm What is that?\n")
        assert "ASKED '' 'a\\n%llm b?\\n'" in kernel.run("%%llm\na\n%llm b?").stdout
    finally:
        kernel.run("m.parse = m.parse_")
    assert "Docstring" in str(kernel.run("len?").error) + str(
        kernel.run("print(len.__doc__ and 'Docstring')").stdout
    )


def test_what_stayed_as_text_is_said_below_the_answer(kernel: Kernel) -> None:
    result = kernel.run("items = 3\n%llm -n 3 -t 0 say {itemz} {items}")
    assert result.status == "ok"
    line = "{itemz} stayed as text: there is no variable itemz (items?)"
    assert result.data["text/plain"].splitlines()[-1] == line
    assert result.data["text/markdown"].splitlines()[-1].startswith("*")
    assert "say {itemz} 3" in kernel.value(
        "get_ipython().magics_manager.registry['LLMMagics'].workspace.models.loaded.last.prompt"
    )


def test_braces_run_nothing_unless_asked(kernel: Kernel) -> None:
    kernel.run("ran = []")
    assert kernel.run("%%llm -n 1\nAn e-mail: {ran.append(1)} {__import__('os').getpid()}").status == "ok"
    assert kernel.value("ran") == "[]"
    assert kernel.run("%%llm -n 1 --eval\n{ran.append(1)}").status == "ok"
    assert kernel.value("ran") == "[1]"


def test_a_cell_follows_on(kernel: Kernel) -> None:
    model = "get_ipython().magics_manager.registry['LLMMagics'].workspace.models.loaded"
    assert kernel.run("%%llm -t 0 -n 12 -s 'Be brief.'\nMy name is Ada. Say hello.").status == "ok"
    first = int(kernel.value(f"{model}.last.timing.prompt_tokens"))
    assert kernel.run("%%llm -c -t 0 -n 12 -o more\nWhat is my name?").status == "ok"
    prompt = kernel.value("more.prompt")
    assert "My name is Ada" in prompt and "What is my name?" in prompt and prompt.count("Be brief.") == 1
    assert int(kernel.value("more.timing.cached_tokens")) >= first - 2  # only what is new was computed
    assert "last answer (2 turns)" in kernel.run("%llm").stdout
    assert kernel.run("%%llm -c plan -n 2\nBegin.").status == "ok"
    assert kernel.run("%llm -n 2 something else").status == "ok"
    assert kernel.run("%%llm -c plan -n 2 -o planned\nGo on.").status == "ok"
    assert "Begin." in kernel.value("planned.prompt") and "Ada" not in kernel.value("planned.prompt")
    assert "plan (2 turns)" in kernel.run("%llm").stdout
    assert kernel.run("%%llm -c --raw\nx").status == "error"


def test_a_cell_that_is_run_again_replaces_its_turn(kernel: Kernel) -> None:
    """Front ends send the cell's id with what is to be run."""

    def run(cell: str, code: str) -> None:
        client = kernel.client
        message = client.session.msg(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": True,
            },
            metadata={"cellId": cell},
        )
        client.shell_channel.send(message)
        while client.get_shell_msg(timeout=60)["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            pass

    for cell, code in [
        ("a", "%%llm -n 2\none"),
        ("b", "%%llm -n 2 -c -o b\ntwo"),
        ("b", "%%llm -n 2 -c -o b\nTWO"),
        ("c", "%%llm -n 2 -c -o c\nthree"),
    ]:
        run(cell, code)
    prompt = kernel.value("c.prompt")
    assert "TWO" in prompt and "two" not in prompt and "one" in prompt and "three" in prompt


def test_tokens_are_shown_when_asked_for(kernel: Kernel) -> None:
    data = kernel.run("%%llm --tokens -t 0 -n 12\nWhat is the capital of France?").data
    assert (
        "least likely of" in data["text/html"]
        and "Paris" in data["text/html"]
        and "style=" not in data["text/html"]
    )
    assert "text/html" not in kernel.run("%llm -t 0 -n 3 hi").data
    assert "least likely of 3 tokens" in kernel.run("%llm tokens").data["text/html"]
    assert "shown as its tokens" in kernel.run("%llm tokens on").stdout
    assert "text/html" in kernel.run("%llm -t 0 -n 3 hi").data
    kernel.run("%llm tokens off")
    assert "text/html" not in kernel.run("%llm -n 3 tokens are what?").data
    assert kernel.run("%llm -- tokens").status == "ok"


ROWS = "\n".join(f"What is {n}? ⇒ Aye matey, {n} be {n + 1} less one, arr!" for n in range(16))


def test_tuning_is_live_interrupted_gone_on_with_and_used(fresh_kernel: Kernel) -> None:
    kernel, states = fresh_kernel, []
    kernel.run("%load_ext llm_magics")

    def watch(result: Result) -> None:
        if TUNING_MIME not in result.data:
            return states.append("loading the model")
        states.append(result.data[TUNING_MIME]["state"])
        if result.data[TUNING_MIME]["step"] >= 6 and "interrupted" not in states and len(states) < 200:
            kernel.manager.interrupt_kernel()
            states.append("interrupted")

    options = "-n pirate --depth 4 --steps 40 --eval-fraction 0.25 -p 'Who are you?' --max-tokens 12"
    stopped = kernel.run(f"%%llm_tune {options}\n{ROWS}", on_display=watch)
    assert stopped.status == "error" and "the adapter is kept" in stopped.error
    assert stopped.data[TUNING_MIME]["state"] == "interrupted" and stopped.data[TUNING_MIME]["final"]
    assert {"loading", "training"} <= set(states)
    gone_on = kernel.run("%llm_tune --resume -n pirate")
    record = gone_on.data[TUNING_MIME]
    assert gone_on.status == "ok" and record["state"] in ("done", "stopped") and record["step"] > 10
    assert record["held_out"][1][-1] < record["held_out"][1][0] and record["perplexity"]["rows"] == 2
    assert record["prompts"][0]["after"] and "Who are you?" in gone_on.data["text/html"]
    ask = "What is 4?"
    plain, tuned, none = (
        kernel.run(f"%llm {how} -t 0 -n 20 {ask}").data["text/plain"]
        for how in ("", "-a pirate", "-a pirate:0")
    )
    assert plain == none != tuned and "matey" in tuned
    again = kernel.run(f"%llm -a nothing {ask}")
    assert again.status == "error" and "unknown adapter" in again.error
    assert kernel.run("%llm_tune --resume -n nothing").error.count("there is no run in nothing") == 1
    assert "--eval-fraction" in kernel.run("%llm_tune --help").stdout


def test_without_torch_it_says_what_to_install(fresh_kernel: Kernel) -> None:
    fresh_kernel.run("%load_ext llm_magics\nimport sys\nsys.modules['torch'] = None")
    said = fresh_kernel.run("%%llm_tune\na ⇒ b").error
    assert "tuning needs torch" in said and "open-llm-magics[tune]" in said
    assert (
        fresh_kernel.value("sorted({'onnxruntime', 'llm_magics.models.loading.load'} & set(sys.modules))")
        == "[]"
    )
    # What is wrong with the rows comes first: nobody installs torch to read that.
    assert "not a row" in fresh_kernel.run("%%llm_tune\nhello").error


TEXT = "The capital of France is Paris. The capital of Italy is"


def test_looking_inside(kernel: Kernel) -> None:
    result = kernel.run(f"%llm logit_lens -o lens {TEXT}")
    assert (
        set(result.data) == {"text/plain", "text/html", INSPECTION_MIME}
        and result.data[INSPECTION_MIME]["view"] == "lens"
    )
    assert "␣Rome" in result.data["text/plain"]
    assert not result.stdout
    shown = kernel.run("%llm compare --help")
    assert shown.stdout.startswith("%llm compare [TEXT]") and not shown.outputs
    for line in ("walk", "watch The sky is", "compare --against FILE", "tokens maybe"):
        result = kernel.run(f"%llm {line}")
        assert "UsageError" in result.error and "Write %llm" in result.error and not result.outputs
    assert "did you mean %llm logit_lens?" in str(kernel.run("%llm -n 3 lense The sky is").data)
    result = kernel.run(f"%llm logit_lens -o lens {TEXT}")
    assert kernel.value("repr(lens.answers[-1])") == "' Rome'"
    heavy = kernel.value("sorted({'torch', 'transformers', 'pandas'} & set(__import__('sys').modules))")
    assert heavy == "[]"
    cell = kernel.run("%%llm tokenize\ntwo\nlines\n")
    assert cell.data[INSPECTION_MIME]["view"] == "tokenizers" and "two" in cell.data["text/plain"]
    prompt = kernel.run("%llm -t 0 -n 3 -- lens or mirror?")
    assert GENERATION_MIME in prompt.data
    assert kernel.run("%%llm -t 0.9 -n 6 -o answer\nHi").status == "ok"
    verbs = ("replay answer", "compare --precision fp32", "lens", "memorised answer", "tree --samples 2 Hi")
    for verb in verbs:
        assert kernel.run(f"%llm {verb}").data[INSPECTION_MIME]["view"], verb
    # The model in use stays what it was.
    assert "repacked" in kernel.run("%llm").stdout


def test_errors_of_the_inside_are_short(kernel: Kernel) -> None:
    for line, words in (
        ("lens --layer 3 text", "has no option --layer"),
        ("attention --layer 99 text", "do not exist"),
        ("walk -n 99 text", "at most 16"),
        ("--track x Hi", "only valid with a subcommand"),
        ("lens --track", "needs a value"),
    ):
        result = kernel.run(f"%llm {line}")
        assert result.status == "error" and words in result.error and "Traceback" not in result.error


def test_an_interrupt_ends_a_long_look(kernel: Kernel) -> None:
    kernel.run("text = 'The sea is wide and blue, and the boat is small. ' * 120")
    # The first thing that is shown is how far it is.
    result = kernel.run("%llm logit_lens {text}", on_display=once(kernel.manager.interrupt_kernel))
    assert result.status == "error" and "stopped" in result.error and result.seconds < 8
    assert kernel.run("%llm -t 0 -n 2 Hi").status == "ok"


def test_the_cache_is_listed(kernel: Kernel) -> None:
    assert kernel.run("%llm -n 1 Hi").status == "ok"  # which converts it, where nothing did yet
    listed = kernel.run("%llm models").displays[-1]["text/plain"]
    assert "llama-3.2-1b-instruct" in listed and f"smollm2-135m-instruct/auto-{FORMAT}-" in listed
    result = kernel.run("%llm rm no-such-model")
    assert result.status == "error" and "the cache has no model 'no-such-model'" in result.error


def test_the_catalog_a_card_and_licenses(kernel: Kernel) -> None:
    assert kernel.run("%llm -q -n 1 -t 0 Hi").status == "ok"
    table = kernel.run("%llm models smollm2 cached").displays[-1]["text/plain"]
    assert "smollm2-135m-instruct" in table and "in use" in table and "qwen" not in table
    card = kernel.run("%llm card").displays[-1]["text/plain"]  # of the model in use
    assert "SmolLM2 135M Instruct · Apache License 2.0" in card and "save does:" in card
    card = kernel.run("%llm card llama-3.2-1b-instruct").displays[-1]["text/plain"]
    assert "begins with “Llama” §1.b.i" in card
    result = kernel.run("%llm card my model")
    assert result.status == "error" and "%llm card [NAME]" in result.error
    assert "smollm2-135m-instruct: Apache License 2.0" in kernel.run("%llm licenses").stdout
    loaded = kernel.run(
        'import sys; print([name for name in ("torch", "transformers") if name in sys.modules])'
    )
    assert loaded.stdout.strip() == "[]"
    code = "import llm_magics as lm; a = lm.card('gpt2'), lm.list_models('gpt2'), lm.fit('gpt2').verdict"
    assert kernel.run(code).status == "ok" and kernel.value("a[2]") in ("fits", "tight", "too large")
