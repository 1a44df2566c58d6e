"""An adapter merged into its model: weights that have it, converted like any others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...core import validation
from ...core.validation import check_strength
from ...decoder.weights import Weights
from ...errors import UsageError
from ...formats.tensors import Tensor
from ...sources import store
from ...trust.obligations import describe_model, licensed_path
from ..adapters.lora import Adapter
from ..adapters.targets import to_layer_roles
from .convert import convert

if TYPE_CHECKING:
    from ..model import Model


def merge(
    model: Model, adapter: Adapter, folder: str | Path, *, strength: float = 1.0, precision: str = "auto"
) -> Path:
    """Write the model with the adapter in its weights into a new folder, which :func:`load` takes.

    With it go the license texts, the notice that the license asks for, and a model card. Where the license
    asks for it, the folder's name gets a prefix, such as "Llama-".

    The matrices that the adapter changes are floats then, and packed in 8 bits where ``precision`` is "auto".

    Raises:
        UsageError: the folder exists, or the model's source is not known. UnsupportedModel: the adapter is of
            another model. StoreError: it cannot be written.
    """
    if model.origin.source is None:
        raise UsageError(f"the source of {model.name} is unknown", hint="Load the model from its source.")
    source, info = model.origin.source(), model.info
    factor = np.float32(adapter.scale * check_strength(strength))

    def build(making: Path) -> None:
        converted = convert(
            source,
            making,
            precision=precision,
            license=info.license,
            ignore=model.origin.ignore_config,
            change=lambda weights: _Merged(weights, adapter, factor),
        )
        changes = f"an adapter was merged in at strength {float(strength):g}, and the result was converted"
        describe_model(replace(info, precision=converted.precision), making, path.name, changes=changes)

    path = licensed_path(validation.require_path(folder, "the folder"), info.license)
    return store.build_sealed(path, build)


class _Merged(Weights):
    """Weights with an adapter added."""

    def __init__(self, weights: Weights, adapter: Adapter, factor: np.float32) -> None:
        self.__dict__.update(weights.__dict__)
        self._places, self._factor = to_layer_roles(weights.spec, adapter), factor

    def matrix(
        self, role: str, layer: int = 0, shape: tuple[int, int] | None = None, *, expert: int = 0
    ) -> Tensor:
        result = super().matrix(role, layer, shape, expert=expert)
        pair = self._places.get((layer, role))
        if pair is None:
            return result
        return Tensor.of(result.name, result.dequantize() + self._factor * (pair.b @ pair.a))
