"""An answer that is generated while other cells run."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator
from typing import Any, Protocol

from ...core.records import Generation
from ...errors import Interrupted, LLMMagicsError
from ...sanitize import single_line


class Stoppable(Protocol):
    """A stream of tokens that can be stopped from any thread."""

    @property
    def generation(self) -> Generation: ...
    def close(self) -> None: ...


class BackgroundAnswer:
    """An answer in the making: ``job.text``, ``job.stop()``, ``job.result()``, ``await job``.

    Args:
        stream: the answer.
        work: generates it to its end, shows it and returns it; runs in a thread.

    Attributes:
        error: why there is no whole answer, or None.
    """

    def __init__(self, stream: Stoppable, work: Callable[[], Generation]) -> None:
        self._stream, self._work = stream, work
        self._done = threading.Event()
        self._result: Generation | None = None
        self.error: LLMMagicsError | Interrupted | None = None

    def start(self) -> None:
        """Start the thread; what it displays goes to the output of this cell."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), daemon=True).start()

    @property
    def done(self) -> bool:
        """Return whether the answer has come to its end."""
        return self._done.is_set()

    @property
    def generation(self) -> Generation:
        """Return the answer so far, as a record."""
        return self._result or self._stream.generation

    @property
    def text(self) -> str:
        """Return the text so far."""
        return self.generation.text

    def stop(self) -> None:
        """Stop it; the text so far stays."""
        self._stream.close()

    def result(self, timeout: float | None = None) -> Generation:
        """Wait for the answer, and return it.

        Args:
            timeout: seconds; None waits for as long as it takes.

        Raises:
            TimeoutError: it takes longer. LLMMagicsError: it failed.
        """
        if not self._done.wait(timeout):
            raise TimeoutError(f"the answer takes longer than {timeout:g} s")
        if self.error is not None:
            raise self.error
        return self.generation

    def __await__(self) -> Generator[Any, None, Generation]:
        return asyncio.to_thread(self.result).__await__()

    def __repr__(self) -> str:
        state = "failed" if self.error else "done" if self.done else "running"
        return f"<BackgroundAnswer {state}: {single_line(self.text, most=60)!r}>"

    def _run(self) -> None:
        try:
            self._result = self._work()
        except (LLMMagicsError, Interrupted) as error:
            self.error = error
        finally:
            self._done.set()
