"""The address of a server with the OpenAI API, as a user writes it: ``openai:http://host:port/v1#name``."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import UsageError
from ...sanitize import single_line

PREFIX = "openai:"
EXAMPLE = "openai:http://127.0.0.1:8000/v1#NAME"
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is.

    Attributes:
        scheme: "http" or "https".
        host: its name or IP address.
        port: None is that of the scheme.
        path: what all paths of the API begin with, such as "/v1".
        model: the name of the model on the server; empty takes its only one.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    model: str = ""

    @property
    def place(self) -> str:
        """Return host and port, as in "127.0.0.1:8000"."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """Return the address without the name of the model, as records hold it."""
        return f"{PREFIX}{self.scheme}://{self.place}{self.path}"

    @property
    def is_loopback(self) -> bool:
        """Return whether nothing leaves this machine."""
        return self.host in _LOOPBACK


def is_server(name: object) -> bool:
    """Return whether the name of a model is the address of a server."""
    return isinstance(name, str) and name.startswith(PREFIX)


def parse_address(text: str) -> ServerAddress:
    """Read the address of a server.

    Args:
        text: with or without "openai:" at its beginning.

    Raises:
        UsageError: it is no address, or it holds a key.
    """
    hint = f"Write for example {EXAMPLE}."
    try:
        parts = urlsplit(text.removeprefix(PREFIX).strip())
        port = parts.port
    except ValueError:
        raise UsageError(f"{single_line(text)!r:.80} is no address of a server", hint=hint) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in parts.netloc):
        raise UsageError(f"{single_line(text)!r:.80} is no address of a server", hint=hint)
    if parts.username or parts.password or parts.query:
        raise UsageError(
            "the address of a server must not hold a key or a password: the notebook would keep it",
            hint="Set the environment variable LLM_MAGICS_API_KEY before the kernel starts.",
        )
    return ServerAddress(
        parts.scheme, parts.hostname, port, parts.path.rstrip("/"), single_line(parts.fragment)
    )
