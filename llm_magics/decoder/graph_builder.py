"""Nodes and weights of a graph in the making.

Large weights go to the file at once and are never all in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..formats.tensors import Floats, Halves
from .quantize import BLOCK, Packed

MS = "com.microsoft"
WEIGHTS_FILE = "weights.bin"
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

    def close(self) -> None:
        self._file.close()

    def constant(self, name: str, array: NDArray[Any]) -> ir.Value:
        array = np.ascontiguousarray(array)
        tensor: ir.TensorProtocol = ir.tensor(array, name=name)
        if array.nbytes > _SMALL:
            # On whole pages, so that they can be mapped.
            self._file.write(b"\0" * (-self._file.tell() % _PAGE))
            begin = self._file.tell()
            array.tofile(self._file)
            tensor = ir.ExternalTensor(
                WEIGHTS_FILE,
                begin,
                array.nbytes,
                tensor.dtype,
                shape=ir.Shape(array.shape),
                name=name,
                base_dir=self._folder,
            )
        value = ir.Value(
            name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor
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

    def linear(
        self, name: str, x: ir.Value, weight: Packed | Floats | Halves, bias: Floats | None = None
    ) -> ir.Value:
        """Multiply by a weight: x (B, S, K) → (B, S, N)."""
        if not isinstance(weight, Packed):
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
        return out if bias is None else self.node("Add", [out, self.constant(f"{name}.bias", bias)])  # type: ignore[no-any-return]

    def _nbits(self, x: ir.Value, parts: list[ir.Value | None], weight: Packed) -> ir.Value:
        return self.node(  # type: ignore[no-any-return]
            "MatMulNBits",
            [x, *parts],
            domain=MS,
            N=len(weight.q),
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

    def tied(self, x: ir.Value, parts: list[ir.Value | None], table: Packed) -> ir.Value:
        """Return the head over the table of :meth:`rows`."""
        self.bytes_per_token += table.nbytes
        return self._nbits(x, parts, table)


def value(name: str, dtype: ir.DataType, *shape: int | str) -> ir.Value:
    """Return an input of a graph."""
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))


def weight_of(node: ir.Node) -> str:
    """Return the name of the weights that a product multiplies by ("qkv.3"); empty for any other node."""
    if node.op_type not in ("MatMul", "MatMulNBits") or len(node.inputs) < 2 or node.inputs[1] is None:
        return ""
    output = node.inputs[1].producer()  # in float16 they are widened first
    source = output.inputs[0] if output is not None and output.op_type == "Cast" else node.inputs[1]
    return ((source.name or "") if source is not None else "").removesuffix(".q")
