"""Weights in the layout of ONNX Runtime's kernels, kept in the file of the weights.

ONNX Runtime packs the matrices of products when a session is made, into memory of the process. Where the
packed bytes are in the file too, it maps them instead: the system may take back such memory, and all
processes and sessions of one model share it. ONNX Runtime finds them by a hash of their content, so that
another processor, which packs in another way, does not take them.

A converted model then has two more files: ``decoder.packed.onnx`` is its graph with the places of the packed
bytes, and ``packed.json`` has these places for other graphs over the same weights.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core import progress
from ...core.files import json_object

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto

log = logging.getLogger(__name__)
GRAPH, PACKED_GRAPH, PLACES = "decoder.onnx", "decoder.packed.onnx", "packed.json"
FILES = (PACKED_GRAPH, PLACES)
_WEIGHTS = "weights.bin"
_PRODUCTS = ("MatMul", "MatMulNBits")
_PAGE = 4096
_SMALLEST = 1 << 16  # bytes of a matrix that is worth an entry
_ENTRY = "prepacked_"  # of the external data of a tensor: KEY|OFFSET;LENGTH;CHECKSUM


def can_map() -> bool:
    """Return whether this is a machine on which mapped packed weights were tested."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def write_packed(folder: Path) -> None:
    """Append the packed matrices of a converted model to its weights, one at a time.

    Nothing is written where this machine cannot map them, or where the disk has no room for them. Packed
    weights only save memory: where they cannot be written, the model is as it was.

    Args:
        folder: has decoder.onnx and weights.bin.
    """
    size = (folder / _WEIGHTS).stat().st_size
    if not can_map() or shutil.disk_usage(folder).free < 2 * size:
        return
    try:
        _write_packed(folder)
    except Exception:  # ONNX Runtime's own exceptions share no public base class
        log.info("the packed weights could not be written", exc_info=True)
        _remove(folder, size)


def _write_packed(folder: Path) -> None:
    import onnx

    model = onnx.load(folder / GRAPH, load_external_data=False)
    places: dict[str, str] = {}
    known: set[str] = set()
    with (folder / _WEIGHTS).open("ab") as file, tempfile.TemporaryDirectory(dir=folder) as scratch:
        matrices = [*_matrices(model.graph)]
        for node, tensor in progress.iterate(matrices, "packing", len(matrices), unit="matrix"):
            key, path, offset, length = _pack(model, node, tensor, folder, Path(scratch))
            if not key or key in known:  # a key that came twice would be refused
                continue
            file.write(b"\0" * (-file.tell() % _PAGE))
            places[tensor.name] = f"{key}|{file.tell()};{length};0"
            known.add(key)
            _copy(path, offset, length, file)
    if not places:
        return
    _add_places(model, places)
    (folder / PACKED_GRAPH).write_bytes(model.SerializeToString())
    (folder / PLACES).write_text(json.dumps(places, indent=1), "utf-8")


def drop_packed(folder: Path, size: int) -> bool:
    """Remove the packed weights of a converted model, which are of one kind of machine.

    Args:
        folder: of the converted model.
        size: of its weights without them, in bytes.

    Returns:
        Whether there were any.
    """
    if not (folder / PLACES).exists():
        return False
    _remove(folder, size)
    return True


def _remove(folder: Path, size: int) -> None:
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
    os.truncate(folder / _WEIGHTS, size)


def with_packed(graph: Path | bytes, folder: Path) -> Path | bytes:
    """Return the same graph with the places of the packed weights in ``folder``, where there are any.

    Args:
        graph: decoder.onnx, or the content of another graph over the same weights.
        folder: of the converted model.
    """
    if not can_map() or not (folder / PLACES).is_file():
        return graph
    if isinstance(graph, Path):
        return folder / PACKED_GRAPH if graph.name == GRAPH else graph
    import onnx

    model = onnx.load_model_from_string(graph)
    _add_places(model, json_object(folder / PLACES))
    return bytes(model.SerializeToString())


def _matrices(graph: GraphProto) -> Iterator[tuple[NodeProto, TensorProto]]:
    """Yield the products with a large matrix in the file, and the matrix; each matrix once."""
    stored = {item.name: item for item in graph.initializer if item.external_data}
    for node in graph.node:
        if node.op_type in _PRODUCTS and len(node.input) > 1:
            tensor = stored.pop(node.input[1], None)
            if tensor is not None and int(_external(tensor)["length"]) >= _SMALLEST:
                yield node, tensor


def _external(tensor: TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _pack(
    model: ModelProto, node: NodeProto, tensor: TensorProto, folder: Path, scratch: Path
) -> tuple[str, Path, int, int]:
    """Let ONNX Runtime pack one matrix, and return its key, and the file, offset and length of its bytes.

    The key is empty where this kernel packs nothing.
    """
    import onnx
    import onnxruntime as ort

    own = {item.name: item for item in model.graph.initializer if item.name in node.input}
    value = onnx.helper.make_tensor_value_info
    inputs = [value(node.input[0], onnx.TensorProto.FLOAT, ["batch", "sequence", None])]
    outputs = [value(node.output[0], onnx.TensorProto.FLOAT, ["batch", "sequence", None])]
    if any(name and name not in own for name in node.input[1:]):
        return "", scratch, 0, 0
    graph = onnx.helper.make_graph([node], "product", inputs, outputs, [*own.values()])
    alone = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    target, blob = scratch / "product.onnx", scratch / "product.bin"
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.optimized_model_filepath = str(target)
    for name, setting in {
        "session.model_external_initializers_file_folder_path": str(folder),
        "session.optimized_model_external_initializers_file_name": blob.name,
        "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
        "session.save_external_prepacked_constant_initializers": "1",
    }.items():
        options.add_session_config_entry(name, setting)
    blob.unlink(missing_ok=True)
    ort.InferenceSession(alone.SerializeToString(), options, providers=["CPUExecutionProvider"])
    saved = onnx.load(target, load_external_data=False)
    for item in saved.graph.initializer:
        entries = [text for name, text in _external(item).items() if name.startswith(_ENTRY)]
        if item.name == tensor.name and len(entries) == 1 and entries[0].count("|") == 1:
            key, _, place = entries[0].partition("|")
            offset, length, _ = place.split(";")
            return key, blob, int(offset), int(length)
    return "", scratch, 0, 0


def _copy(path: Path, offset: int, length: int, target: Any) -> None:
    with path.open("rb") as source:
        source.seek(offset)
        while length:
            part = source.read(min(length, 1 << 22))
            if not part:
                raise OSError(f"{path.name} ends early")
            target.write(part)
            length -= len(part)


def _add_places(model: ModelProto, places: dict[str, Any]) -> None:
    for tensor in model.graph.initializer:
        place = places.get(tensor.name)
        if isinstance(place, str) and tensor.external_data:
            entry = tensor.external_data.add()
            entry.key, entry.value = f"{_ENTRY}0", place
