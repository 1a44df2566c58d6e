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
OTHER = "Choose another copy of the model: config.json and the weights do not match."
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
        interleaved: rows of q and k are stored so that rotary pairs are neighbours (GPT-J; llama.cpp permutes
            Llama's).
        transposed: matrices are stored ``(in, out)``.
        norm_plus: what is added to the weights of norms.
        ggml_states: linear attention is stored as llama.cpp does: the values of all first heads of the groups
            come first, then those of all second ones; and −exp(A_log) in place of A_log.
        adapt: presents the tensors of a file under names and shapes that the others have, or is None.
    """

    names: Mapping[str, str]
    prefixes: tuple[str, ...] = ("",)
    qkv: Literal["stacked", "grouped"] = "stacked"
    interleaved: bool = False
    transposed: bool = False
    norm_plus: float = 0.0
    ggml_states: bool = False
    adapt: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None


class Weights:
    """The weights of one model by role. Every matrix comes as ``(out, in)``; rotary pairs come as halves."""

    def __init__(self, spec: DecoderSpec, layout: Layout, tensors: Mapping[str, Tensor]) -> None:
        tensors = layout.adapt(tensors) if layout.adapt else tensors
        self.spec, self._layout, self._tensors = spec, layout, tensors
        self.release: Callable[[], None] = lambda: None  # gives back the memory of what was read
        embed = layout.names["embed"] + ".weight"
        prefix = next((prefix for prefix in layout.prefixes if prefix + embed in tensors), layout.prefixes[0])
        # The head stands next to the decoder: language_model.lm_head, with language_model.model.layers.
        outer = prefix.removesuffix("model.") if prefix.endswith(".model.") else ""
        self._prefixes = tuple(dict.fromkeys((prefix, outer, "")))

    def matrix(
        self, role: str, layer: int = 0, shape: tuple[int, int] | None = None, *, expert: int = 0
    ) -> Tensor:
        """Return the matrix of a role, checked against ``shape`` (out, in).

        Raises:
            ModelFileError: it is missing or has another shape.
        """
        result = self._matrix(role, layer, expert)
        if result is None:
            raise self._missing(role, layer)
        if shape and result.shape != shape:
            raise ModelFileError(f"{result.name} has shape {result.shape}, not {shape}", hint=OTHER)
        return result

    def vector(
        self, role: str, layer: int = 0, *, size: int = 0, kind: str = "weight", plus: float = 0.0
    ) -> Floats | None:
        """Return a weight or a bias of one dimension, float32 ``(size,)``; None where the model has none."""
        holder, rows = self._stored_role(role)
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
        if role in ("q", "k") and self._layout.interleaved:
            values = values[self._rotary_order(len(values))]
        return values + np.float32(plus) if plus else values

    def expert_bias(self, role: str, layer: int, size: int) -> Floats | None:
        """Return the biases of all experts, float32 ``(experts, size)``; None where the model has none.

        Raises:
            ModelFileError: they have another shape.
        """
        holder, rows = self._stored_role(role)
        stored = self._find(holder, layer, "bias")
        if stored is None:
            return None
        values = stored.dequantize()
        values = values if rows is None else values[:, rows]
        if values.shape != (self.spec.experts, size):
            raise ModelFileError(f"{stored.name} has shape {stored.shape}", hint=OTHER)
        return np.ascontiguousarray(values)

    def conv_kernel(self, role: str, layer: int, channels: int, kernel: int) -> Floats:
        """Return the weights of a short convolution, float32 ``(channels, kernel)``, oldest token first.

        Raises:
            ModelFileError: they are missing or have another shape.
        """
        stored = self._find(role, layer, "weight")
        if stored is None:
            raise self._missing(role, layer)
        shape = channels, kernel
        if stored.shape not in (shape, (shape[0], 1, shape[1])):
            raise ModelFileError(f"{stored.name} has shape {stored.shape}, not {shape}", hint=OTHER)
        values = stored.dequantize().reshape(shape)
        rows = self._value_rows(role)
        return values if rows is None else values[rows]

    def bare_vector(self, name: str, layer: int, size: int) -> Floats:
        """Return a parameter that has no ".weight" in its name, float32 ``(size,)``.

        Raises:
            ModelFileError: it is missing or has another shape.
        """
        wanted = self._layout.names[name].format(i=layer)
        key = next((prefix + wanted for prefix in self._prefixes if prefix + wanted in self._tensors), None)
        if key is None:
            raise self._missing(name, layer)
        values = self._tensors[key].dequantize().reshape(-1)
        if values.shape != (size,):
            raise ModelFileError(f"{key} has shape {values.shape}, not {(size,)}", hint=OTHER)
        if name == "A_log" and self._layout.ggml_states:
            if not (values < 0).all():
                raise ModelFileError(f"{key} has values that are not negative", hint=OTHER)
            values = np.log(-values)
        rows = self._value_rows(name)
        return values if rows is None else values[rows]

    def plain_norm(self, role: str, layer: int, size: int) -> Floats:
        """Return the weights of a norm to which nothing is added; an error when they are missing."""
        result = self.vector(role, layer, size=size)
        if result is None:
            raise self._missing(role, layer)
        return result

    def norm(self, role: str, layer: int = 0, size: int = 0) -> Floats:
        """Return the weights of a norm; an error when they are missing."""
        result = self.vector(role, layer, size=size or self.spec.hidden, plus=self._layout.norm_plus)
        if result is None:
            raise self._missing(role, layer)
        if role == "final_norm" and self.spec.logit_scale != 1:  # the head is linear, and has no bias then
            result = result * np.float32(self.spec.logit_scale)
        return result

    def _value_rows(self, role: str) -> NDArray[np.intp] | None:
        """Return the order of rows (of linear_out: columns) of linear attention; None where it is ours."""
        spec = self.spec
        groups = spec.linear_value_heads // max(spec.linear_key_heads, 1)
        if not self._layout.ggml_states or groups == 1:
            return None
        heads = np.arange(spec.linear_value_heads).reshape(groups, -1).T.reshape(-1)
        if role in ("A_log", "dt_bias", "linear_a", "linear_b"):
            return heads
        rows = (heads[:, None] * spec.linear_value_dim + np.arange(spec.linear_value_dim)).reshape(-1)
        if role in ("linear_qkv", "linear_conv"):
            keys = 2 * spec.linear_key_heads * spec.linear_key_dim
            return np.concatenate([np.arange(keys), keys + rows])
        return rows if role in ("linear_z", "linear_out") else None

    def _rotary_order(self, rows: int) -> NDArray[np.intp]:
        return deinterleave_rotary(rows, self.spec.head_dim, self.spec.rotary_dim)

    def _check_bias(self, role: str, layer: int, stored: Tensor | None) -> None:
        """Refuse a bias that the configuration rules out, and the absence of one that it asks for."""
        field = "attention_bias" if role in ("q", "k", "v", "o") else "mlp_bias"
        wanted = getattr(self.spec, field) if role in _PRODUCTS else None
        if wanted is not None and wanted != (stored is not None):
            there = stored.name if stored is not None else f"no bias for {role} of layer {layer}"
            name = "bias" if self.spec.family == "falcon" else field
            raise UnsupportedModel(
                f"the configuration says {name} = {str(wanted).lower()}, and the model file has {there}",
                hint=f'Correct config.json, or pass ignore_config="{name}" to go by the file.',
            )

    def _missing(self, role: str, layer: int) -> ModelFileError:
        """Return the error for a weight that is not there; quantised checkpoints have others in its place."""
        packed = next((name for name in self._tensors if name.endswith(_PACKED)), None)
        if packed is not None:
            return ModelFileError(
                f"the weights are quantized ({packed}), and config.json does not say how",
                hint="Add the quantization_config of the model, or load a GGUF file.",
            )
        return ModelFileError(f"the model file has no {role} weight for layer {layer}", hint=OTHER)

    def check_head(self) -> None:
        """Compare what the configuration says of the head with what the file has.

        Raises:
            UnsupportedModel: the head should be one of its own and is missing, or should be the table of
                embeddings and is another.
        """
        embed, head = self._find("embed", 0, "weight"), self._find("head", 0, "weight")
        hint = 'Correct config.json, or pass ignore_config="tie_word_embeddings" to go by the file.'
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
        return self._stored_name(self._stored_role(role)[0], layer, "weight") is not None

    def _matrix(self, role: str, layer: int, expert: int) -> Tensor | None:
        holder, rows = self._stored_role(role)
        result = self._find(holder, layer, "weight", expert)
        if result is None:
            return None
        if self._layout.transposed and role not in ("embed", "positions", "head"):
            result = result.transposed
        if role.startswith("expert_") and len(result.shape) == 3:
            size = result.shape[1]
            result = result.flat.take(slice(expert * size, (expert + 1) * size))
        if len(result.shape) != 2:
            raise ModelFileError(f"{result.name} has shape {result.shape}", hint=OTHER)
        if rows is not None:
            result = result.take(_checked(rows, result))
        if role.startswith("linear_") and (order := self._value_rows(role)) is not None:
            if len(order) != result.shape[int(role == "linear_out")]:
                raise ModelFileError(f"{result.name} has shape {result.shape}", hint=OTHER)
            if role != "linear_out":
                result = result.take(order)
            else:  # columns cross the blocks of quantized matrices
                result = Tensor.of(result.name, np.ascontiguousarray(result.dequantize()[:, order]))
        if role in ("q", "k") and self._layout.interleaved:
            if result.shape[0] % self.spec.head_dim:
                raise ModelFileError(f"{result.name} has shape {result.shape}", hint=OTHER)
            result = result.take(self._rotary_order(result.shape[0]))
        return result

    def _stored_role(self, role: str) -> tuple[str, NDArray[np.intp] | None]:
        """Return the role under which it is stored, and which rows of that are it; None for all."""
        if self.spec.attention_gate and role in ("q", "q_gate"):
            return "q", gated_rows(self.spec)[role]
        if role in ("q", "k", "v") and role not in self._layout.names:
            return "qkv", qkv_rows(self.spec, self._layout.qkv)[role]
        if role in ("expert_gate", "expert_up") and "expert_gate_up" in self._layout.names:
            return "expert_gate_up", 2 * np.arange(self.spec.expert_ffn) + (role == "expert_up")
        if role in ("gate", "up") and role not in self._layout.names:
            return "gate_up", np.arange(self.spec.ffn) + (self.spec.ffn if role == "up" else 0)
        return role, None

    def _find(self, role: str, layer: int, kind: str, expert: int = 0) -> Tensor | None:
        name = self._stored_name(role, layer, kind, expert)
        return None if name is None else self._tensors[name]

    def _stored_name(self, role: str, layer: int, kind: str, expert: int = 0) -> str | None:
        """Return what the file calls a tensor; None where it has none."""
        name = self._layout.names.get(role)
        if name is None:
            return None
        name = f"{name.format(i=layer, e=expert)}.{kind}"
        return next((prefix + name for prefix in self._prefixes if prefix + name in self._tensors), None)


def _checked(rows: NDArray[np.intp], stored: Tensor) -> NDArray[np.intp]:
    count = stored.shape[0] if len(stored.shape) > 1 else int(np.prod(stored.shape))
    if int(rows.max()) >= count:
        raise ModelFileError(f"{stored.name} has {count} rows, too few", hint=OTHER)
    return rows


def gated_rows(spec: DecoderSpec) -> dict[str, NDArray[np.intp]]:
    """Return which rows of the queries' matrix are queries and which are gates, where each head has both."""
    rows = np.arange(2 * spec.heads * spec.head_dim).reshape(spec.heads, 2, -1)
    return {"q": rows[:, 0].reshape(-1), "q_gate": rows[:, 1].reshape(-1)}


def qkv_rows(spec: DecoderSpec, how: str) -> dict[str, NDArray[np.intp]]:
    """Return which rows of a shared matrix are q, k and v."""
    heads, kv, dim = spec.heads, spec.kv_heads, spec.head_dim
    if how == "stacked":
        ends = np.cumsum([heads * dim, kv * dim, kv * dim])
        return {
            name: np.arange(begin, end) for name, begin, end in zip("qkv", (0, *ends[:2]), ends, strict=True)
        }
    item = heads // kv
    rows = np.arange(kv * (item + 2) * dim).reshape(kv, item + 2, dim)
    return {
        "q": rows[:, :item].reshape(-1),
        "k": rows[:, item].reshape(-1),
        "v": rows[:, item + 1].reshape(-1),
    }


def deinterleave_rotary(rows: int, head_dim: int, rotary_dim: int = 0) -> NDArray[np.intp]:
    """Return the row order from rotary pairs (0 1 | 2 3 | …) to halves (0 2 4 … | 1 3 5 …), per head.

    Args:
        rows: the number of rows of all heads.
        head_dim: the rows of a head.
        rotary_dim: the first rows of a head that are rotated; the others stay. 0 is all.
    """
    order = np.arange(rows).reshape(-1, head_dim)
    rotated = order[:, : rotary_dim or head_dim]
    halves = rotated.reshape(len(order), -1, 2).swapaxes(1, 2).reshape(len(order), -1)
    return np.concatenate([halves, order[:, rotated.shape[1] :]], axis=1).reshape(-1)
