"""The helper process: a chat template and its variables in, a prompt out; it imports Jinja alone.

:mod:`.helper` runs this file as a program of its own and speaks with it through pipes, in frames: four bytes
with the length (big endian), then JSON in UTF-8. A request is {"template", "messages", "context", "now"},
{"template", "values", "now"} for a template of a task, or {"template", "constants": true}; the answer has one
key: "text", or "says" (what the template raised), "failed", or "over" (which limit).

A template is somebody else's program. Jinja's immutable sandbox keeps it from Python's inside; the limits of
the process keep it from all memory and all time, and leave it no file and no connection to open.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any

KEPT = 16  # compiled templates
# Makes Python and Jinja import what they import late, before no file can be opened any more.
WARM = "{{ 'a'.format() | wordwrap | pprint ~ strftime_now('%c') }}{{ raise_exception('') }}"


def main(seconds: int, memory: int, output: int) -> None:
    """Serve requests until the pipe closes, which happens when the kernel ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    environment = sandbox()
    compiled: dict[Any, Any] = {}
    warm = {"template": WARM, "messages": [], "context": {}, "now": [2000, 1, 1]}
    answer(environment, compiled, warm, output)
    answer(environment, compiled, {**warm, "values": {"a": 1}, "template": "{{ a }}"}, output)
    limit(memory)
    write(sys.stdout.buffer, {"text": "ready"})
    while (request := read(sys.stdin.buffer)) is not None:
        with bounded(seconds):
            write(sys.stdout.buffer, answer(environment, compiled, request, output))


def answer(
    environment: Any, compiled: dict[Any, Any], request: dict[str, Any], output: int
) -> dict[str, str]:
    source = request["template"]
    # What time it is comes with the request: this process has no time zone.
    environment.globals["strftime_now"] = datetime(*request["now"]).strftime
    try:
        if request.get("constants"):
            return {"text": json.dumps(constants(environment, source))}
        values = request.get("values")
        key = (values is None, source)
        if key not in compiled:
            if len(compiled) >= KEPT:
                compiled.clear()
            chosen = environment if values is None else task_sandbox()
            compiled[key] = chosen.from_string(source)
        variables = {"messages": request["messages"], **request["context"]} if values is None else values
        parts, size = [], 0
        for part in compiled[key].generate(**variables):
            parts.append(part)
            size += len(part)
            if size > output:
                return {"over": "output"}
        return {"text": "".join(parts)}
    except Raised as error:
        return {"says": str(error)[:2000]}
    except MemoryError:
        return {"over": "memory"}
    except Exception as error:  # whatever a template runs into, it is the template that failed
        return {"failed": f"{type(error).__name__}: {str(error)[:2000]}"}


def constants(environment: Any, source: str) -> list[str]:
    """Return the texts that a template spells between its braces."""
    from jinja2.nodes import Const

    result = (node.value for node in environment.parse(source).find_all(Const))
    return sorted({value for value in result if isinstance(value, str)})


class Raised(Exception):
    """What a template raises by ``raise_exception``."""


def sandbox() -> Any:
    """Return Jinja as transformers sets it up for chat templates (its utils/chat_template_utils.py)."""
    from jinja2 import nodes, pass_eval_context
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}`` marks what an assistant wrote, for training; here it is just its body."""

        tags = {"generation"}  # noqa: RUF012  # as jinja2 declares it

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            return nodes.CallBlock(self.call_method("body"), [], [], body).set_lineno(line)

        @pass_eval_context
        def body(self, context: Any, caller: Any) -> Any:
            return caller()

    def raise_exception(message: str) -> None:
        raise Raised(message)

    def tojson(
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        return json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", Generation]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    return environment


def task_sandbox() -> Any:
    """Return Jinja as lm-evaluation-harness sets it up for tasks (its utils.py)."""
    import re

    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def regex_replace(string: str, pattern: str, repl: str, count: int = 0) -> str:
        return re.sub(pattern, repl, string, count=count)

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = regex_replace
    return environment


def limit(memory: int) -> None:
    """Forbid files and connections from here on, and limit additional memory (0: the parent watches it)."""
    try:
        import resource
    except ImportError:  # Windows
        return
    if memory:
        most = size() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def size() -> int:
    """Return bytes of address space that this process has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """End the process when a request takes that long: the kernel, which does so earlier, may be gone."""
    try:
        import resource
    except ImportError:  # Windows has no such limit; this is a thread that needs no turn of Python's
        import faulthandler

        faulthandler.dump_traceback_later(seconds, exit=True)
        yield
        faulthandler.cancel_dump_traceback_later()
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    yield


def read(stream: IO[bytes]) -> dict[str, Any] | None:
    """Return the next frame; None at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    (length,) = struct.unpack(">I", head)
    body = stream.read(length)
    # Half a surrogate pair may be in a message: the tokenizer says what is wrong with it.
    return json.loads(body.decode("utf-8", "surrogatepass")) if len(body) == length else None


def write(stream: IO[bytes], value: dict[str, Any]) -> None:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    stream.write(struct.pack(">I", len(body)) + body)
    stream.flush()


if __name__ == "__main__":
    # Without site-packages' own start-up code: only the folders in which Jinja lies.
    sys.path += sys.argv[4:]
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
