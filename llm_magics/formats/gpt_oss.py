"""The tensors of gpt-oss checkpoints, under names and in shapes that the other families have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

import numpy as np

from ..errors import CHOOSE_COPY, ModelFileError
from .safetensors import Safetensors
from .tensors import Tensor, unpack_pairs


class GptOssTensors(Mapping[str, Tensor]):
    """A checkpoint whose experts and sinks get the suffixes ``.weight`` and ``.bias``.

    Experts are (experts, out, in), as in the other mixtures. Those in MXFP4 (blocks and scales of their own)
    become tensors of GGUF's kind of that name, which holds the same bits in another order.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self._experts = lru_cache(maxsize=2)(self._decoded)

    def __getitem__(self, name: str) -> Tensor:
        stem, _, kind = name.rpartition(".")
        if ".experts." in name and kind == "weight":
            return self._experts(stem)
        if ".experts." in name and kind == "bias":
            return self._tensors[f"{stem}_bias"]
        return self._tensors[stem] if stem.endswith(".sinks") else self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a tensor of that name, with nothing decoded."""
        stem, _, kind = str(name).rpartition(".")
        if ".experts." in stem and kind == "weight":
            return stem in self._tensors or {f"{stem}_blocks", f"{stem}_scales"} <= self._tensors.keys()
        if ".experts." in stem and kind == "bias":
            return f"{stem}_bias" in self._tensors
        return (stem if stem.endswith(".sinks") else name) in self._tensors

    def _decoded(self, stem: str) -> Tensor:
        if f"{stem}_blocks" not in self._tensors:
            stored = self._tensors[stem]
            if len(stored.shape) != 3:
                raise ModelFileError(f"{stem} has shape {stored.shape}", hint=CHOOSE_COPY)
            experts, into, out = stored.shape
            values = np.ascontiguousarray(stored.blocks).reshape(experts, into, out, -1).swapaxes(1, 2)
            return Tensor(stem, stored.kind, (experts, out, into), values.reshape(experts * out, -1))
        assert isinstance(self._tensors, Safetensors)
        blocks, scales = self._tensors.array(f"{stem}_blocks"), self._tensors.array(f"{stem}_scales")
        if blocks.ndim != 4 or blocks.shape[3] != 16 or blocks.shape[:3] != scales.shape:
            raise ModelFileError(
                f"{stem} has blocks {blocks.shape} and scales {scales.shape}",
                hint=CHOOSE_COPY,
            )
        values = unpack_pairs(blocks)  # GGUF has the second half of a block in the high halves of its bytes
        halves = values[..., :16] | (values[..., 16:] << np.uint8(4))
        experts, out, groups = scales.shape
        rows = np.concatenate([scales[..., None], halves], axis=-1).reshape(experts * out, -1)
        return Tensor(stem, "MXFP4", (experts, out, 32 * groups), rows)
