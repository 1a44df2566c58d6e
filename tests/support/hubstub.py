"""A stand-in of the Hugging Face Hub's HTTP API on this machine, as huggingface_hub asks it."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "fedcba9876543210fedcba9876543210fedcba98"


@dataclass
class Hub:
    """What it holds and how it behaves, and what it saw."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    revisions: dict[str, str] = field(
        default_factory=lambda: {"main": COMMIT, COMMIT: COMMIT, "v1": OTHER, OTHER: OTHER}
    )
    licence: str | None = "apache-2.0"
    gated: set[str] = field(default_factory=set)
    token: str = "hf_right"
    fail: list[tuple[int, dict[str, str]]] = field(
        default_factory=list
    )  # status and headers of the next answers
    drops: int = 0  # bodies that end half way, by a reset
    lie: dict[str, bytes] = field(default_factory=dict)  # other bytes than the listing says
    listing: list[str] = field(default_factory=list)  # names that are listed besides
    found: Any = field(default_factory=list)  # what a search finds
    silent_s: float = 0.0  # before each answer
    url: str = ""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Serve at ``hub.url`` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(body=True)

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def answer(self, *, body: bool) -> None:
            hub.requests.append((self.command, self.path, self.headers.get("Range")))
            time.sleep(hub.silent_s)
            if hub.fail:
                status, headers = hub.fail.pop(0)
                return self.send(status, b"", headers)
            path = self.path.partition("?")[0]
            if path == "/api/models":
                return self.send(200, json.dumps(hub.found).encode(), {"Content-Type": "application/json"})
            if path.startswith("/api/models/"):
                return self.info(path.removeprefix("/api/models/"))
            if path.startswith("/cdn/"):  # where large files are redirected to
                return self.file(path.removeprefix("/cdn/"), body, stored=True)
            return self.file(path.lstrip("/"), body, stored=False)

        def allowed(self, repository: str) -> bool:
            if repository not in hub.repositories:
                self.send(
                    404 if self.headers.get("Authorization") else 401, b"", {"X-Error-Code": "RepoNotFound"}
                )
            elif repository in hub.gated and self.headers.get("Authorization") != f"Bearer {hub.token}":
                status = 403 if self.headers.get("Authorization") else 401
                self.send(
                    status, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"}
                )
            else:
                return True
            return False

        def info(self, path: str) -> None:
            repository, _, revision = path.partition("/revision/")
            if not self.allowed_info(repository):
                return
            if (revision or "main") not in hub.revisions:
                return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            names = {
                **{name: len(data) for name, data in hub.repositories[repository].items()},
                **dict.fromkeys(hub.listing, 5),
            }
            table: dict[str, Any] = {
                "id": repository,
                "modelId": repository,
                "sha": hub.revisions[revision or "main"],
                "private": False,
                "tags": [],
                "gated": "manual" if repository in hub.gated else False,
                "downloads": 0,
                "likes": 0,
                "siblings": [{"rfilename": name, "size": size} for name, size in names.items()],
                "cardData": {"license": hub.licence} if hub.licence else None,
            }
            self.send(200, json.dumps(table).encode(), {"Content-Type": "application/json"})

        def allowed_info(self, repository: str) -> bool:
            """The Hub shows a gated repository's listing to everybody."""
            return repository in hub.repositories or self.allowed(repository)

        def file(self, path: str, body: bool, *, stored: bool) -> None:
            repository, _, rest = path.partition("/resolve/")
            revision, _, name = rest.partition("/")
            if not self.allowed(repository):
                return
            if revision not in hub.revisions:
                return self.send(404, b"", {"X-Error-Code": "RevisionNotFound"})
            data = hub.repositories[repository].get(name)
            if data is None:
                return self.send(
                    404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.revisions[revision]}
                )
            etag = hashlib.sha256(data).hexdigest()
            common = {"ETag": f'"{etag}"', "X-Repo-Commit": hub.revisions[revision], "Accept-Ranges": "bytes"}
            if name.endswith((".safetensors", ".gguf", ".onnx")) and not stored:  # kept in large file storage
                linked = {
                    "X-Linked-ETag": f'"{etag}"',
                    "X-Linked-Size": str(len(data)),
                    "Location": f"{hub.url}/cdn/{path}",
                }
                return self.send(302, b"", {**common, **linked})
            data = hub.lie.get(name, data)
            begin = 0
            if asked := self.headers.get("Range"):
                begin = int(asked.removeprefix("bytes=").partition("-")[0])
                common["Content-Range"] = f"bytes {begin}-{len(data) - 1}/{len(data)}"
            self.send(206 if begin else 200, data[begin:], common, body=body)

        def send(self, status: int, data: bytes, headers: dict[str, str], *, body: bool = True) -> None:
            self.send_response(status)
            for key, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if not body or self.command == "HEAD":
                return
            if hub.drops and len(data) > 20_000:  # large files only
                hub.drops -= 1
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                time.sleep(0.1)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
            else:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:  # the connection that was dropped above
                self.close_connection = True

        def finish(self) -> None:
            try:
                super().finish()
            except (OSError, ValueError):
                return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
