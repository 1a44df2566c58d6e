"""An adapter merged into its model: weights that have it, converted like any others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..core import given
from ..decoder.weights import Weights
from ..errors import UsageError
from ..formats.tensors import Tensor
from ..sources import store
from .adapter import Adapter, check_strength
from .convert import convert
from .places import to_places

if TYPE_CHECKING:
    from .model import Model


def merge(
    model: Model, adapter: Adapter, folder: str | Path, *, strength: float = 1.0, precision: str = "auto"
) -> Path:
    """Write the model with the adapter in its weights into a new folder, which :func:`load` takes.

    The matrices that the adapter changes are floats then, and packed in 8 bits where ``precision`` is "auto".

    Raises:
        UsageError: the folder exists, or the model's source is not known. UnsupportedModel: the adapter is of
            another model. StoreError: it cannot be written.
    """
    if model.source is None:
        raise UsageError(
            f"the source of {model.name} is not known here", hint="load it from where it was converted from"
        )
    source, licence = model.source(), model.info.licence
    factor = np.float32(adapter.scale * check_strength(strength))

    def build(making: Path) -> None:
        convert(
            source,
            making,
            precision=precision,
            licence=licence,
            ignore=model.ignore_config,
            change=lambda weights: _Merged(weights, adapter, factor),
        )

    return store.sealed(given.path(folder, "the folder"), build)


class _Merged(Weights):
    """Weights with an adapter added."""

    def __init__(self, weights: Weights, adapter: Adapter, factor: np.float32) -> None:
        self.__dict__.update(weights.__dict__)
        self._places, self._factor = to_places(weights.spec, adapter), factor

    def matrix(
        self, role: str, layer: int = 0, shape: tuple[int, int] | None = None, *, expert: int = 0
    ) -> Tensor:
        found = super().matrix(role, layer, shape, expert=expert)
        pair = self._places.get((layer, role))
        if pair is None:
            return found
        return Tensor.of(found.name, found.dequantize() + self._factor * (pair.b @ pair.a))
