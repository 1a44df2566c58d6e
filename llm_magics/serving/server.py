"""A server for a model of this process, in a thread of its own."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from ..core import validation
from ..errors import UsageError
from ..sanitize import single_line

if TYPE_CHECKING:
    from ..models.model import Model

REQUESTS = 4
_START_S, _STOP_S = 10.0, 5.0


class ModelServer:
    """A model as a server with the OpenAI API. Made by :func:`serve`.

    Attributes:
        url: the address of the API.
        key: that a client must send; it is not shown by ``repr``.
        model: which answers.
    """

    def __init__(self, model: Model, host: str, port: int, key: str, requests: int) -> None:
        try:
            import uvicorn

            from .app import ModelApp
        except ImportError:
            raise UsageError(
                "a server needs starlette and uvicorn", hint="Run pip install 'open-llm-magics[serve]'."
            ) from None
        self.model, self.key = model, key
        self._socket = _bind(host, port)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}/v1"
        self._app = ModelApp(model, key, requests)
        config = uvicorn.Config(
            self._app.app,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="llm-magics-server", daemon=True
        )
        self._thread.start()
        end = time.monotonic() + _START_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        if not self._server.started:
            self.stop()
            raise UsageError(f"the server did not start at {self.url}", hint="Choose another port.")

    def __repr__(self) -> str:
        state = "running" if self.is_running else "stopped"
        return f"<ModelServer {self.url}, {single_line(self.model.name)}, {state}>"

    def __enter__(self) -> ModelServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    @property
    def answered(self) -> int:
        """Return how many requests were answered."""
        return self._app.answered

    def stop(self) -> None:
        """Stop the server, and the answers that it generates."""
        self._server.should_exit = True
        self._app.stop()
        if self._thread is not threading.current_thread():
            self._thread.join(_STOP_S)
        self._socket.close()


def serve(
    model: Model | None = None,
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    key: str | None = None,
    requests: int = REQUESTS,
) -> ModelServer:
    """Serve a model with the OpenAI API: chat, completions, logprobs and schemas.

    Args:
        model: of :func:`load`; None loads the default model.
        port: 0 chooses a free one.
        host: only this machine by default. The connection is not encrypted: for other machines use an SSH
            tunnel, or a proxy with https.
        key: that a client must send; None makes one.
        requests: at most so many answers at once; further requests are told to come again.

    Raises:
        UsageError: the port is taken, or the packages of the server are not installed.
    """
    from ..models.loading.load import load
    from ..models.model import Model

    if model is None:
        model = load()
    validation.require_instance(model, Model, "model", hint="Pass the result of load(…).")
    port = validation.require_int(port, "port", 0, 65_535)
    requests = validation.require_int(requests, "requests", 1, 256)
    host = validation.require_str(host, "host")
    key = secrets.token_urlsafe(24) if key is None else validation.require_str(key, "key")
    if len(key) < 16 or not key.isascii() or any(char.isspace() for char in key):
        raise UsageError(
            "the key must have at least 16 letters, digits or signs, without blanks",
            hint="Omit it: the server makes one.",
        )
    return ModelServer(model, host, port, key, requests)


def _bind(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address.

    Raises:
        UsageError: it is taken, or there is no such address here.
    """
    try:
        family: Any = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        raise UsageError(
            f"the server cannot listen at {single_line(host)}:{port}: {error.strerror}",
            hint="Choose another port, or 0 for a free one.",
        ) from None
    return bound
