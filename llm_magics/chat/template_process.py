"""The one helper process of a kernel, in which chat templates run.

Started early, asked, ended, started again.

:mod:`.template_worker` is what runs there. The limits of one request are kept from here: the wall clock
everywhere, and the memory where the system does not keep it itself (macOS and Windows).
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import TemplateError

MAX_SECONDS = 1.0
MAX_MEMORY = 100_000_000  # bytes, beyond what the idle process has
MAX_OUTPUT = 4 << 20  # characters
START_SECONDS = 30.0  # a machine that loads a model at the same time may be slow
WATCHED = sys.platform != "linux"  # elsewhere RLIMIT_AS is ignored or unknown
RAW = "use --raw, which has no template."

_NEEDED = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")  # where Python itself may not start without
_lock = threading.Lock()
_process: subprocess.Popen[bytes] | None = None
_ready = False


def start() -> None:
    """Have the process begin, and do not wait for it."""
    with suppress(TemplateError), _lock:  # a failure is told when a template is to run
        _running_process()


def run(
    template: str, messages: Sequence[Mapping[str, str]], context: Mapping[str, Any], now: datetime
) -> str:
    """Render the messages with the template in the helper process.

    Raises:
        TemplateError: it failed, raised something, went over a limit, or the process cannot be started.
    """
    clock = [now.year, now.month, now.day, now.hour, now.minute, now.second, now.microsecond]
    asked = {"template": template, "messages": messages, "context": context, "now": clock}
    return _checked_text(_run(asked))


def render_text(template: str, values: Mapping[str, Any]) -> str:
    """Render a template of a task with the values of a row, as lm-evaluation-harness does.

    Raises:
        TemplateError: it failed, went over a limit, or the process cannot be started.
    """
    answer = _run({"template": template, "values": dict(values), "now": [2000, 1, 1]})
    if "text" in answer:
        return answer["text"]
    told = answer.get("failed") or f"it goes over the limit of {answer['over']}"
    raise TemplateError(f"a template of the task failed: {told}", hint="Correct the template, or the row.")


@lru_cache(16)
def constants(template: str) -> list[str]:
    """Return the texts that a template spells.

    Raises:
        TemplateError: as :func:`run`.
    """
    answer = _run({"template": template, "constants": True, "now": [2000, 1, 1]})
    result: list[str] = json.loads(_checked_text(answer))
    return result


def stop() -> None:
    """End the process; the next template starts another."""
    with _lock:
        _end()


def _run(asked: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what the process answers: "text", or why there is none."""
    request = _encode_frame(asked)
    with _lock:
        try:
            answer = _request(request) or _request(request)  # it may have been ended from outside meanwhile
        except BaseException:  # an interrupt too: an answer that nobody waits for must not be the next one's
            _end()
            raise
        if answer is None or "over" in answer:
            _end()
            _running_process()
    return answer or {"failed": "the helper process broke down"}


def _checked_text(answer: Mapping[str, str]) -> str:
    """Return the text of a chat template.

    Raises:
        TemplateError: there is none.
    """
    if "text" in answer:
        return answer["text"]
    if "says" in answer:
        raise TemplateError(
            f"the model's chat template raised an error: {answer['says']}",
            hint="Check the messages' order and roles.",
        )
    over = {
        "time": f"takes longer than {MAX_SECONDS:g} s",
        "memory": f"takes more than {MAX_MEMORY / 1e6:.0f} MB of memory",
        "output": f"makes more than {MAX_OUTPUT:,} characters",
    }
    if "over" in answer:
        raise TemplateError(
            f"the model's chat template {over[answer['over']]}", hint=f"Shorten the messages, or {RAW}"
        )
    raise TemplateError(
        f"the model's chat template failed: {answer['failed']}",
        hint=f"Check the messages' order and roles, or {RAW}",
    )


def _request(request: bytes) -> dict[str, str] | None:
    """Return the answer to a request; None if the process ended without one."""
    process = _running_process()
    _wait_until_ready(process)
    assert process.stdin is not None
    with _Watch(process, MAX_SECONDS) as watch:
        try:
            rest = memoryview(request)
            while rest:
                rest = rest[process.stdin.write(rest) :]
            answer = _read(process)
        except OSError:
            answer = None
    if watch.over:
        answer = {"over": watch.over}
    if answer is None:
        _end()
    return answer


