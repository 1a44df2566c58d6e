"""``%%llm -m openai:…`` in a real kernel, against a server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from llm_magics.views.mime import GENERATION_MIME, INSPECTION_MIME
from tests.kernel.conftest import Kernel
from tests.support.openai_stub import DONE, Stub, end, serve, texts, token


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serve(Stub(reply=reply)) as stub:
        yield stub


def reply(body: dict[str, Any]) -> Any:
    """Return the number of messages; a value for a schema; or labels."""
    if "response_format" in body:
        return [*texts('{"stars": 4}'), DONE]
    if body["max_tokens"] == 1:
        return [token("pos", -0.1, {"pos": -0.1, "neg": -2.5}), end(), DONE]
    word = str(len(body["messages"]))
    return [token(word, -0.2, {word: -0.2, "?": -2.0}), token(" messages", -1.0), end(prompt_tokens=5), DONE]


def test_cells_of_a_server(fresh_kernel: Kernel, stub: Stub) -> None:
    kernel = fresh_kernel
    assert kernel.run("%load_ext llm_magics").status == "ok"
    address = f"openai:{stub.url}#stub"
    result = kernel.run(f"%%llm -m {address} -o first\nHello")
    assert result.status == "ok", result.error
    payload = result.data[GENERATION_MIME]
    assert result.data["text/plain"].startswith("1 messages") and payload["missing"] == ["entropy"]
    assert payload["model"]["name"].startswith("stub at 127.0.0.1") and not payload["model"]["fingerprint"]
    # The server stays in use; conversations, tokens, samples and background answers work.
    assert kernel.run("%%llm -c talk\nOne").data["text/plain"].startswith("1 messages")
    assert kernel.run("%%llm -c talk --tokens\nTwo").data["text/plain"].startswith("3 messages")
    assert "perplexity" in kernel.run("%llm tokens").data["text/plain"]
    assert kernel.run("%%llm --samples 2 -q -o two\nx").status == "ok"
    assert kernel.value("[g.options.seed for g in two]") == "[0, 1]"
    assert kernel.run("%%llm --background -o job\nx").status == "ok"
    assert kernel.value("job.result().text") == "1 messages"
    context = kernel.run("n = 41\n").status == "ok" and kernel.run("%%llm --see n\nx")
    assert context.status == "ok" and "41" in str(stub.asked[-1]["messages"])
    assert "tokens" in kernel.run("%llm context").data["text/plain"]
    status = kernel.run("%llm status").stdout
    assert "openai:http://127.0.0.1" in status and "stub" in status


def test_forms_rows_and_labels(fresh_kernel: Kernel, stub: Stub) -> None:
    kernel = fresh_kernel
    table = "import pandas as pd\ndf = pd.DataFrame({'review': ['I love it', 'It broke', None]})"
    address = f"openai:{stub.url}"
    assert kernel.run(f"%load_ext llm_magics\n{table}").status == "ok"
    assert kernel.run(f"%config LLMMagics.keep_answers = True\n%llm use {address}").status == "ok"
    assert kernel.run("%%llm --schema 'stars int' -o value\nRate: fine").status == "ok"
    assert kernel.value("value") == "{'stars': 4}"
    result = kernel.run("%%llm --map df.review -o df.rating --schema 'stars int'\nRate: {review}")
    assert result.status == "ok", result.error
    assert kernel.value("df.rating_stars.tolist()[:2]") == "[4.0, 4.0]"
    result = kernel.run("%%llm --map df.review -o df.label --choices pos,neg\nReview: {review}")
    assert result.status == "ok" and kernel.value("df.label.tolist()[:2]") == "['pos', 'pos']"
    assert result.data[INSPECTION_MIME]["view"] == "rows"
    asked = len(stub.asked)
    again = "%%llm --map df.review -o df.again --choices pos,neg\nReview: {review}"
    assert kernel.run(again).status == "ok" and len(stub.asked) == asked
    assert kernel.run(again.replace("%%llm", "%%llm --fresh")).status == "ok" and len(stub.asked) == asked + 2
    one = kernel.run("%%llm --choices pos,neg -o one\nReview: good")
    assert "approximate" in one.data["text/plain"] and kernel.value("one") == "pos"


def test_what_needs_a_model_here_is_refused(fresh_kernel: Kernel, stub: Stub) -> None:
    kernel = fresh_kernel
    assert kernel.run(f"%load_ext llm_magics\n%llm use openai:{stub.url}\ndef tool(): 'x'").status == "ok"
    for cell in ("%llm logit_lens Rome is", "%llm attribution Rome is", "%%llm --decide 'urgent?'\nx"):
        assert "is behind a server" in kernel.run(cell).error
    for option in (
        "--think 5",
        "--regex a+",
        "--tools tool",
        "--draft default",
        "--adapter x",
        "--threads 2",
    ):
        assert "behind a server, which does not support" in kernel.run(f"%%llm {option}\nx").error, option
    assert kernel.run("%%llm -o answer\nHi").status == "ok"
    assert "is behind a server" in kernel.run("%llm replay answer").error
    for bad in ("openai:nowhere", "openai:http://u:p@127.0.0.1/v1", "openai:http://127.0.0.1:9/v1"):
        result = kernel.run(f"%%llm -m {bad}\nx")
        assert result.status == "error" and "Traceback" not in result.error
    # A model on this machine takes its place.
    assert kernel.run("%%llm -m default -n 3 -t 0 -o local\nHi").status == "ok"
    assert kernel.value("bool(local.model.fingerprint)") == "True"
