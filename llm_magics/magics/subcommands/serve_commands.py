"""``%llm serve``: the model in use as a server with the OpenAI API."""

from __future__ import annotations

from ...errors import Interrupted, UsageError
from ...sanitize import safe_print, single_line
from ..inspection.output import ProgressOutput
from ..parsing.cell_request import CellRequest
from .base import CommandHost, CommandLine, Subcommand

_MOST_PORT = 65_535
_WORDS = ("key", "stop")


def _parse(line: CommandLine) -> CellRequest | None:
    """Read nothing, a port, "key" or "stop"."""
    word = " ".join(line.words)
    fits = not line.words or word in _WORDS or (word.isdecimal() and 0 < int(word) <= _MOST_PORT)
    return CellRequest("serve", word) if fits and not line.before else None


def _serve(magics: CommandHost, request: CellRequest) -> None:
    """Start the server, show its key, or stop it."""
    word, server = request.prompt, magics.server
    if server is not None and not server.is_running:
        server = magics.server = None
    if word in _WORDS and server is None:
        raise UsageError("no server is running", hint="Run %llm serve to start one.")
    if word == "key" and server is not None:
        return safe_print(server.key)
    if word == "stop" and server is not None:
        server.stop()
        magics.server = None
        return safe_print(f"The server is stopped. It answered {server.answered:,} requests.")
    from ...serving.server import serve

    output = ProgressOutput(magics.shell, quiet=False)
    try:
        with output.capture_progress():
            model = magics.models.use_for(request)
    except KeyboardInterrupt:
        raise Interrupted("stopped; no server was started") from None
    if server is not None and (server.model is not model or word):
        server.stop()
        server = None
    magics.server = server or serve(model, port=int(word or 0))
    return safe_print(
        f"{single_line(model.name)} answers at {magics.server.url}\n"
        "It runs until %llm serve stop, or until the kernel ends. %llm serve key shows the key.\n"
        f"In another notebook: set LLM_MAGICS_API_KEY, and use %%llm -m openai:{magics.server.url}"
    )


COMMANDS = {
    "serve": Subcommand(
        "%llm serve [PORT|key|stop]",
        "serve the model in use with the OpenAI API on this machine",
        _serve,
        _parse,
        strict=False,
        example="%llm serve 8000",
        details="Chat, completions, logprobs and schemas, with a key, for programs on this machine. "
        "lm.serve(model, host=…) has more options.",
    )
}
