"""``%%llm`` and ``%llm``. The first call makes the workspace; this module imports the settings only."""

from __future__ import annotations

import threading
from collections import ChainMap
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ..errors import Interrupted, LLMMagicsError
from .channel import Channel
from .context.cell_log import CellLog
from .corrections import Corrections
from .settings import Settings

if TYPE_CHECKING:
    from .playground_view import PlaygroundView
    from .workspace import Workspace


@magics_class
class LLMMagics(Settings, Magics):
    """The magics of a notebook, and its settings, which are the traits of this object.

    Attributes:
        channel: the way to the views of the notebook.
        log: the cells of the session.
        corrections: the corrected cells of errors.
    """

    shell: Any

    def __init__(self, shell: Any) -> None:
        super().__init__(shell=shell, parent=shell)
        self.channel = Channel(lambda order: self.workspace.commands.handle(order))
        self.log = CellLog(shell)
        self.corrections = Corrections()
        self._workspace: Workspace | None = None
        self._opening = threading.RLock()  # a view may ask while the first cell runs

    @property
    def workspace(self) -> Workspace:
        """Return the model, the conversations and the answers of the notebook."""
        with self._opening:
            if self._workspace is None:
                from .workspace import Workspace

                self._workspace = Workspace(self.shell, self, self.channel, self.log, self.corrections)
            return self._workspace

    # IPython would expand {…} and $… in the line by itself: expansion happens once, in cell.py.
    @no_var_expand
    @line_cell_magic
    def llm(self, line: str, cell: str | None = None) -> Any:
        """Run an open language model: %%llm and a cell, or %llm TEXT. %llm --help lists the options.

        Returns:
            The answer, or what a verb shows, where the calling code takes it: ``a = %llm …``.
        """
        from .parsing.calling_code import caller, value_is_used

        frame = caller()
        used = value_is_used(frame)
        # As in Python: a function's own variables, and a script's, go before those of the notebook.
        namespace = ChainMap(dict(frame.f_locals) if frame else {}, self.shell.user_ns)
        del frame
        output: Any = None
        try:
            output = self.workspace.run_cell(line, cell, namespace)
        except (LLMMagicsError, Interrupted) as error:
            # IPython keeps the last traceback, and with its frames a model that should be gone.
            error.__cause__ = error.__context__ = None
            self.corrections.note(error, self.shell)
            raise error.with_traceback(None) from None
        return output if used else None

    def playground(self, model: str | None = None) -> PlaygroundView:
        """Return a playground that shares the model with the cells."""
        return self.workspace.playground(model)

    def close(self) -> None:
        """Stop what runs, and release the model."""
        if self._workspace is not None:
            self._workspace.close()
        self.log.stop()
        self.channel.close()


def _help_text() -> str:
    """Return what IPython shows for ``%llm?`` and behind Shift-Tab."""
    from .subcommands.table import usage

    return f"{LLMMagics.llm.__doc__}\n\n{usage()}"


# IPython asks an object for its documentation by this method, before it reads __doc__.
LLMMagics.llm.getdoc = _help_text  # type: ignore[union-attr]  # of a decorated method
