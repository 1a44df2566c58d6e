"""Nodes and weights of a graph in the making.

Large weights go to the file at once and are never all in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import UnsupportedModel
from ..formats.tensors import Floats, Halves, Tensor, iterate_rows
from .precision import Precision
from .quantize import BLOCK, CHUNK, Packed
from .smoothquant import Smoothed

MS = "com.microsoft"
WEIGHTS_FILE = "weights.bin"
# The first ONNX Runtime whose CPU provider has GatedDeltaNet, CausalConvWithState and MoEGroupRouter; whose
# GroupQueryAttention has an int8 cache there.
NEW_OPERATORS = (1, 32)
_PAGE = 4096
_SMALL = 1024  # bytes: what stays inside the .onnx file


class GraphBuilder:
    """Collects nodes and initialisers, and counts the bytes a decoded token reads.

    Args:
        folder: where ``weights.bin`` is written.
        accuracy_level: of the products with packed weights: 4 takes 8-bit activations, 0 floats.
    """

    def __init__(self, folder: Path, *, accuracy_level: int = 4) -> None:
        self.nodes: list[ir.Node] = []
        self.initializers: list[ir.Value] = []
        self.bytes_per_token = 0
        self._folder, self._accuracy = folder, accuracy_level
        self._file = open(folder / WEIGHTS_FILE, "wb")  # noqa: SIM115  closed by close()
        self._meant: dict[ir.Value, ir.Value] = {}
        self._extended: dict[ir.Value, ir.Value] = {}
        self._scalars: dict[str, ir.Value] = {}

    def close(self) -> None:
        self._file.close()

    def constant(self, name: str, array: NDArray[Any]) -> ir.Value:
        array = np.ascontiguousarray(array)
        if array.nbytes > _SMALL:
            return self._external(name, [array], len(array))
        return self._initializer(name, ir.tensor(array, name=name), array.shape)

    def _external(self, name: str, parts: Iterable[NDArray[Any]], rows: int) -> ir.Value:
        """Write an array to the file, some of its rows after the other; on whole pages, to be mapped."""
        self._file.write(b"\0" * (-self._file.tell() % _PAGE))
        begin, part = self._file.tell(), np.empty(0)
        for part in parts:
            np.ascontiguousarray(part).tofile(self._file)
        shape = rows, *part.shape[1:]
        tensor = ir.ExternalTensor(
            WEIGHTS_FILE,
            begin,
            self._file.tell() - begin,
            ir.DataType.from_numpy(part.dtype),
            shape=ir.Shape(shape),
            name=name,
            base_dir=self._folder,
        )
        return self._initializer(name, tensor, shape)

    def _initializer(self, name: str, tensor: ir.TensorProtocol, shape: Sequence[int]) -> ir.Value:
        value = ir.Value(
            name=name, shape=ir.Shape(shape), type=ir.TensorType(tensor.dtype), const_value=tensor
        )
        self.initializers.append(value)
        return value

    def shape(self, *sizes: int) -> ir.Value:
        """Return a constant list of sizes, as Reshape and its like want it."""
        return self.constant(f"shape.{len(self.initializers)}", np.array(sizes, np.int64))

    def node(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        outputs: int = 1,
        domain: str = "",
        **attributes: Any,
    ) -> Any:
        node = ir.node(
            op, inputs, attributes, domain=domain, num_outputs=outputs, name=f"{op}.{len(self.nodes)}"
        )
        for index, value in enumerate(node.outputs):
            value.name = f"{node.name}.{index}"
        self.nodes.append(node)
        return node.outputs[0] if outputs == 1 else node.outputs

    def _mean(self, x: ir.Value) -> ir.Value:
        """Add the means of blocks of 32: x (B, S, K) → (B, S, K/32). All readers of x share the node."""
        if x not in self._meant:
            self._meant[x] = self.node("AveragePool", [x], kernel_shape=[BLOCK], strides=[BLOCK])
        return self._meant[x]

    def _with_means(self, x: ir.Value) -> ir.Value:
        """Append the block means to x: (B, S, K) → (B, S, K + K/32)."""
        if x not in self._extended:
            self._extended[x] = self.node("Concat", [x, self._mean(x)], axis=-1)
        return self._extended[x]

    def floats(self, name: str, array: Floats | Halves) -> ir.Value:
        """Return a float32 value; what is stored in float16 is widened once, when the session is made."""
        constant = self.constant(name, array)
        return (
            constant
            if array.dtype == np.float32
            else self.node("Cast", [constant], to=int(ir.DataType.FLOAT))
        )

    def table(self, name: str, table: Tensor, recipe: Precision) -> ir.Value:
        """Return a table as float32 values, stored as the precision wants; written some rows at a time."""
        parts = (recipe.half(part.dequantize()) for part in iterate_rows([table], _rows_of(table)))
        stored = self._external(name, parts, table.shape[0])
        halves = recipe.precision == "fp16"
        return self.node("Cast", [stored], to=int(ir.DataType.FLOAT)) if halves else stored

    def linear(
        self, name: str, x: ir.Value, weight: Packed | Smoothed | Floats | Halves, bias: Floats | None = None
    ) -> ir.Value:
        """Multiply by a weight: x (B, S, K) → (B, S, N)."""
        if isinstance(weight, Smoothed):
            self.bytes_per_token += weight.nbytes
            out = self._smoothed(name, x, weight)
        elif not isinstance(weight, Packed):
            self.bytes_per_token += weight.size * 4
            out = self.node("MatMul", [x, self.floats(name, weight)])
        else:
            self.bytes_per_token += weight.nbytes
            parts = [self.constant(f"{name}.q", weight.q), self.constant(f"{name}.scales", weight.scales)]
            zeros = None if weight.zeros is None else self.constant(f"{name}.zeros", weight.zeros)
            out = self._nbits(self._with_means(x) if weight.means else x, [*parts, zeros], weight)
            if weight.offsets is not None:
                offsets = self.constant(f"{name}.offsets", weight.offsets)
                out = self.node("Add", [out, self.node("MatMul", [self._mean(x), offsets])])
        return out if bias is None else self.node("Add", [out, self.constant(f"{name}.bias", bias)])

    def _smoothed(self, name: str, x: ir.Value, weight: Smoothed) -> ir.Value:
        """Round every token to 8 bits with a scale of its own, and multiply in integers."""
        scaled = self.node("Mul", [x, self.constant(f"{name}.inverse", weight.inverse)])
        axis = self._scalar("last_axis", np.array([-1]))
        largest = self.node("ReduceMax", [self.node("Abs", [scaled]), axis])
        scale = self.node("Mul", [largest, self._scalar("step", np.array(1 / 127, np.float32))])
        scale = self.node("Max", [scale, self._scalar("least", np.array(1e-12, np.float32))])
        one = self._scalar("one", np.array(1, np.float32))
        middle = self._scalar("middle", np.array(128, np.uint8))
        rounded = self.node("QuantizeLinear", [self.node("Div", [scaled, scale]), one, middle])
        product = self.node("MatMulInteger", [rounded, self.constant(f"{name}.q", weight.q), middle])
        out = self.node("Cast", [product], to=int(ir.DataType.FLOAT))
        out = self.node("Mul", [out, self.constant(f"{name}.scales", weight.scales)])
        return self.node("Mul", [out, scale])  # type: ignore[no-any-return]

    def _scalar(self, name: str, array: NDArray[Any]) -> ir.Value:
        """Return a small constant; all nodes share it."""
        if name not in self._scalars:
            self._scalars[name] = self.constant(f"smoothed.{name}", array)
        return self._scalars[name]

    def _nbits(self, x: ir.Value, parts: list[ir.Value | None], weight: Packed) -> ir.Value:
        return self.node(  # type: ignore[no-any-return]
            "MatMulNBits",
            [x, *parts],
            domain=MS,
            N=len(weight.scales),
            K=weight.inputs,
            bits=weight.bits,
            block_size=BLOCK,
            accuracy_level=self._accuracy,
        )

    def rows(self, name: str, table: Packed, ids: ir.Value) -> tuple[ir.Value, list[ir.Value | None]]:
        """Look up rows (B, S, K) of a packed table without zero points; return its parts too."""
        blocks = table.scales.shape[1]
        q, scales = self.constant(f"{name}.q", table.q), self.constant(f"{name}.scales", table.scales)
        row_scales = self.constant(f"{name}.row_scales", table.scales[..., None])
        how = {"bits": table.bits, "block_size": BLOCK, "quantize_axis": 2}
        rows = self.node("GatherBlockQuantized", [q, ids, row_scales], domain=MS, **how)
        rows = self.node("Reshape", [rows, self.shape(0, 0, blocks * BLOCK)])
        return rows, [q, scales, None]

    def lookup(self, name: str, table: Tensor, recipe: Precision, ids: ir.Value) -> ir.Value:
        """Look up rows (B, S, K) of a table that is large and read nowhere else.

        It is packed some rows at a time; no copy of all of it is ever in memory.
        """
        count = table.shape[0]
        written: list[Packed] = []  # without their q

        def parts() -> Iterator[NDArray[Any]]:
            for rows in iterate_rows([table], _rows_of(table)):
                part = recipe.lookup(rows)
                if isinstance(part, Packed):
                    written.append(replace(part, q=part.q[:0]))
                    yield part.q.reshape(len(part.q), -1)
                else:
                    yield part

        rows = self._external(f"{name}.q", parts(), count)
        if not written:
            return self.node("Cast", [self.node("Gather", [rows, ids])], to=int(ir.DataType.FLOAT))  # type: ignore[no-any-return]
        inputs = [rows, ids, self._external(f"{name}.scales", (part.scales for part in written), count)]
        if written[0].zeros is not None:
            zeros = (part.zeros for part in written if part.zeros is not None)
            inputs.append(self._external(f"{name}.zeros", zeros, count))
        how = {"bits": written[0].bits, "block_size": BLOCK, "quantize_axis": 1}
        return self.node("GatherBlockQuantized", inputs, domain=MS, **how)  # type: ignore[no-any-return]

    def experts(self, name: str, parts: Iterable[Packed | Floats], count: int) -> tuple[list[ir.Value], int]:
        """Write the matrices of experts one below the other; one of them at a time is in memory.

        Args:
            name: of the weights.
            parts: the matrix of each expert, all packed or all floats.
            count: the number of experts.

        Returns:
            The inputs of the node, (count, N, …), and their size in bytes.
        """
        scales: list[Floats] = []
        nbytes = 0

        def written() -> Iterator[NDArray[Any]]:
            nonlocal nbytes
            for part in parts:
                if isinstance(part, Packed):
                    scales.append(part.scales)
                    nbytes += part.nbytes
                    yield part.q.reshape(1, len(part.q), -1)
                else:
                    nbytes += part.nbytes
                    yield part[None]

        weights = self._external(name, written(), count)
        if not scales:
            return [weights], nbytes
        return [weights, self.constant(f"{name}.scales", np.stack(scales))], nbytes

    def tied(self, x: ir.Value, parts: list[ir.Value | None], table: Packed, nbytes: int) -> ir.Value:
        """Return the head over the table of :meth:`rows`, of so many bytes."""
        self.bytes_per_token += nbytes
        return self._nbits(x, parts, table)


def _rows_of(table: Tensor) -> int:
    """Return how many rows of a table are turned into floats at once."""
    return max(1, CHUNK // table.shape[1])


def value(name: str, dtype: ir.DataType, *shape: int | str) -> ir.Value:
    """Return an input of a graph."""
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))


def has_new_operators() -> bool:
    """Return whether ONNX Runtime has the operators of :data:`NEW_OPERATORS`."""
    import onnxruntime

    return tuple(int(part) for part in onnxruntime.__version__.split(".")[:2]) >= NEW_OPERATORS


def require_new_operators(what: str) -> None:
    """Check the version of ONNX Runtime for something that needs its newer operators.

    Raises:
        UnsupportedModel: it is too old.
    """
    import onnxruntime

    if not has_new_operators():
        wanted = ".".join(map(str, NEW_OPERATORS))
        raise UnsupportedModel(
            f"{what} needs ONNX Runtime {wanted}, and this is {onnxruntime.__version__}",
            hint=f"Use Python 3.11 or newer, and run pip install 'onnxruntime>={wanted}'.",
        )
