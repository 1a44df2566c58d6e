"""A stand-in of a server with the OpenAI API on loopback: its events are scripted."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

DONE = "[DONE]"


@dataclass
class Stub:
    """What it answers, and what it was asked.

    Attributes:
        reply: the body of a request → its events: dicts, texts as they are, or numbers of seconds to wait.
        status: of the next answers, with headers and text, before any event.
    """

    reply: Callable[[dict[str, Any]], Any] = lambda body: [*texts("Hello", " you"), DONE]
    models: Any = field(default_factory=lambda: {"data": [{"id": "stub", "max_model_len": 512}]})
    status: list[tuple[int, dict[str, str], str]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    content_type: str = "text/event-stream"
    ended: threading.Event = field(default_factory=threading.Event)  # the client closed the connection
    url: str = ""


def token(
    text: str, logprob: float = -0.5, others: dict[str, float] | None = None, **more: Any
) -> dict[str, Any]:
    """Return an event with one token and its logprob."""
    top = [{"token": key, "logprob": value} for key, value in (others or {text: logprob}).items()]
    entry = {"token": text, "logprob": logprob, "top_logprobs": top, **more}
    return {"choices": [{"delta": {"content": text}, "logprobs": {"content": [entry]}}]}


def texts(*parts: str) -> list[dict[str, Any]]:
    """Return events of a server without logprobs, and the end of the answer."""
    return [*({"choices": [{"delta": {"content": part}}]} for part in parts), end()]


def end(reason: str = "stop", **usage: int) -> dict[str, Any]:
    """Return the event that ends an answer."""
    return {"choices": [{"delta": {}, "finish_reason": reason}], **({"usage": usage} if usage else {})}


@contextmanager
def serve(stub: Stub) -> Iterator[Stub]:
    """Serve at ``stub.url`` until the block ends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stub.headers.append(dict(self.headers))
            if not self.refuse():
                self.send(200, {}, json.dumps(stub.models))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stub.asked.append(body)
            stub.headers.append(dict(self.headers))
            if self.refuse():
                return
            self.send_response(200)
            self.send_header("Content-Type", stub.content_type)
            self.end_headers()
            try:
                for event in stub.reply(body):
                    if isinstance(event, (int, float)):
                        time.sleep(event)
                        continue
                    text = event if isinstance(event, str) else json.dumps(event)
                    self.wfile.write(f"data: {text}\n\n".encode())
                    self.wfile.flush()
            except OSError:
                stub.ended.set()

        def refuse(self) -> bool:
            if not stub.status:
                return False
            self.send(*stub.status.pop(0))
            return True

        def send(self, status: int, headers: dict[str, str], text: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
