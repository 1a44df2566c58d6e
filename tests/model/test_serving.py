"""``lm.serve``: what a client of another process gets is what the model computes here."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import llm_magics as lm
from llm_magics.models.remote.server import KEY

PROMPT = "What is the capital of Italy?"


@pytest.fixture(scope="module")
def server(model: lm.Model) -> Iterator[lm.ModelServer]:
    with lm.serve(model, requests=2) as server:
        yield server


@pytest.fixture
def remote(server: lm.ModelServer, monkeypatch: pytest.MonkeyPatch) -> lm.RemoteModel:
    monkeypatch.setenv(KEY, server.key)
    return lm.connect(server.url)


def post(
    server: lm.ModelServer, body: Any, *, key: str | None = None, path: str = "/chat/completions"
) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = {
        "Authorization": f"Bearer {server.key if key is None else key}",
        "Content-Type": "application/json",
    }
    try:
        with urllib.request.urlopen(
            urllib.request.Request(server.url + path, data, head), timeout=60
        ) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_tokens_are_those_of_the_model(remote: lm.RemoteModel, model: lm.Model) -> None:
    assert remote.context_length == model.context_length and remote.served == model.name
    for options in ({"seed": 4}, {"temperature": 0.0}, {"schema": "city, people int"}):
        there, here = (item.generate(PROMPT, max_tokens=60, **options) for item in (remote, model))
        assert there.text == here.text and there.stop_reason == here.stop_reason and not there.missing
        assert there.timing.prompt_tokens == here.timing.prompt_tokens
        for one, other in zip(there.tokens, here.tokens, strict=True):
            assert replace(one, time_s=0) == replace(other, time_s=0)
    assert there.value == here.value
    raw = [item.generate("Once upon", raw=True, max_tokens=8, temperature=0.0) for item in (remote, model)]
    assert raw[0].text == raw[1].text
    # Whole prefixes are not read again.
    assert remote.generate(PROMPT, max_tokens=2).timing.cached_tokens > 20


def test_characters_of_several_tokens(remote: lm.RemoteModel, model: lm.Model) -> None:
    prompt = "Repeat: \U0001f980 \u6c34 \u20ac"
    there, here = (item.generate(prompt, max_tokens=24, temperature=0.0) for item in (remote, model))
    assert there.text == here.text and there.pieces == here.pieces


def test_the_key_is_needed(server: lm.ModelServer) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    for key in ("", "wrong", server.key[:-1], server.key + "x"):
        status, told = post(server, body, key=key)
        assert status == 401 and "key" in told["error"]["message"]
    assert server.key not in repr(server)
    with pytest.raises(lm.ServerError, match="refuses the key"):
        lm.connect(server.url)


def test_requests_of_other_clients(server: lm.ModelServer) -> None:
    body = {"model": server.model.name, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    status, told = post(server, {**body, "logprobs": True, "top_logprobs": 2})
    choice = told["choices"][0]
    assert status == 200 and choice["finish_reason"] == "length" and told["usage"]["completion_tokens"] == 4
    entries = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == choice["message"]["content"]
    assert all(len(entry["top_logprobs"]) == 2 for entry in entries)
    status, told = post(server, {"prompt": "Once", "max_tokens": 2}, path="/completions")
    assert status == 200 and told["choices"][0]["text"] and told["choices"][0]["logprobs"] is None
    for bad, part in (
        ({"n": 3}, "n is not"),
        ({"tempratur": 1}, "tempratur"),
        ({"temperature": -1}, "temperature"),
    ):
        status, told = post(server, {**body, **bad})
        assert status == 400 and part in told["error"]["message"]
    assert post(server, {**body, "model": "gpt"})[0] == 404
    assert post(server, b"{")[0] == 400 and post(server, b"[" * 100_000)[0] == 400
    assert post(server, b" " * (5 << 20))[0] == 413
    assert post(server, {**body, "messages": [{"role": "user", "content": "x " * 9000}]})[0] == 400


def test_a_limit_of_requests_and_a_client_that_leaves(remote: lm.RemoteModel, server: lm.ModelServer) -> None:
    long = [remote.stream("Write a very long story.", max_tokens=1000, seed=n) for n in range(2)]
    for stream in long:
        next(stream)
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    assert post(server, body)[0] == 429
    # Our own client waits, and is answered when there is room.
    threading.Timer(0.5, lambda: [stream.close() for stream in long]).start()
    started = time.monotonic()
    assert remote.generate("Hi", max_tokens=1).tokens and time.monotonic() - started < 30
    for _ in range(2):
        assert post(server, body)[0] == 200
    answers = remote.map([f"Say {n}." for n in range(8)], max_tokens=4, rows=8, progress=False)
    assert not answers.errors


def test_wrong_arguments(model: lm.Model, server: lm.ModelServer) -> None:
    port = int(server.url.split(":")[2].split("/")[0])
    for arguments in (
        {"port": port},
        {"port": 70_000},
        {"key": "short"},
        {"key": "x" * 15 + " y"},
        {"requests": 0},
    ):
        with pytest.raises(lm.UsageError):
            lm.serve(model, **arguments)
    with pytest.raises(lm.UsageError):
        lm.serve("smollm")


def test_stopping_ends_answers(model: lm.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    server = lm.serve(model, key="0123456789abcdef")
    monkeypatch.setenv(KEY, server.key)
    stream = lm.connect(server.url).stream("Write a very long story.", max_tokens=3000)
    next(stream)
    started = time.monotonic()
    server.stop()
    assert not server.is_running and time.monotonic() - started < 6
    assert len(list(stream)) < 2900
    with pytest.raises(lm.ServerError):
        lm.connect(server.url)
