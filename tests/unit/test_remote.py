"""A model behind a server with the OpenAI API: what it can, what it refuses, and bad servers."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import llm_magics as lm
from llm_magics import (
    ContextOverflow,
    IncompleteAnswer,
    LLMMagicsError,
    ModelNotFound,
    ServerError,
    UsageError,
)
from llm_magics.models.remote.address import is_server, parse_address
from llm_magics.models.remote.server import KEY
from llm_magics.views.record_codec import decode_record, encode_record
from tests.support.openai_stub import DONE, Stub, end, serve, texts, token


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serve(Stub()) as stub:
        yield stub


def test_addresses() -> None:
    at = parse_address("openai:https://host.example:8443/v1/#org/name")
    assert (at.scheme, at.place, at.path, at.model) == ("https", "host.example:8443", "/v1", "org/name")
    assert at.url == "openai:https://host.example:8443/v1" and not at.is_loopback
    assert (
        parse_address("http://[::1]:80/v1").is_loopback
        and parse_address("http://[::1]:80").place == "[::1]:80"
    )
    assert is_server("openai:http://x") and not is_server("org/openai") and not is_server(None)
    for bad in (
        "openai:ftp://x",
        "openai:http://",
        "openai:",
        "openai:http://x:99999",
        "openai:http://a b/v1",
    ):
        with pytest.raises(UsageError, match="no address of a server"):
            parse_address(bad)
    for bad in ("http://user:secret@host/v1", "http://host/v1?key=secret"):
        with pytest.raises(UsageError, match="must not hold a key") as caught:
            parse_address(bad)
        assert "secret" not in str(caught.value)


def test_an_answer_with_logprobs(stub: Stub) -> None:
    first = token(" Rome", -0.7, {" Rome": -0.7, " Milan": -1.2}, id=41)
    second = token("\u20ac", -3.0, {".": -0.2}, bytes=[0xE2, 0x82, 0xAC])
    stub.reply = lambda body: [first, second, end("length", prompt_tokens=9), DONE]
    model = lm.connect(f"openai:{stub.url}#stub")
    assert model.context_length == 512
    answer = model.generate("Where?", system="Be brief.", max_tokens=7, temperature=0.2, stop=["x"], top_k=5)
    assert (
        answer.text == " Rome\u20ac" and answer.stop_reason == "length" and answer.timing.prompt_tokens == 9
    )
    assert [(t.id, t.rank, t.logprob) for t in answer.tokens] == [(41, 0, -0.7), (2**31 + 2, 1, -3.0)]
    assert answer.tokens[0].alternatives[1].text == " Milan" and answer.missing == ("entropy", "rank")
    assert "rank over 1" in repr(lm.show_tokens(answer)) and model.last == answer
    body = stub.asked[-1]
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Where?"},
    ]
    told = {
        name: body[name] for name in ("model", "max_tokens", "temperature", "stop", "top_k", "top_logprobs")
    }
    assert told == {
        "model": "stub",
        "max_tokens": 7,
        "temperature": 0.2,
        "stop": ["x"],
        "top_k": 5,
        "top_logprobs": 10,
    }
    assert "min_p" not in body and "repetition_penalty" not in body and answer.options.min_p == 0
    assert answer.model.revision == f"openai:{stub.url}" and not answer.model.fingerprint
    again = decode_record(encode_record(answer))
    assert isinstance(again, lm.Generation) and again.missing == answer.missing and again.text == answer.text
    assert lm.Generation.from_dict(answer.to_dict()) == answer


def test_an_answer_without_logprobs(stub: Stub) -> None:
    answer = lm.connect(stub.url).generate("Hi")
    assert answer.text == "Hello you" and answer.stop_reason == "stop"
    assert answer.missing == ("entropy", "logprob", "rank")
    shown = lm.show_tokens(answer)
    assert "the server gave no probabilities" in repr(shown) and "perplexity" not in repr(shown)
    assert "100 %" not in str(shown._repr_mimebundle_())


def test_columns_of_completions(stub: Stub) -> None:
    logprobs = {
        "tokens": ["a", "b"],
        "token_logprobs": [-1, None],
        "top_logprobs": [{"a": -1, "c": -2}, None],
    }
    stub.reply = lambda body: [
        {"choices": [{"text": "ab", "logprobs": logprobs, "finish_reason": "stop"}]},
        DONE,
    ]
    answer = lm.connect(stub.url).generate("Once", raw=True)
    assert answer.text == "ab" and answer.tokens[0].alternatives[1].text == "c" and answer.prompt == "Once"
    assert stub.asked[-1]["prompt"] == "Once" and stub.asked[-1]["logprobs"] == 10


def test_reasoning_that_is_sent_apart(stub: Stub) -> None:
    thought = [{"choices": [{"delta": {"reasoning_content": part}}]} for part in ("Let me", " see.")]
    stub.reply = lambda body: [*thought, *texts("Four", "."), DONE]
    answer = lm.connect(stub.url).generate("2 + 2?")
    assert answer.reasoning.strip() == "Let me see." and answer.answer.strip() == "Four."


def test_forms(stub: Stub) -> None:
    model = lm.connect(stub.url)
    stub.reply = lambda body: [*texts('{"name": "Ann",', ' "age": 31}'), DONE]
    assert model.generate("Ann, 31", schema="name, age int").value == {"name": "Ann", "age": 31}
    form = stub.asked[-1]["response_format"]["json_schema"]
    assert form["strict"] and form["schema"]["properties"]["age"] == {"type": "integer"}
    stub.reply = lambda body: [*texts('{"name": "Ann", "age": 3.5}'), DONE]
    with pytest.raises(UsageError, match="is not valid"):
        model.generate("Ann, 31", schema="name, age int")
    stub.reply = lambda body: [texts('{"name": ')[0], end("length"), DONE]
    with pytest.raises(IncompleteAnswer, match="max_tokens"):
        model.generate("Ann, 31", schema="name, age int")


@pytest.mark.parametrize(
    "options",
    [
        {"regex": "a+"},
        {"grammar": 'start: "a"'},
        {"tools": [{"x": 1}]},
        {"thinking": True},
        {"draft": object()},
        {"no_repeat_ngram_size": 3},
    ],
)
def test_what_a_server_lacks_is_refused(stub: Stub, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="behind a server, which does not support"):
        lm.connect(stub.url).generate("Hi", **options)
    assert not stub.asked


def test_other_wrong_options(stub: Stub) -> None:
    model = lm.connect(stub.url)
    for call in (
        lambda: model.generate("Hi", alternatives=21),
        lambda: model.generate("Hi", tempreature=1),
        lambda: model.generate([{"role": "robot", "content": "x"}]),
        lambda: model.generate("Hi", raw=True, system="x"),
        lambda: model.map(["a"], on="tcp://127.0.0.1:9"),
        lambda: lm.load(f"openai:{stub.url}"),
    ):
        with pytest.raises(UsageError):
            call()
    assert not stub.asked


def test_choices(stub: Stub) -> None:
    stub.reply = lambda body: [
        token(" yes", -0.5, {" yes": -0.5, "Y": -2.0, " no": -1.5, " maybe": -3.0}),
        end(),
        DONE,
    ]
    model = lm.connect(stub.url)
    choice = model.choose("Blue?", {"yes": ["yes", "Yes"], "no": ["no"]})
    assert choice == "yes" and abs(sum(choice.probabilities.values()) - 1) < 1e-9
    assert choice.record.head["approximate"] and "approximate" in repr(choice.record)
    assert [item[0] for item in choice.record.head["others"]] == [" maybe"]
    with pytest.raises(UsageError, match="none of the 4 likeliest tokens begins the label blue"):
        model.choose("?", ["yes", "blue"])
    with pytest.raises(UsageError, match="yes and yesterday begin with the same token"):
        model.choose("?", ["yes", "yesterday"])
    stub.reply = lambda body: [*texts("yes"), DONE]
    with pytest.raises(UsageError, match="gives no logprobs"):
        model.choose("?", ["yes", "no"])


def test_rows(stub: Stub, tmp_path: Any) -> None:
    stub.reply = lambda body: [*texts(body["messages"][-1]["content"].upper()), DONE]
    model, journal = lm.connect(stub.url), tmp_path / "rows.sqlite"
    prompts = [f"row {n}" for n in range(40)]
    answers = model.map([*prompts, None, "row 1"], keep=journal, progress=False, rows=7)
    assert answers.texts == [*(text.upper() for text in prompts), None, "ROW 1"] and list(answers.errors) == [
        40
    ]
    asked = len(stub.asked)
    assert asked == 40  # the same row is asked once
    again = model.map([*prompts, "row 40"], keep=journal, progress=False)
    assert again.texts[:40] == answers.texts[:40] and len(stub.asked) == asked + 1


def test_a_row_that_is_refused_and_a_server_that_goes_away(stub: Stub, tmp_path: Any) -> None:
    def reply(body: dict[str, Any]) -> Any:
        text = body["messages"][-1]["content"]
        if "bad" in text:
            return [{"error": {"message": "no such thing", "code": 400}}]
        return [*texts(text), DONE]

    stub.reply = reply
    model = lm.connect(stub.url)
    answers = model.map(["one", "bad", "two"], progress=False, rows=1)
    assert answers.texts == ["one", None, "two"] and isinstance(answers[1], ServerError)
    kept: list[Any] = []
    with pytest.raises(ServerError):
        model.map(["one", *["bad"] * 9], progress=False, rows=1, seen=lambda *row: kept.append(row))
    assert kept and kept[0][1].text == "one"


def test_an_interrupt_of_rows_ends_every_request(stub: Stub) -> None:
    stub.reply = lambda body: [texts("a")[0], *[0.05, texts("b")[0]] * 400]
    model = lm.connect(stub.url)

    def interrupt(number: int, result: Any) -> None: ...

    started, main = time.monotonic(), threading.main_thread()
    threading.Timer(0.5, lambda: __import__("signal").pthread_kill(main.ident, 2)).start()
    with pytest.raises(KeyboardInterrupt):
        model.map(["x", "y", "z"], progress=False, rows=2, seen=interrupt)
    assert time.monotonic() - started < 5 and model.last_map is not None
    begun = [row for row in model.last_map if isinstance(row, lm.Generation)]
    assert len(begun) == 2 and all(row.stop_reason == "interrupted" and row.text for row in begun)


def test_close_from_another_thread_ends_a_read_at_once(stub: Stub) -> None:
    stub.reply = lambda body: [texts("a")[0], 30]
    stream = lm.connect(stub.url).stream("Hi")
    assert next(stream).text == "a"
    started = time.monotonic()
    threading.Timer(0.2, stream.close).start()
    assert list(stream) == [] and time.monotonic() - started < 3
    assert stream.generation.stop_reason == "interrupted" and stream.generation.text == "a" and not stream.cut


def test_a_cut_says_so(stub: Stub) -> None:
    stub.reply = lambda body: [texts("half")[0]]
    stream = lm.connect(stub.url).stream("Hi")
    assert [t.text for t in stream] == ["half"] and stream.generation.stop_reason == "interrupted"
    assert "ended the connection in the middle" in stream.cut


@pytest.mark.parametrize(
    ("status", "text", "kind", "message"),
    [
        (302, "", ServerError, "redirects"),
        (400, '{"error": {"message": "bad top_k"}}', UsageError, "bad top_k"),
        (401, '{"error": "who are you"}', ServerError, "refuses the key"),
        (404, "not found", ModelNotFound, "no such model"),
        (429, "", ServerError, "is busy"),
        (500, "<html>oops", ServerError, "failed"),
        (400, '{"error": {"message": "maximum context length is 5"}}', ContextOverflow, "does not fit"),
    ],
)
def test_refusals(stub: Stub, status: int, text: str, kind: type[LLMMagicsError], message: str) -> None:
    model = lm.connect(stub.url)
    stub.status = [(status, {"Location": "http://127.0.0.2/"}, text)]
    with pytest.raises(kind, match=message):
        model.generate("Hi")


def test_a_busy_server_is_asked_again(stub: Stub) -> None:
    model = lm.connect(stub.url)
    stub.status = [(429, {"Retry-After": "0.1"}, ""), (503, {"Retry-After": "0"}, "")]
    assert model.generate("Hi").text == "Hello you"


@pytest.mark.parametrize(
    "events",
    [
        ["no json"],
        ["[1]"],
        ["x" * (5 << 20)],
        ["[" * 100_000],
        [{"choices": [7]}],
        [{"error": {"message": "out of memory"}}],
    ],
)
def test_bad_events(stub: Stub, events: list[Any]) -> None:
    stub.reply = lambda body: [*events, DONE]
    with pytest.raises(ServerError):
        lm.connect(stub.url).generate("Hi")


def test_odd_events_do_no_harm(stub: Stub) -> None:
    odd = {
        "choices": [
            {
                "delta": {"content": "x"},
                "logprobs": {
                    "content": [
                        None,
                        {"token": 5, "logprob": "high", "id": -4, "bytes": [999], "top_logprobs": "x"},
                        {
                            "token": "\ud83d",
                            "logprob": 7.0,
                            "id": 1 << 40,
                            "top_logprobs": [None, {"token": "y"}],
                        },
                    ]
                },
            }
        ],
        "usage": {"prompt_tokens": -3, "prompt_tokens_details": 5},
    }
    stub.reply = lambda body: [{}, {"choices": []}, {"choices": None}, odd, end(), DONE]
    answer = lm.connect(stub.url).generate("Hi")
    assert len(answer.tokens) == 2 and all(t.logprob <= 0 for t in answer.tokens)
    lm.Generation.from_dict(json.loads(json.dumps(answer.to_dict())))
    assert decode_record(encode_record(answer)).text == answer.text


def test_an_endless_answer_ends(stub: Stub) -> None:
    stub.reply = lambda body: (texts("a")[0] for _ in iter(int, 1))
    answer = lm.connect(stub.url).generate("Hi", max_tokens=10)
    assert answer.stop_reason == "length" and len(answer.tokens) < 200


def test_the_key(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "secret")
    model = lm.connect(stub.url)
    answer = model.generate("Hi")
    assert stub.headers[-1]["Authorization"] == "Bearer secret"
    assert "secret" not in json.dumps(answer.to_dict()) + repr(model) + str(vars(model))
    with pytest.raises(UsageError, match="unencrypted"):
        lm.connect("http://example.com/v1#x")


def test_models_of_a_server(stub: Stub) -> None:
    stub.models = {"data": [{"id": "a"}, {"id": "b"}]}
    with pytest.raises(UsageError, match="has 2 models"):
        lm.connect(stub.url)
    assert lm.connect(f"{stub.url}#b").served == "b"
    stub.models = [1]
    with pytest.raises(UsageError, match="has 0 models"):
        lm.connect(stub.url)
    stub.status = [(200, {}, "<html>")]
    with pytest.raises(ServerError, match="did not answer with JSON"):
        lm.connect(stub.url)
    with pytest.raises(ServerError, match="does not answer"):
        lm.connect("http://127.0.0.1:9/v1")


def test_labels_of_rows_are_asked_several_at_a_time(stub: Stub) -> None:
    together, most = [0], [0]

    def reply(body: dict[str, Any]) -> Iterator[Any]:
        together[0] += 1
        most[0] = max(most[0], together[0])
        yield 0.05
        word = "neg" if "bad" in body["messages"][-1]["content"] else "pos"
        other = "pos" if word == "neg" else "neg"
        together[0] -= 1
        yield token(word, -0.2, {word: -0.2, other: -1.8} if "odd" not in str(body) else {word: -0.2})
        yield end()
        yield DONE

    stub.reply = reply
    model = lm.connect(stub.url)
    rows = [f"row {n} is {'bad' if n % 3 == 0 else 'good'}" for n in range(24)]
    found = dict(model.choose_rows([*rows, "an odd row", None], ["pos", "neg"]))
    assert [str(found[n]) for n in range(24)] == ["neg" if n % 3 == 0 else "pos" for n in range(24)]
    assert isinstance(found[24], UsageError) and isinstance(found[25], UsageError) and most[0] > 3


def test_a_cut_is_told_where_nobody_looks_at_the_stream(stub: Stub, capsys: Any) -> None:
    stub.reply = lambda body: [texts("half")[0]]
    assert lm.connect(stub.url).generate("Hi").stop_reason == "interrupted"
    assert "ended the connection in the middle" in capsys.readouterr().err
