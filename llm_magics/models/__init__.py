"""From a name to a model that answers: fetch, store, read, convert, load.

``llm_magics.models`` is this package, and was a function before: it may still be called.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalog.model_table import ModelTable


class _Callable(ModuleType):
    def __call__(self) -> ModelTable:
        """Return what :func:`llm_magics.list_models` gives."""
        from .catalog.model_table import list_models

        return list_models()


sys.modules[__name__].__class__ = _Callable
