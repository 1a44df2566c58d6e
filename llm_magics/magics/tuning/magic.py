"""``%%llm_tune``. What it does is imported when it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from ...errors import Interrupted, LLMMagicsError

if TYPE_CHECKING:
    from ..llm import LLMMagics


@magics_class
class TuneMagics(Magics):
    """Teaches the model of the cells.

    Args:
        magics: those of ``%%llm``, which have the model.
    """

    shell: Any

    def __init__(self, magics: LLMMagics) -> None:
        super().__init__(magics.shell)
        self._magics = magics

    @no_var_expand
    @line_cell_magic
    def llm_tune(self, line: str, cell: str | None = None) -> None:
        """Fine-tune a model on rows, and show answers before and after.

        %%llm_tune --help lists the options.
        """
        from .tune_cell import TuneCell

        try:
            TuneCell(self.shell, self._magics.workspace.models).run(line, cell)
        except (LLMMagicsError, Interrupted) as error:
            error.__cause__ = error.__context__ = None
            self._magics.corrections.note(error, self.shell)
            raise error.with_traceback(None) from None
