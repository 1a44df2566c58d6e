"""Where a model's weights came from, and what the conversion cost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ..engine.base import Engine


@dataclass(frozen=True, slots=True)
class Origin:
    """The files that a model was opened from.

    Attributes:
        folder: the converted model; None where the model was not converted by this package.
        source: fetches the file or folder that was converted; None where it is not known.
        reference: opens the engine of the same model in fp32 for the length of a with block, or is None.
        ignore_config: the names of fields that were passed to :func:`load` as ``ignore_config``.
    """

    folder: Path | None = None
    source: Callable[[], Path] | None = None
    reference: Callable[[], AbstractContextManager[Engine]] | None = None
    ignore_config: tuple[str, ...] = ()
