"""Quantized checkpoints of the Hub: FP8, AWQ, GPTQ and compressed-tensors, as tensors by their usual names.

Integers of 4 or 8 bits keep their bits (kinds INT4 and INT8 of :class:`Tensor`), which MatMulNBits reads as
they are. Everything else becomes float32, one matrix at a time.

Layouts: https://github.com/AutoGPTQ/AutoGPTQ (``qlinear``), https://github.com/casper-hansen/AutoAWQ
(``packing_utils``), https://github.com/vllm-project/compressed-tensors (``compressors``), and transformers'
``finegrained_fp8``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import CHOOSE_COPY, ModelFileError, UnsupportedModel
from ..sanitize import single_line
from .safetensors import Safetensors
from .tensors import GROUP, Floats, Tensor

_AWQ_ORDER = (0, 4, 1, 5, 2, 6, 3, 7)  # where the n-th output of eight lies in its int32
Method = Literal["gptq", "awq", "compressed-tensors", "fp8"]


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the weights of a checkpoint are quantized.

    Attributes:
        method: the method.
        bits: bits of a weight; 0 where a tensor's type says it.
        zero_offset: what is added to stored zero points (1 in GPTQ's first format).
        block: rows and columns of FP8 weights that share a scale.
    """

    method: Method
    bits: int = 0
    zero_offset: int = 0
    block: tuple[int, int] = (128, 128)


def read_quantization(table: Any) -> Quantization | None:
    """Read the ``quantization_config`` of a config.json; None where its tensors tell it themselves.

    Raises:
        UnsupportedModel: the method, or one of its options, is not supported.
    """
    table = table if isinstance(table, dict) else {"quant_method": table}
    method = table.get("quant_method")
    if method == "gptq":
        bits = _choice(table, "bits", (4, 8))
        version = _choice(table, "checkpoint_format", ("gptq", "gptq_v2"), "gptq")
        return Quantization("gptq", bits, int(version == "gptq"))
    if method == "awq":
        _choice(table, "version", ("gemm",), "gemm")
        return Quantization("awq", _choice(table, "bits", (4,), table.get("w_bit", 4)))
    if method == "compressed-tensors":
        return Quantization("compressed-tensors", block=_check_compressed(table))
    if method == "mxfp4":  # of gpt-oss: its tensors have names of their own (formats/gpt_oss.py)
        return None
    if method == "fp8":
        _choice(table, "fmt", ("e4m3",), "e4m3")
        return Quantization("fp8", block=_block(table.get("weight_block_size")))
    raise _unsupported(f"weights quantized by {single_line(str(method), most=40)}")


def _choice(table: Mapping[str, Any], key: str, known: tuple[Any, ...], default: Any = None) -> Any:
    value = table.get(key, default)
    value = value.lower() if isinstance(value, str) else value
    if isinstance(value, bool) or value not in known:
        raise _unsupported(f"{key} = {single_line(repr(value), most=40)} of {table.get('quant_method')}")
    return value


def _block(value: Any) -> tuple[int, int]:
    """Return the block of FP8 weights that share a scale."""
    if value is None:
        return 128, 128
    sizes = value if isinstance(value, list) else []
    if len(sizes) != 2 or not all(type(size) is int and 0 < size <= 1 << 20 for size in sizes):
        raise _unsupported(f"a weight block of {single_line(repr(value), most=40)}")
    return sizes[0], sizes[1]


def _check_compressed(table: Mapping[str, Any]) -> tuple[int, int]:
    """Check the groups of compressed-tensors; what is asked of activations changes no weight.

    Returns:
        The block of FP8 weights that share a scale.
    """
    groups = table.get("config_groups")
    if not isinstance(groups, dict) or not all(isinstance(group, dict) for group in groups.values()):
        raise _unsupported("compressed-tensors without config_groups")
    known = ("pack-quantized", "int-quantized", "float-quantized", "naive-quantized")
    for group in (table, *groups.values()):
        form = group.get("format")
        if form is not None and form not in known:
            raise _unsupported(f"the format {single_line(repr(form), most=40)} of compressed-tensors")
    block = (128, 128)
    for group in groups.values():
        weights = group.get("weights") or {}
        if not isinstance(weights, dict):
            raise _unsupported("compressed-tensors without weights in a group")
        bits, kind = weights.get("num_bits"), weights.get("type", "int")
        if (kind, bits) not in (("int", 4), ("int", 8), ("float", 8)):
            raise _unsupported(f"{bits!r:.20} bits of type {kind!r:.20} in compressed-tensors")
        block = _block(weights.get("block_structure"))
    sparsity = table.get("sparsity_config") or {}
    if isinstance(sparsity, dict) and sparsity.get("format", "dense") != "dense":
        raise _unsupported("sparse weights of compressed-tensors")
    if table.get("transform_config"):
        raise _unsupported("transform_config of compressed-tensors")
    return block


