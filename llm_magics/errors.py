"""The errors of this package, all under one base class.

    LLMMagicsError
     ├── UsageError            a line, a cell or an argument that cannot be understood
     │    └── TemplateError    an undefined {name} in a cell, or a chat template that fails
     ├── ModelNotFound         no such name in the catalogue, no such file
     ├── ModelFileError        a model file that is damaged or not what it should be
     ├── UnsupportedModel      an architecture, tensor type or tokenizer this version cannot run
     ├── FetchError            the model could not be fetched (no network, wrong checksum, server error)
     │    └── GatedModel       its license must be accepted first
     ├── MemoryNeeded          it needs more memory than is free
     ├── StoreError            the cache folder could not be read or written (full disk, no rights)
     ├── ContextOverflow       prompt and answer do not fit the context; says by how many tokens
     ├── ClusterError          the workers of a cluster cannot be reached, or they cannot run the model
     ├── ServerError           a server with a model does not answer, or refuses
     └── IncompleteAnswer      an answer of a given form was cut off inside a value; holds what there is
    KeyboardInterrupt
     └── Interrupted           the user stopped a magic; what was made so far is kept

``except Exception`` in a loop over cells does not catch an interrupt, as it does not anywhere in Python.
Each carries ``hint``, the next thing to do, and ``why``, the cause where the message does not say it. IPython
shows it as one short block with the address of its page, never as a traceback.
"""

from __future__ import annotations

import sys
from typing import Any

from .sanitize import encodable, printable

LONGEST = 2_000  # letters of a message that are shown: parts of it come from model files

__all__ = [
    "ClusterError",
    "ContextOverflow",
    "FetchError",
    "GatedModel",
    "IncompleteAnswer",
    "Interrupted",
    "LLMMagicsError",
    "MemoryNeeded",
    "ModelFileError",
    "ModelNotFound",
    "ServerError",
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
DOCS = "https://github.com/open-llm-magics/open-llm-magics/blob/main/docs/errors.md"


class _Explained(BaseException):
    """What is wrong, why, and what to do, as one short block.

    Args:
        message: what is wrong, with the name of the thing.
        hint: what to do next; several ways stand on lines of their own.
        why: the cause in one line, with its numbers; empty where the message says it.
        replacement: a piece of the cell and what is to stand in its place, where that corrects the cell.
    """

    page = ""  # the section of docs/errors.md

    def __init__(
        self, message: str, *, hint: str = "", why: str = "", replacement: tuple[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.why = why
        self.replacement = replacement

    @property
    def hints(self) -> tuple[str, ...]:
        """Return the ways out, one by one."""
        return tuple(filter(None, self.hint.split("\n")))

    @property
    def url(self) -> str:
        """Return the address of the page about this kind of error; empty where there is none."""
        return f"{DOCS}#{self.page}" if self.page else ""

    def __str__(self) -> str:
        why = [f"  {self.why}"] if self.why else []
        lines = [self.message, *why, *(f"  → {hint}" for hint in self.hints)]
        return "\n".join(printable(line, most=LONGEST) for line in lines)

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback; the cell still counts as failed."""
        head, *rest = f"{type(self).__name__}: {self}".split("\n")
        text = "\n".join([_emphasized(head), *rest, *([f"  {self.url}"] if self.url else [])])
        return [encodable(text, sys.stdout)]


def _emphasized(text: str) -> str:
    """Return a text in bold red, where IPython shows colors."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    colors = str(getattr(shell, "colors", "nocolor")).lower()
    return text if colors == "nocolor" else f"\x1b[1;31m{text}\x1b[0m"


class LLMMagicsError(_Explained, Exception):
    """Base of every error that this package raises on purpose.

    Attributes:
        message: what is wrong.
        why: the cause in one line; may be empty.
        hint: what to do next; ``hints`` has the ways one by one.
        url: the page about this kind of error.
    """

    page = "errors"


class UsageError(LLMMagicsError):
    """A line, a cell or an argument that cannot be understood."""

    page = "usageerror"


class TemplateError(UsageError):
    """An undefined ``{name}`` in a cell, or a chat template that fails."""

    page = "templateerror"


class ModelNotFound(LLMMagicsError):
    """No model of that name, and no file there."""

    page = "modelnotfound"


class ModelFileError(LLMMagicsError):
    """A model file that is damaged, truncated or not what it should be."""

    page = "modelfileerror"


class UnsupportedModel(LLMMagicsError):
    """An architecture, tensor type or tokenizer that this version cannot run."""

    page = "unsupportedmodel"


class FetchError(LLMMagicsError):
    """The model could not be fetched."""

    page = "fetcherror"


class StoreError(LLMMagicsError):
    """The cache folder could not be read or written."""

    page = "storeerror"


class GatedModel(FetchError):
    """A model whose license must be accepted on its page before it can be downloaded."""

    page = "gatedmodel"


class MemoryNeeded(LLMMagicsError):
    """A model that needs more memory than is free."""

    page = "memoryneeded"


class ClusterError(LLMMagicsError):
    """The workers of a cluster cannot be reached, or they cannot run the model."""

    page = "clustererror"


class ServerError(LLMMagicsError):
    """A server with a model that does not answer, or refuses."""

    page = "servererror"


class ContextOverflow(LLMMagicsError):
    """Prompt and answer do not fit the model's context.

    Attributes:
        over: how many tokens too many.
    """

    page = "contextoverflow"

    def __init__(
        self,
        message: str,
        *,
        over: int,
        hint: str = "",
        why: str = "",
        replacement: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, why=why, replacement=replacement)
        self.over = over


class IncompleteAnswer(LLMMagicsError):
    """An answer of a given form that was cut off inside a value.

    Attributes:
        generation: the answer so far.
    """

    page = "incompleteanswer"

    def __init__(self, message: str, *, generation: Any, hint: str = "", why: str = "") -> None:
        super().__init__(message, hint=hint, why=why)
        self.generation = generation


class Interrupted(_Explained, KeyboardInterrupt):
    """The user stopped a magic; what was made so far is kept. Not an :class:`LLMMagicsError`."""
