"""Checkpoints that keep the experts of a layer in two tensors, under the names of one expert each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..errors import CHOOSE_COPY, ModelFileError
from .tensors import Tensor

_EXPERT = re.compile(r"(.*\.experts)\.(\d+)\.(gate|up|down)_proj\.weight")


class FusedExperts(Mapping[str, Tensor]):
    """A checkpoint with ``experts.gate_up_proj`` (experts, 2 · ffn, hidden) and ``experts.down_proj``.

    The rows of the gate stand before those of "up". Experts that have tensors of their own keep these.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def __getitem__(self, name: str) -> Tensor:
        if name in self._tensors:
            return self._tensors[name]
        part = self._part(name)
        if part is None:
            raise KeyError(name)
        stored, expert, role = part
        tensor = self._tensors[stored]
        if len(tensor.shape) != 3 or expert >= tensor.shape[0]:
            raise ModelFileError(f"{stored} has shape {tensor.shape}", hint=CHOOSE_COPY)
        rows, half = tensor.shape[1], tensor.shape[1] // 2
        begin, end = {"gate": (0, half), "up": (half, rows), "down": (0, rows)}[role]
        return tensor.flat.take(slice(expert * rows + begin, expert * rows + end))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __contains__(self, name: object) -> bool:
        return name in self._tensors or self._part(str(name)) is not None

    def _part(self, name: str) -> tuple[str, int, str] | None:
        """Return the tensor that has an expert's matrix, the expert and its role; None for no such tensor."""
        match = _EXPERT.fullmatch(name)
        if match is None:
            return None
        stored = f"{match[1]}.{'down_proj' if match[3] == 'down' else 'gate_up_proj'}"
        return (stored, int(match[2]), match[3]) if stored in self._tensors else None