def _unsupported(what: str) -> UnsupportedModel:
    verb = "are" if what.startswith(("weights", "sparse")) else "is"
    return UnsupportedModel(
        f"{what} {verb} not supported yet",
        hint="Load the model's unquantized checkpoint, or a GGUF file.",
    )


class QuantizedTensors(Mapping[str, Tensor]):
    """The tensors of a quantized checkpoint by their usual names, ``….weight``.

    Args:
        tensors: of the files.
        quantization: how they are quantized.
    """

    def __init__(self, tensors: Safetensors, quantization: Quantization) -> None:
        self._tensors, self._quantization = tensors, quantization
        self._weight = lru_cache(maxsize=2)(self._decoded)  # several roles may share one matrix
        self.release = tensors.release

    def __getitem__(self, name: str) -> Tensor:
        stem, _, kind = name.rpartition(".")
        if kind == "weight" and self._is_packed(stem):
            return self._weight(stem)
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        packed = {f"{name.rpartition('.')[0]}.weight" for name in self._tensors if name.endswith(_PARTS)}
        return iter({*packed, *(name for name in self._tensors if not name.endswith(_PARTS))})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        """Return whether there is a tensor of that name, with nothing decoded."""
        stem, _, kind = str(name).rpartition(".")
        return (kind == "weight" and self._is_packed(stem)) or name in self._tensors

    def _is_packed(self, stem: str) -> bool:
        return any(f"{stem}{part}" in self._tensors for part in _PARTS)

    def _part(self, stem: str, part: str) -> NDArray[Any] | None:
        name = f"{stem}.{part}"
        return self._tensors.array(name) if name in self._tensors else None

    def _needed(self, stem: str, part: str) -> NDArray[Any]:
        result = self._part(stem, part)
        if result is None:
            raise ModelFileError(f"the checkpoint has no {stem}.{part}", hint=CHOOSE_COPY)
        return result

    def _decoded(self, stem: str) -> Tensor:
        decode = {
            "gptq": self._gptq,
            "awq": self._awq,
            "compressed-tensors": self._compressed,
            "fp8": self._float8,
        }[self._quantization.method]
        try:
            return decode(stem)
        except (ValueError, IndexError) as error:
            raise ModelFileError(
                f"the quantized weight {stem} is damaged: {str(error)[:100]}", hint=CHOOSE_COPY
            ) from error

    def _gptq(self, stem: str) -> Tensor:
        bits = self._quantization.bits
        q = unpack_bits(self._needed(stem, "qweight").T, bits)  # stored (in / 8, out)
        zeros = unpack_bits(self._needed(stem, "qzeros"), bits).T
        shifted = (zeros.astype(np.int16) + self._quantization.zero_offset) & ((1 << bits) - 1)
        return affine(stem, q, self._needed(stem, "scales").T, shifted, bits, self._part(stem, "g_idx"))

    def _awq(self, stem: str) -> Tensor:
        q, zeros = (
            unpack_bits(self._needed(stem, part), 4).reshape(-1, 8)[:, _AWQ_ORDER]
            for part in ("qweight", "qzeros")
        )
        scales = self._needed(stem, "scales")  # (groups, out)
        out = scales.shape[1]
        return affine(stem, q.reshape(-1, out).T, scales.T, zeros.reshape(-1, out).T, 4, None)

    def _compressed(self, stem: str) -> Tensor:
        packed, scales = self._part(stem, "weight_packed"), self._needed(stem, "weight_scale")
        if packed is None:
            if self._tensors.kind(f"{stem}.weight") != "I8":
                return self._float8(stem)
            q = (self._needed(stem, "weight").astype(np.int16) + 128).astype(np.uint8)
            bits, columns = 8, q.shape[1]
        else:
            columns = int(self._needed(stem, "weight_shape")[1])
            bits = 4 if packed.shape[1] * 8 - columns in range(8) else 8
            q = unpack_bits(packed, bits)[:, :columns]
        scales = scales.reshape(len(scales) if scales.ndim else 1, -1)
        scales = np.broadcast_to(scales, (len(q), scales.shape[1]))
        zeros = self._part(stem, "weight_zero_point")
        middle = 1 << (bits - 1)
        if zeros is None:
            zeros = np.full(scales.shape, middle)
        elif zeros.dtype == np.int32:  # packed along the outputs
            zeros = unpack_bits(zeros.T, bits).T[: len(q)]
        else:
            zeros = np.broadcast_to(zeros.reshape(len(zeros), -1).astype(np.int16) + middle, scales.shape)
        return affine(stem, q, scales, zeros, bits, self._part(stem, "weight_g_idx"))

    def _float8(self, stem: str) -> Tensor:
        """Decode E4M3 with one scale for the whole, for each row, or for each block."""
        if self._tensors.kind(f"{stem}.weight") != "F8_E4M3":
            return self._tensors[f"{stem}.weight"]
        weight = E4M3[self._needed(stem, "weight")]
        scale = self._part(stem, "weight_scale_inv")
        scale = self._needed(stem, "weight_scale") if scale is None else scale
        scale = scale.reshape(scale.shape if scale.ndim == 2 else (-1, 1)).astype(np.float32)
        wide, shape = scale, tuple(map(int, scale.shape))
        for axis, block in enumerate(self._quantization.block):
            length, parts = weight.shape[axis], shape[axis]
            wide = wide.repeat(length if parts == 1 else 1 if parts == length else block, axis)
        wide = wide[: len(weight), : weight.shape[1]]
        if wide.shape != weight.shape:
            raise ValueError(f"scales {scale.shape} do not fit {weight.shape}")
        return Tensor.of(stem, weight * wide)


