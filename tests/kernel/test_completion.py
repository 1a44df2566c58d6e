"""What Tab offers, asked of a real kernel as JupyterLab asks it."""

from __future__ import annotations

import time

import pytest

from tests.kernel.conftest import Kernel


def complete(kernel: Kernel, code: str) -> list[str]:
    """What the code would be with each of the completions at its end, or at ``|``."""
    code, _, behind = code.partition("|")
    kernel.client.complete(code + behind, len(code))
    end = time.monotonic() + 60
    while time.monotonic() < end:
        reply = kernel.client.get_shell_msg(timeout=60)
        if reply["msg_type"] == "complete_reply":
            content = reply["content"]
            assert content["status"] == "ok" and content["cursor_end"] == len(code)
            return [code[: content["cursor_start"]] + match for match in content["matches"]]
    raise AssertionError("no reply")


@pytest.mark.parametrize(
    ("code", "offered"),
    [
        ("%%llm --te", ["%%llm --temperature"]),
        ("%llm -q --rep", ["%llm -q --repetition-penalty"]),
        ("%%llm -m smollm2-1", ["%%llm -m smollm2-135m-instruct", "%%llm -m smollm2-1.7b-instruct"]),
        ("%%llm --model=smollm2-13", ["%%llm --model=smollm2-135m-instruct"]),
        ('%%llm -m "smollm2-13', ['%%llm -m "smollm2-135m-instruct']),
        ("%%llm -p i", ["%%llm -p int8", "%%llm -p int4"]),
        ("%%llm --te|\nWhy?", ["%%llm --temperature"]),
        ("\n\n%%llm --te|\nWhy?", ["\n\n%%llm --temperature"]),
        ("%llm lo", ["%llm logit_lens"]),
        ("answer = %llm lo", ["answer = %llm logit_lens"]),
        ("%llm logit_lens --tr", ["%llm logit_lens --track"]),
        ("%llm logit_lens --te", []),  # a lens draws nothing
        ("%llm walkthrough --te", ["%llm walkthrough --temperature"]),
        ("%llm tokens o", ["%llm tokens on", "%llm tokens off"]),
        ("%llm adapters ", ["%llm adapters rm"]),
        ("%llm card gpt2", ["%llm card gpt2"]),
        ("%%llm_tune --le", ["%%llm_tune --learning-rate"]),
        ("%%llm_tune --depth f", ["%%llm_tune --depth full"]),
        ("%%llm_tune -d colo", ["%%llm_tune -d colours"]),
        ("%llm -o colo", ["%llm -o colours"]),
    ],
)
def test_options_values_and_verbs(kernel: Kernel, code: str, offered: list[str]) -> None:
    """A9: Tab offered nothing, or Python's keywords."""
    kernel.run("colours = ['red']")
    assert complete(kernel, code) == offered


@pytest.mark.parametrize(
    ("field", "offered"),
    [
        ("{colo", ["colours"]),
        ("Don't {colours.appen", ["colours.append"]),
        ("it's {owner['key", ["owner['key one"]),
        ("{{colo", []),
        ("{{{colo", ["colours"]),
        ("What is os", []),
        ("import nump", []),
        ("{_", []),
    ],
)
def test_a_prompt_completes_variables_in_braces_and_nothing_else(
    kernel: Kernel, field: str, offered: list[str]
) -> None:
    kernel.run("colours = ['red']; owner = {'key one': 1}")
    prose = field[: field.rfind("{") + 1]
    for before in ("%%llm -q\nYes.\n", "%llm -- "):
        assert complete(kernel, before + field) == [before + prose + word for word in offered]


def test_names_that_come_and_go(kernel: Kernel) -> None:
    kernel.run("%%llm -n 2 -q -c trip\nHello")
    assert complete(kernel, "%%llm -c tr") == ["%%llm -c trip"]
    assert complete(kernel, "%llm -c tr") == [] and complete(kernel, "%llm -c=tr") == ["%llm -c=trip"]
    assert complete(kernel, "%llm rm smol") == ["%llm rm smollm2-135m-instruct"]


def test_python_and_rows_are_as_before(kernel: Kernel) -> None:
    kernel.run("colours = ['red']")
    for _ in range(2):  # IPython changes the result that a matcher returns
        assert "colours" in complete(kernel, "colo")
        assert complete(kernel, "colours.appe") == ["colours.append"]
    assert "%llm_tune" in complete(kernel, "%llm") and "%%llm" in complete(kernel, "%%llm")
    assert complete(kernel, "%%llm_tune\nimport o") == []
    kernel.run("%load_ext llm_magics\n%reload_ext llm_magics")
    assert complete(kernel, "%%llm --te") == ["%%llm --temperature"]
    kernel.run("%unload_ext llm_magics")
    assert complete(kernel, "%%llm --te") == []
    kernel.run("%load_ext llm_magics")
    assert complete(kernel, "%%llm --te") == ["%%llm --temperature"]
