"""What the cells of this session were and printed, for ``--see``, ``%llm fix`` and ``%llm explain``."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_KEPT = 200  # cells
_LONGEST = 20_000  # characters of the outputs of one cell that are kept
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SKIPPED = re.compile(r"\s*(%{1,2}llm(_tune)?\b|%(load_ext|reload_ext|config)\b)")


@dataclass(slots=True)
class LoggedCell:
    """A cell that ran.

    Attributes:
        number: its execution count.
        code: as it was written.
        outputs: the texts that it printed or displayed, in order.
        error: the error that it failed with, or None.
        is_prompt: whether it is a cell of this package, or loads it.
    """

    number: int
    code: str
    outputs: list[str] = field(default_factory=list)
    error: BaseException | None = None
    is_prompt: bool = False

    @property
    def is_left_out(self) -> bool:
        """Return whether the cell says that it is not to be read."""
        return re.search(r"^\s*#\s*llm:\s*ignore\b", self.code, re.MULTILINE) is not None

    @property
    def output(self) -> str:
        """Return what it printed, as one text."""
        text = _ANSI.sub("", "".join(self.outputs)).strip("\n")
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n…"


class CellLog:
    """Keeps the cells of a shell, with the texts of their outputs.

    IPython keeps the code and the last values; what is printed and displayed is noted while a cell runs.
    Cells that ran before this package was loaded have no printed output here.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._cells: OrderedDict[int, LoggedCell] = OrderedDict()
        self._running: LoggedCell | None = None
        self._kept = 0  # characters of its outputs
        self._undo: list[Callable[[], object]] = []

    def start(self) -> None:
        """Begin to note what runs."""
        self._shell.events.register("pre_run_cell", self._begin)
        self._shell.events.register("post_run_cell", self._end)

    @property
    def is_running(self) -> bool:
        """Return whether a cell runs."""
        return self._running is not None

    def stop(self) -> None:
        """Stop it, and forget what was noted."""
        for name, callback in (("pre_run_cell", self._begin), ("post_run_cell", self._end)):
            with suppress(ValueError):
                self._shell.events.unregister(name, callback)
        self._unhook()
        self._cells.clear()

    def cells(self) -> list[LoggedCell]:
        """Return the cells that ran, oldest first; of a cell that ran twice with one text the last one."""
        noted = dict(self._cells)
        for number, code in enumerate(self._history):
            if number and code and number not in noted:
                noted[number] = LoggedCell(number, code, is_prompt=bool(_SKIPPED.match(code)))
        now = len(self._history) - 1 if self._running else None
        return [cell for number, cell in sorted(noted.items()) if number != now and cell.code.strip()]

    @property
    def _history(self) -> list[str]:
        """Return the cells of the session by their number."""
        manager = getattr(self._shell, "history_manager", None)
        return list(getattr(manager, "input_hist_raw", []))

    def find(self, number: int) -> LoggedCell | None:
        """Return the cell with that execution count; None where there is none."""
        return next((cell for cell in self.cells() if cell.number == number), None)

    def last_error(self) -> LoggedCell | None:
        """Return the newest cell that failed, and was not one of this package; None where there is none."""
        return next((cell for cell in reversed(self.cells()) if cell.error and not cell.is_prompt), None)

    def value_text(self, cell: LoggedCell) -> str:
        """Return the text of the value that a cell ended with; empty where it has none."""
        value = getattr(self._shell.history_manager, "output_hist", {}).get(cell.number)
        if value is None:
            return ""
        with suppress(Exception):  # a __repr__ of the user's own may fail
            bundle, _ = self._shell.display_formatter.format(value, include=["text/plain"])
            return str(bundle.get("text/plain", ""))[:_LONGEST]
        return ""

    def _begin(self, info: Any) -> None:
        if not getattr(info, "store_history", True):
            return
        code = info.raw_cell or ""
        self._running, self._kept = LoggedCell(0, code, is_prompt=bool(_SKIPPED.match(code))), 0
        self._hook()

    def _end(self, result: Any) -> None:
        self._unhook()
        cell, self._running = self._running, None
        if cell is None:
            return
        # Only now: versions of IPython differ in when they count.
        cell.number = result.execution_count or len(self._history) - 1
        cell.error = result.error_in_exec or result.error_before_exec
        self._cells[cell.number] = cell
        self._cells.move_to_end(cell.number)
        while len(self._cells) > _KEPT:
            self._cells.popitem(last=False)

    def _hook(self) -> None:
        """Note what this cell prints and displays. A terminal's own streams cannot be followed."""
        import sys

        place = self._shell.display_pub
        if hasattr(place, "register_hook"):
            place.register_hook(self._note)
            self._undo.append(lambda: place.unregister_hook(self._note))
        for stream in (sys.stdout, sys.stderr):
            # Hooks of the kernel's streams run in another thread, which does not know the cell.
            with suppress(AttributeError, TypeError):
                self._follow(stream)

    def _follow(self, stream: Any) -> None:
        """Note what is written to a stream, and write it."""
        write = stream.write

        def written(text: str) -> Any:
            self._keep(text)
            return write(text)

        stream.write = written
        self._undo.append(lambda: delattr(stream, "write"))

    def _unhook(self) -> None:
        for undo in self._undo:
            with suppress(ValueError, AttributeError):
                undo()
        self._undo.clear()

    def _keep(self, text: object) -> None:
        cell = self._running
        if cell is not None and isinstance(text, str) and self._kept <= _LONGEST:
            cell.outputs.append(text)
            self._kept += len(text)

    def _note(self, message: Any) -> Any:
        """Note what one message of the kernel displays, and pass it on."""
        with suppress(Exception):  # whatever it is, it must be sent
            content = message["content"]
            if message["header"]["msg_type"] == "display_data":
                self._keep(f"{content['data'].get('text/plain', '')}\n")
        return message
