"""``%llm serve`` in one kernel, and a cell of it that uses the server."""

from __future__ import annotations

from tests.kernel.conftest import Kernel


def test_a_model_is_served(fresh_kernel: Kernel) -> None:
    kernel = fresh_kernel
    assert kernel.run("%load_ext llm_magics").status == "ok"
    assert "no server is running" in kernel.run("%llm serve stop").error
    result = kernel.run("%llm serve")
    assert result.status == "ok" and "answers at http://127.0.0.1:" in result.stdout, result.error
    key = kernel.run("%llm serve key").stdout.strip()
    assert len(key) > 20 and key not in result.stdout
    kernel.run("import os, re, llm_magics as lm\nos.environ['LLM_MAGICS_API_KEY'] = key = " + repr(key))
    url = result.stdout.split("-m ")[1].strip()
    here = kernel.run("%%llm -t 0 -n 8 -q -o here\nHi")
    assert here.status == "ok", here.error
    there = kernel.run(f"%%llm -m {url} -t 0 -n 8 -q -o there\nHi")
    assert there.status == "ok", there.error
    assert kernel.value("here.text == there.text and there.missing == ()") == "True"
    # It still runs: the same server is shown again. Prompts that begin with the word are prompts.
    kernel.run("%llm use default")
    assert url in kernel.run("%llm serve").stdout
    assert kernel.run("%llm -n 2 serve me a poem").status == "ok"
    assert "It answered" in kernel.run("%llm serve stop").stdout
