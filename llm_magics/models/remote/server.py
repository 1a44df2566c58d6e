"""HTTP to a server with the OpenAI API: one request, one answer or a stream of events.

http.client and nothing else: closing its socket from another thread ends a read at once. Redirects are not
followed, lines have a limit, and the key goes to the server of the address only, by https or on this machine.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ...errors import ContextOverflow, LLMMagicsError, ModelNotFound, ServerError, UsageError
from ...sanitize import single_line
from .address import ServerAddress

KEY = "LLM_MAGICS_API_KEY"
CONNECT_S, READ_S = 10.0, 600.0
_LONGEST_LINE, _LONGEST_ANSWER = 4 << 20, 16 << 20
_LONGEST_WAIT_S, _TRIES = 60.0, 4
_BUSY = (429, 503)


class Server:
    """A server with the OpenAI API.

    Args:
        address: where it is.

    Raises:
        UsageError: the key would travel unencrypted.
    """

    def __init__(self, address: ServerAddress) -> None:
        self.address = address
        self._key = os.environ.get(KEY, "").strip()
        if self._key and address.scheme == "http" and not address.is_loopback:
            raise UsageError(
                f"the key in {KEY} would travel to {address.place} unencrypted",
                hint="Use an address that begins with https.",
            )

    def get(self, path: str) -> Any:
        """Return the JSON that the server has under a path.

        Raises:
            ServerError, UsageError, ModelNotFound: it refuses, or it does not answer.
        """
        with Call(self) as call:
            return call.json("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON that the server answers a request with; raises as :meth:`get`."""
        with Call(self) as call:
            return call.json("POST", path, body)

    def headers(self) -> dict[str, str]:
        """Return the headers of a request."""
        head = {"Accept": "text/event-stream, application/json", "Content-Type": "application/json"}
        return {**head, "Authorization": f"Bearer {self._key}"} if self._key else head

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that is not open yet: to the server, or to the proxy of the environment."""
        at = self.address
        proxy = _proxy_for(at)
        host, port = (proxy.hostname, proxy.port) if proxy else (at.host, at.port)
        if at.scheme == "https":
            context = ssl.create_default_context()
            secure = http.client.HTTPSConnection(host, port, timeout=CONNECT_S, context=context)
            if proxy:
                secure.set_tunnel(at.host, at.port)
            return secure
        plain = http.client.HTTPConnection(host, port, timeout=CONNECT_S)
        if proxy:
            plain.set_tunnel(at.host, at.port)
        return plain


class Call:
    """One request to a server. :meth:`close` from any thread ends it at once.

    Args:
        server: where it goes.
    """

    def __init__(self, server: Server) -> None:
        self._server, self._place = server, server.address.place
        self._connection = server.connect()
        self._socket: socket.socket | None = None
        self.closed = threading.Event()

    def __enter__(self) -> Call:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def close(self) -> None:
        self.closed.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def json(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        """Return the JSON of the answer.

        Raises:
            ServerError, UsageError, ModelNotFound, ContextOverflow: see :func:`refusal`; or it is no JSON.
        """
        data = self._send(method, path, body).read(_LONGEST_ANSWER + 1)
        try:
            if len(data) > _LONGEST_ANSWER:
                raise ValueError("it is too long")
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ServerError(
                f"{self._place} did not answer with JSON: {single_line(str(error)):.100}",
                hint="Check the address: it must end with the path of the API, such as /v1.",
            ) from None

    def events(self, path: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the events of an answer that streams; ends at "[DONE]" or where the connection ends.

        Raises:
            ServerError and others: as :func:`refusal` says, also in the middle.
        """
        response = self._send("POST", path, body)
        if "event-stream" not in (response.headers.get("Content-Type") or ""):
            raise ServerError(
                f"{self._place} does not stream its answers",
                hint="Check the address: it must be a server with the OpenAI API.",
            )
        try:
            while line := response.readline(_LONGEST_LINE + 1):
                if len(line) > _LONGEST_LINE:
                    raise ServerError(
                        f"{self._place} sent a line of more than {_LONGEST_LINE >> 20} MB",
                        hint="Run it again.",
                    )
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return
                event = json.loads(data)
                if not isinstance(event, dict):
                    raise ServerError(f"{self._place} sent an event that is no object", hint="Run it again.")
                if event.get("error"):
                    raise refusal(self._place, 500, data)
                yield event
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            if not self.closed.is_set():
                raise ServerError(
                    f"the answer of {self._place} broke off: {single_line(str(error)):.200}",
                    hint="Run it again.",
                ) from error

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> http.client.HTTPResponse:
        """Send the request, again where the server is busy and says for how long."""
        address, data = self._server.address, None if body is None else json.dumps(body)
        for attempt in range(_TRIES):
            try:
                self._connection.request(method, address.path + path, data, self._server.headers())
                # The connection forgets its socket where the server ends it behind the answer.
                self._socket = self._connection.sock
                self._socket.settimeout(READ_S)
                if self.closed.is_set():
                    self.close()
                response = self._connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise ServerError(
                    f"{self._place} does not answer: {single_line(str(error)):.200}",
                    hint="Check the address, and that the server runs.",
                ) from error
            if response.status == 200:
                return response
            wait = _wait_s(response)
            told = response.read(100_000)
            if response.status not in _BUSY or wait is None or attempt == _TRIES - 1:
                raise refusal(self._place, response.status, told)
            self._connection.close()
            if self.closed.wait(wait):
                break
        raise ServerError("the request was stopped", hint="Run it again.")