def _running_process() -> subprocess.Popen[bytes]:
    global _process, _ready
    if _process is not None and _process.poll() is None:
        return _process
    _end()
    worker = Path(__file__).with_name("template_worker.py")
    limits = [str(int(MAX_SECONDS) + 1), str(0 if WATCHED else MAX_MEMORY), str(MAX_OUTPUT)]
    try:
        _process = subprocess.Popen(  # noqa: S603  # our own file, by the interpreter that runs this
            # Isolated, and without the start-up code that lies in site-packages.
            [sys.executable, "-I", "-S", "-B", str(worker), *limits, *_folders()],
            bufsize=0,  # nothing of a request stays here, to be sent by a forked process
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=worker.anchor,
            env={name: os.environ[name] for name in _NEEDED if name in os.environ},
            start_new_session=True,  # an interrupt of the kernel's group is not for it
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as error:
        raise _start_failure(str(error)) from error
    _ready = False
    return _process


def _wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    global _ready
    if _ready:
        return
    with _Watch(process, START_SECONDS, memory=False):
        _ready = _read(process) is not None
    if not _ready:
        _end()
        raise _start_failure(f"it ended with {process.returncode}")


def _start_failure(why: str) -> TemplateError:
    return TemplateError(
        f"the helper process for chat templates cannot be started: {why}",
        hint=f"Check that `{sys.executable} -c 'import jinja2'` runs, or {RAW}",
    )


def _folders() -> list[str]:
    """Return the folders of Jinja and its dependencies, without importing it here."""
    result = [spec.origin for name in ("jinja2", "markupsafe") if (spec := find_spec(name)) and spec.origin]
    return sorted({str(Path(origin).parents[1]) for origin in result})


def _end() -> None:
    global _process
    process, _process = _process, None
    if process is None:
        return
    process.kill()
    _close(process)
    process.wait()


def _forget() -> None:
    """Forget the process in a forked child: the parent owns it and its pipes."""
    global _process, _lock
    process, _process, _lock = _process, None, threading.Lock()
    if process is not None:
        _close(process)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what was not sent yet goes nowhere
            if pipe is not None:
                pipe.close()


class _Watch:
    """Kills the process when it takes too long, or too much memory; ``over`` says which."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float, *, memory: bool = True) -> None:
        self.over = ""
        self._process, self._seconds, self._memory = process, seconds, memory and WATCHED
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        end = time.monotonic() + self._seconds
        most = _memory(self._process) + MAX_MEMORY if self._memory else 0
        while not self._done.wait(0.01 if self._memory else max(end - time.monotonic(), 0)):
            if time.monotonic() >= end:
                self.over = "time"
            elif most and _memory(self._process) > most:
                self.over = "memory"
            else:
                continue
            self._process.kill()
            return


def _memory(process: subprocess.Popen[bytes]) -> int:
    """Return the bytes that the process uses; 0 if it has ended."""
    import psutil

    try:
        return int(psutil.Process(process.pid).memory_info().rss)
    except psutil.Error:
        return 0


def _encode_frame(value: Any) -> bytes:
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return struct.pack(">I", len(body)) + body


def _read(process: subprocess.Popen[bytes]) -> dict[str, str] | None:
    """Read the next frame; None if the process ends first."""
    head = _read_exactly(process, 4)
    length = struct.unpack(">I", head)[0] if len(head) == 4 else 0
    body = _read_exactly(process, length) if length <= 8 * MAX_OUTPUT else b""
    if not body or len(body) < length:
        return None
    answer: dict[str, str] = json.loads(body.decode("utf-8", "surrogatepass"))
    return answer


def _read_exactly(process: subprocess.Popen[bytes], count: int) -> bytes:
    """Return that many bytes, or fewer where the process ends."""
    assert process.stdout is not None
    parts = []
    while count and (part := process.stdout.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
