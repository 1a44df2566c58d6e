"""Where a family keeps its weights, and how they are taken out: by role, one layer at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFileError, UnsupportedModel
from ..formats.tensors import Floats, Tensor
from .spec import DecoderSpec

# Nothing is damaged then: the tensors are another model's, or named in another way.
OTHER = "config.json and the weights do not fit together: choose another copy of the model"
_PACKED = (".qweight", ".qzeros", ".weight_scale_inv", ".weight_packed", ".absmax")
_PRODUCTS = ("q", "k", "v", "o", "gate", "up", "down")


@dataclass(frozen=True, slots=True)
class Layout:
    """How one kind of file names and stores the weights of a family.

    Attributes:
        names: role → name without ".weight" or ".bias"; ``{i}`` stands for the layer, ``{e}`` for the expert.
        prefixes: what may stand before all of these names.
        qkv: how queries, keys and values share one matrix under the role "qkv": all queries first
            ("stacked"), or the queries, the key and the value of one KV head after the other ("grouped").
        woven: rows of q and k are stored so that rotary pairs are neighbours (llama.cpp permutes Llama's).
        transposed: matrices are stored ``(in, out)``.
        norm_plus: what is added to the weights of norms.
    """

    names: Mapping[str, str]
    prefixes: tuple[str, ...] = ("",)
    qkv: Literal["stacked", "grouped"] = "stacked"
    woven: bool = False
    transposed: bool = False
    norm_plus: float = 0.0


class Weights:
    """The weights of one model by role. Every matrix comes as ``(out, in)``; rotary pairs come as halves."""

    def __init__(self, spec: DecoderSpec, layout: Layout, tensors: Mapping[str, Tensor]) -> None:
        self.spec, self._layout, self._tensors = spec, layout, tensors
        self.release: Callable[[], None] = lambda: None  # gives back the memory of what was read
        embed = layout.names["embed"] + ".weight"
        self._prefix = next(
            (prefix for prefix in layout.prefixes if prefix + embed in tensors), layout.prefixes[0]
        )

    def matrix(
        self, role: str, layer: int = 0, shape: tuple[int, int] | None = None, *, expert: int = 0
    ) -> Tensor:
        """The matrix of a role, checked against ``shape`` (out, in).

        Raises:
            ModelFileError: it is missing or has another shape.
        """
        found = self._matrix(role, layer, expert)
        if found is None:
            raise self._missing(role, layer)
        if shape and found.shape != shape:
            raise ModelFileError(f"{found.name} has shape {found.shape}, not {shape}", hint=OTHER)
        return found

    def vector(
        self, role: str, layer: int = 0, *, size: int = 0, kind: str = "weight", plus: float = 0.0
    ) -> Floats | None:
        """A weight or a bias of one dimension, float32 ``(size,)``; None where the model has none."""
        holder, rows = self._held_by(role)
        stored = self._find(holder, layer, kind)
        if kind == "bias":
            self._check_bias(role, layer, stored)
        if stored is None:
            return None
        values = stored.dequantize().reshape(-1)
        if rows is not None:
            values = values[_checked(rows, stored)]
        if size and values.shape != (size,):
            raise ModelFileError(f"{stored.name} has shape {values.shape}, not {(size,)}", hint=OTHER)
        if role in ("q", "k") and self._layout.woven:
            values = values[unweave(len(values), self.spec.head_dim)]
        return values + np.float32(plus) if plus else values

    def norm(self, role: str, layer: int = 0, size: int = 0) -> Floats:
        """The weights of a norm; an error when they are missing."""
        found = self.vector(role, layer, size=size or self.spec.hidden, plus=self._layout.norm_plus)
        if found is None:
            raise self._missing(role, layer)
        return found

    def _check_bias(self, role: str, layer: int, stored: Tensor | None) -> None:
        """Refuse a bias that the configuration rules out, and the absence of one that it asks for."""
        field = "attention_bias" if role in ("q", "k", "v", "o") else "mlp_bias"
        wanted = getattr(self.spec, field) if role in _PRODUCTS else None
        if wanted is not None and wanted != (stored is not None):
            there = stored.name if stored is not None else f"no bias for {role} of layer {layer}"
            name = "bias" if self.spec.family == "falcon" else field
            raise UnsupportedModel(
                f"the configuration says {name} = {str(wanted).lower()}, and the model file has {there}",
                hint=f'correct config.json, or pass ignore_config="{name}" to go by the file',
            )

    def _missing(self, role: str, layer: int) -> ModelFileError:
        """The error for a weight that is not there; quantised checkpoints have others in its place."""
        packed = next((name for name in self._tensors if name.endswith(_PACKED)), None)
        if packed is not None:
            return ModelFileError(
                f"the weights are quantised ({packed}), which is not supported in safetensors yet",
                hint="choose the model's unquantised checkpoint, or a GGUF file",
            )
        return ModelFileError(f"the model file has no {role} weight for layer {layer}", hint=OTHER)

    def check_head(self) -> None:
        """Compare what the configuration says of the head with what the file has.

        Raises:
            UnsupportedModel: the head should be one of its own and is missing, or should be the table of
                embeddings and is another.
        """
        embed, head = self._find("embed", 0, "weight"), self._find("head", 0, "weight")
        hint = 'correct config.json, or pass ignore_config="tie_word_embeddings" to go by the file'
        if self.spec.tied is False and head is None and embed is not None:
            raise UnsupportedModel(
                "the configuration says tie_word_embeddings = false, and the model file has no "
                f"{self._layout.names['head']}.weight",
                hint=hint,
            )
        if self.spec.tied and head is not None and embed is not None:
            same = head.shape == embed.shape and head.kind == embed.kind
            if not same or not np.array_equal(head.blocks, embed.blocks):
                raise UnsupportedModel(
                    f"the configuration says tie_word_embeddings = true, and {head.name} is another "
                    f"table than "
                    f"{embed.name}",
                    hint=hint,
                )

    def has(self, role: str, layer: int = 0) -> bool:
        if role == "head" and self.spec.tied:
            return False
        return self._find(self._held_by(role)[0], layer, "weight") is not None

    def _matrix(self, role: str, layer: int, expert: int) -> Tensor | None:
        holder, rows = self._held_by(role)
        found = self._find(holder, layer, "weight", expert)
        if found is None:
            return None
        if self._layout.transposed and role not in ("embed", "positions", "head"):
            found = found.transposed
        if role.startswith("expert_") and len(found.shape) == 3:
            size = found.shape[1]
            found = found.flat.take(slice(expert * size, (expert + 1) * size))
        if len(found.shape) != 2:
            raise ModelFileError(f"{found.name} has shape {found.shape}", hint=OTHER)
        if rows is not None:
            found = found.take(_checked(rows, found))
        if role in ("q", "k") and self._layout.woven:
            if found.shape[0] % self.spec.head_dim:
                raise ModelFileError(f"{found.name} has shape {found.shape}", hint=OTHER)
            found = found.take(unweave(found.shape[0], self.spec.head_dim))
        return found

    def _held_by(self, role: str) -> tuple[str, NDArray[np.intp] | None]:
        """The role under which it is stored, and which rows of that are it; None for all."""
        if role in ("q", "k", "v") and role not in self._layout.names:
            return "qkv", qkv_rows(self.spec, self._layout.qkv)[role]
        if role in ("gate", "up") and role not in self._layout.names:
            return "gate_up", np.arange(self.spec.ffn) + (self.spec.ffn if role == "up" else 0)
        return role, None

    def _find(self, role: str, layer: int, kind: str, expert: int = 0) -> Tensor | None:
        name = self._layout.names.get(role)
        if name is None:
            return None
        name = f"{name.format(i=layer, e=expert)}.{kind}"
        return self._tensors.get(self._prefix + name) or self._tensors.get(name)


def _checked(rows: NDArray[np.intp], stored: Tensor) -> NDArray[np.intp]:
    count = stored.shape[0] if len(stored.shape) > 1 else int(np.prod(stored.shape))
    if int(rows.max()) >= count:
        raise ModelFileError(f"{stored.name} has {count} rows, too few", hint=OTHER)
    return rows


def qkv_rows(spec: DecoderSpec, how: str) -> dict[str, NDArray[np.intp]]:
    """Which rows of a shared matrix are q, k and v."""
    heads, kv, dim = spec.heads, spec.kv_heads, spec.head_dim
    if how == "stacked":
        ends = np.cumsum([heads * dim, kv * dim, kv * dim])
        return {
            name: np.arange(begin, end) for name, begin, end in zip("qkv", (0, *ends[:2]), ends, strict=True)
        }
    each = heads // kv
    rows = np.arange(kv * (each + 2) * dim).reshape(kv, each + 2, dim)
    return {
        "q": rows[:, :each].reshape(-1),
        "k": rows[:, each].reshape(-1),
        "v": rows[:, each + 1].reshape(-1),
    }


def unweave(rows: int, head_dim: int) -> NDArray[np.intp]:
    """Row order that turns neighbouring rotary pairs (0 1 | 2 3 | …) into halves (0 2 4 … | 1 3 5 …), head by
    head.
    """
    return np.arange(rows).reshape(-1, head_dim // 2, 2).swapaxes(1, 2).reshape(-1)