def refusal(place: str, status: int, data: bytes) -> LLMMagicsError:
    """Return the error that a server's refusal is.

    Args:
        place: host and port.
        status: of HTTP.
        data: what the server said, as JSON or as text.
    """
    said: Any = {}
    with suppress(ValueError, RecursionError):
        said = json.loads(data)
    error = said.get("error", said) if isinstance(said, dict) else said
    error = error if isinstance(error, dict) else {"message": str(error)}
    text = single_line(str(error.get("message") or data.decode("utf-8", "replace")))[:300] or "no reason"
    if 300 <= status < 400:
        return ServerError(
            f"{place} redirects to another address, which is not followed", hint="Use the new address."
        )
    if status in (401, 403):
        return ServerError(
            f"{place} refuses the key: {text}", hint=f"Set {KEY} in the environment before the kernel starts."
        )
    if status == 404:
        return ModelNotFound(f"{place} has no such model or path: {text}", hint="Check name and address.")
    if error.get("type") == "exceed_context_size_error" or any(
        phrase in text.lower() for phrase in ("context length", "context size", "context window")
    ):
        over = _number(error.get("n_prompt_tokens")) - _number(error.get("n_ctx"))
        return ContextOverflow(
            f"the prompt does not fit the context of the model on {place}: {text}",
            over=max(over, 0),
            hint="Shorten the prompt, or lower -n.",
        )
    if status in _BUSY:
        return ServerError(f"{place} is busy: {text}", hint="Wait, and run it again.")
    if status >= 500:
        return ServerError(f"{place} failed: {text}", hint="Run it again, or look at the log of the server.")
    return UsageError(f"{place} refuses the request: {text}", hint="Omit options that it does not have.")


def _number(value: object) -> int:
    return value if type(value) is int else 0


def _wait_s(response: http.client.HTTPResponse) -> float | None:
    """Return the seconds after which a busy server wants to be asked again; None where it is too long."""
    try:
        wait = float(response.headers.get("Retry-After") or "")
    except ValueError:
        return None
    return wait if 0 <= wait <= _LONGEST_WAIT_S else None


def _proxy_for(address: ServerAddress) -> Any:
    """Return the proxy that the environment names for an address; None for none, and on this machine."""
    from urllib.request import getproxies, proxy_bypass

    if address.is_loopback or proxy_bypass(address.host):
        return None
    text = getproxies().get(address.scheme, "")
    parts = urlsplit(text if "://" in text else f"http://{text}")
    return parts if text and parts.hostname else None