_PARTS = (".qweight", ".weight_packed", ".weight_scale", ".weight_scale_inv")


def unpack_bits(packed: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Return the values of int32 rows, ``32 / bits`` of each, the lowest bits first."""
    words = np.ascontiguousarray(packed).view(np.uint32)
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    values = (words[..., None] >> shifts) & np.uint32((1 << bits) - 1)
    return values.astype(np.uint8).reshape(*packed.shape[:-1], -1)


def affine(
    name: str,
    q: NDArray[np.uint8],
    scales: NDArray[Any],
    zeros: NDArray[Any],
    bits: int,
    groups: NDArray[Any] | None,
) -> Tensor:
    """Return the matrix scale · (q − zero) as a tensor that keeps its bits where its groups allow.

    Args:
        name: of the matrix.
        q: (out, in), unsigned.
        scales: (out, groups).
        zeros: (out, groups), unsigned.
        bits: 4 or 8.
        groups: (in,), the group of each input; None where groups are stretches of equal length.
    """
    out, inputs = q.shape
    if scales.shape != zeros.shape or len(scales) != out or not scales.shape[1]:
        raise ValueError(f"scales {scales.shape} and zeros {zeros.shape} do not fit {q.shape}")
    count: int = scales.shape[1]
    size = -(-inputs // count)
    in_order = groups is None or bool((groups == np.arange(inputs) // size).all())
    if groups is None:
        groups = np.arange(inputs) // size
    if groups.shape != (inputs,) or int(groups.min()) < 0 or int(groups.max()) >= count:
        raise ValueError(f"{count} groups do not fit {q.shape}")
    scales = scales.astype(np.float32)
    exact = in_order and inputs % GROUP == 0 and size % GROUP == 0
    if exact and bits == 8:
        exact = bool((zeros == 128).all())
    if not exact:
        return Tensor.of(name, (q.astype(np.float32) - zeros[:, groups]) * scales[:, groups])
    blocks = groups[::GROUP]
    return Tensor.of_integers(name, q, scales[:, blocks], zeros[:, blocks], bits)


def _e4m3() -> Floats:
    """Return the values of the 256 codes (Micikevicius et al. 2022, arXiv:2209.05433): no infinities."""
    codes = np.arange(256)
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    values = np.where(exponent == 0, mantissa / 8 * 2.0**-6, (1 + mantissa / 8) * 2.0 ** (exponent - 7.0))
    values = np.where((codes & 127) == 127, np.nan, values)
    return np.where(codes >> 7, -values, values).astype(np.float32)


E4M3 = _e4m3()


def with_quantization(tensors: Safetensors, quantization: Quantization | None) -> Mapping[str, Tensor]:
    """Return the tensors of a checkpoint by their usual names."""
    return tensors if quantization is None else QuantizedTensors(tensors, quantization)
