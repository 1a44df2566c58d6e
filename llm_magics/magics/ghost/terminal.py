"""Ghost text in IPython's terminal: Control-G asks the model, Right accepts.

IPython 9 asks a model through jupyter-ai only, and newer versions of that lack what IPython imports. So the
suggester is replaced by one that asks the model of this package. Suggestions from the history stay.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

from ...core import progress
from ...errors import LLMMagicsError, UsageError
from .context import join_context
from .model import GhostModel

KEY = "c-g"
_CELLS = 5  # of the session above the one that is written


def is_terminal(shell: Any) -> bool:
    """Return whether the shell is a terminal with prompt_toolkit."""
    return getattr(shell, "pt_app", None) is not None


class TerminalGhost:
    """Turn ghost text of a terminal on and off.

    Args:
        shell: IPython's shell.
        model: the model of ghost text.
    """

    def __init__(self, shell: Any, model: GhostModel) -> None:
        self._shell, self._model = shell, model
        self._before: Any = None
        self.on = False

    def turn_on(self) -> None:
        """Bind the key.

        Raises:
            UsageError: this version of IPython has no such hook.
        """
        if self.on:
            return
        try:
            from IPython.terminal.shortcuts import auto_suggest
            from prompt_toolkit.enums import DEFAULT_BUFFER
            from prompt_toolkit.filters import Condition, has_focus

            suggester = _suggester(auto_suggest.NavigableAutoSuggestFromHistory, self)
        except (ImportError, AttributeError):
            raise UsageError(
                "ghost text in a terminal needs IPython 9", hint="Run pip install -U ipython."
            ) from None
        self._before = self._shell.auto_suggest
        self._use(suggester())
        active = has_focus(DEFAULT_BUFFER) & Condition(lambda: self.on)
        # IPython's own command puts blank lines behind the cursor, which the cell would keep.
        self._shell.pt_app.key_bindings.add(KEY, filter=active)(self.ask)
        self.on = True

    def turn_off(self) -> None:
        """Give the terminal its own suggestions again."""
        if self.on:
            self._shell.pt_app.key_bindings.remove(self.ask)
            self._use(self._before)
            self.on = False

    def _use(self, suggester: Any) -> None:
        shell = self._shell
        if hasattr(shell.auto_suggest, "disconnect"):
            shell.auto_suggest.disconnect()
        shell.auto_suggest = shell.pt_app.auto_suggest = suggester
        if hasattr(suggester, "connect"):
            suggester.connect(shell.pt_app)

    async def ask(self, event: Any) -> None:
        """Ask the model for the text behind the cursor: the handler of the key."""
        await self._shell.auto_suggest._trigger_llm(event.current_buffer)

    def complete(self, text: str, stop: threading.Event) -> Any:
        """Yield the suggestion as it grows, until ``stop`` is set."""
        history = [str(cell) for cell in self._shell.user_ns.get("In", [])[-_CELLS:]]
        above = [cell for cell in history if not cell.startswith("%")]
        from ...models.completion import Completion, Cursor

        cursor = Cursor(join_context(above, text), one_line=True)
        with progress.quiet():
            completion = Completion(self._model.use(), cursor)
        for so_far in completion:
            if stop.is_set():
                return completion.close()
            yield so_far
        return None


def _suggester(base: type, ghost: TerminalGhost) -> type:
    """Return IPython's suggester from the history, with our model behind its command."""

    class Suggest(base):  # type: ignore[misc]  # of a library without types
        async def _trigger_llm(self, buffer: Any) -> None:
            self._cancel_running_llm_task()
            self._llm_task = asyncio.create_task(self._answer(buffer))
            with suppress(asyncio.CancelledError):
                await self._llm_task

        async def _answer(self, buffer: Any) -> None:
            from prompt_toolkit.auto_suggest import Suggestion

            loop, stop = asyncio.get_running_loop(), threading.Event()
            queue: asyncio.Queue[str | None] = asyncio.Queue()

            def work() -> None:
                try:
                    for text in ghost.complete(buffer.document.text_before_cursor, stop):
                        loop.call_soon_threadsafe(queue.put_nowait, text)
                except LLMMagicsError as error:
                    loop.call_soon_threadsafe(queue.put_nowait, f"  # {error}")
                finally:
                    loop.call_soon_threadsafe(queue.put_nowait, None)

            threading.Thread(target=work, daemon=True).start()
            try:
                while (text := await queue.get()) is not None:
                    buffer.suggestion = Suggestion(text)
                    buffer.on_suggestion_set.fire()
            finally:
                stop.set()

    return Suggest
