"""The errors of this package, all under one base class.

    LLMMagicsError
     ├── UsageError            a line, a cell or an argument that cannot be understood
     │    └── TemplateError    an undefined {name} in a cell, or a chat template that fails
     ├── ModelNotFound         no such name in the catalogue, no such file
     ├── ModelFileError        a model file that is damaged or not what it should be
     ├── UnsupportedModel      an architecture, tensor type or tokenizer this version cannot run
     ├── FetchError            the model could not be fetched (no network, wrong checksum, server error)
     ├── StoreError            the cache folder could not be read or written (full disk, no rights)
     └── ContextOverflow       prompt and answer do not fit the context; says by how many tokens
    KeyboardInterrupt
     └── Interrupted           the user stopped a magic; what was made so far is kept

``except Exception`` in a loop over cells does not catch an interrupt, as it does not anywhere in Python.
Every one carries ``hint``: the next thing to do. Shown by IPython as one short block, never as a traceback.
"""

from __future__ import annotations

import sys

from .sanitize import encodable, printable

LONGEST = 2_000  # letters of a message that are shown: parts of it come from model files

__all__ = [
    "ContextOverflow",
    "FetchError",
    "Interrupted",
    "LLMMagicsError",
    "ModelFileError",
    "ModelNotFound",
    "StoreError",
    "TemplateError",
    "UnsupportedModel",
    "UsageError",
]


# Hints for situations that many places share.
REDOWNLOAD = "Download the file again: it is damaged."
RELOAD_PAGE = "Reload the page."
RUN_CELL = "Run the cell again."
NEED_GENERATION = "Pass the result of model.generate(…)."
CHOOSE_MODEL = "Choose another model."
CHOOSE_COPY = "Choose another copy of the model."


class _Explained(BaseException):
    """What is wrong and what to do, as one short block."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        message, hint = printable(self.message, most=LONGEST), printable(self.hint, most=LONGEST)
        return f"{message}\n  → {hint}" if hint else message

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback; the cell still counts as failed."""
        return [encodable(f"{type(self).__name__}: {self}", sys.stdout)]


class LLMMagicsError(_Explained, Exception):
    """Base of every error that this package raises on purpose.

    Args:
        message: what is wrong, with the name of the thing and the cause.
        hint: what to do next.
    """


class UsageError(LLMMagicsError):
    """A line, a cell or an argument that cannot be understood."""


class TemplateError(UsageError):
    """An undefined ``{name}`` in a cell, or a chat template that fails."""


class ModelNotFound(LLMMagicsError):
    """No model of that name, and no file there."""


class ModelFileError(LLMMagicsError):
    """A model file that is damaged, truncated or not what it should be."""


class UnsupportedModel(LLMMagicsError):
    """An architecture, tensor type or tokenizer that this version cannot run."""


class FetchError(LLMMagicsError):
    """The model could not be fetched."""


class StoreError(LLMMagicsError):
    """The cache folder could not be read or written."""


class ContextOverflow(LLMMagicsError):
    """Prompt and answer do not fit the model's context.

    Attributes:
        over: how many tokens too many.
    """

    def __init__(self, message: str, *, over: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.over = over


class Interrupted(_Explained, KeyboardInterrupt):
    """The user stopped a magic; what was made so far is kept. Not an :class:`LLMMagicsError`."""
