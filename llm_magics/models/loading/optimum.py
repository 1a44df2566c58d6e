"""Architectures with no row in families.py.

Exported by optimum, packed in 8 bits, and run by engine/hf_onnx.py.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from ...core import progress
from ...decoder.families import FAMILIES
from ...decoder.quantize import BLOCK, round8
from ...errors import UnsupportedModel, UsageError
from ...formats.config import read_table
from ...sanitize import single_line
from ...sources.select_files import TOKENIZER_FILES

MS = "com.microsoft"
PRECISIONS = ("auto", "int8", "fp32")


def export(source: Path, folder: Path, *, precision: str = "auto") -> None:
    """Export a checkpoint into ``folder``.

    Model.onnx, model.onnx_data, config.json and the tokenizer's files.

    No code of the checkpoint is run, nothing is fetched, and pickled weights are not read.

    Raises:
        UsageError: optimum is not installed, or this way has no such precision.
        UnsupportedModel: optimum cannot export it either.
    """
    config = read_table(source / "config.json")
    _check_exportable(source, config, precision)
    _run_export(source, folder, config.get("model_type"))
    for name in TOKENIZER_FILES:
        if (source / name).is_file() and not (folder / name).exists():
            shutil.copyfile(source / name, folder / name)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    if precision != "fp32":
        _pack(folder / "model.onnx")


def _check_exportable(source: Path, config: dict[str, Any], precision: str) -> None:
    kind = config.get("model_type")
    if precision not in PRECISIONS:
        raise UsageError(
            f"{kind!r:.60} is exported by optimum, which does not support {precision}",
            hint="Use auto, int8 or fp32.",
        )
    if config.get("auto_map"):
        raise UnsupportedModel(
            f"{kind!r:.60} needs trust_remote_code, which is disabled",
            hint="Use a GGUF or ONNX version of the model.",
        )
    if not any(source.glob("*.safetensors")):
        raise UnsupportedModel(
            f"{source.name} has no safetensors files", hint="Choose a copy in safetensors, GGUF or ONNX."
        )


def _run_export(source: Path, folder: Path, kind: object) -> None:
    """Run optimum's export, with no network and no code of the checkpoint."""
    try:
        from optimum.exporters.onnx import main_export
    except ImportError as error:
        raise UsageError(
            f"the architecture {kind!r:.60} is exported by optimum, which is not installed",
            hint="Run pip install 'open-llm-magics[optimum]', or choose one of "
            + ", ".join(sorted(FAMILIES)),
        ) from error
    progress.message(f"exporting {single_line(str(kind))} with optimum; this takes some seconds …")
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's tracer warns of every shape it looks at
            main_export(
                str(source),
                output=folder,
                task="text-generation-with-past",
                framework="pt",
                local_files_only=True,
                trust_remote_code=False,
                do_validation=False,
                no_post_process=True,
            )
    except (ValueError, KeyError, NotImplementedError, AttributeError, TypeError, RuntimeError) as error:
        raise UnsupportedModel(
            f"the architecture {kind!r:.60} is not supported, and optimum cannot export it: "
            f"{str(error)[:200]}",
            hint="Use a GGUF or ONNX version of the model, or choose one of " + ", ".join(sorted(FAMILIES)),
        ) from error
    finally:
        del os.environ["HF_HUB_OFFLINE"]
        if before is not None:
            os.environ["HF_HUB_OFFLINE"] = before


def _pack(path: Path) -> None:
    """Convert every matmul with a constant matrix to MatMulNBits with 8 bits and blocks of 32."""
    import onnx_ir as ir

    model = ir.load(path)
    graph = model.graph
    for node in list(graph):
        result = _matrix(node)
        if result is None or result.shape[0] < BLOCK:
            continue
        packed, name = (
            round8(np.ascontiguousarray(result.T, np.float32)),
            f"{node.name or node.outputs[0].name}.packed",
        )
        x, constants = node.inputs[0], []
        for part, array in (("q", packed.q), ("scales", packed.scales)):
            tensor = ir.tensor(array, name=f"{name}.{part}")
            value = ir.Value(
                name=tensor.name,
                shape=ir.Shape(array.shape),
                type=ir.TensorType(tensor.dtype),
                const_value=tensor,
            )
            graph.register_initializer(value)
            constants.append(value)
        attributes = {
            "N": len(packed.q),
            "K": packed.inputs,
            "bits": 8,
            "block_size": BLOCK,
            "accuracy_level": 4,
        }
        new = [ir.node("MatMulNBits", [x, *constants], attributes, domain=MS, name=name)]
        if node.op_type == "Gemm" and len(node.inputs) > 2 and node.inputs[2] is not None:
            new.append(ir.node("Add", [new[0].outputs[0], node.inputs[2]], name=f"{name}.bias"))
            new[0].outputs[0].name = f"{name}.product"
        old = node.outputs[0]
        out = new[-1].outputs[0]
        out.name, out.shape, out.type = old.name, old.shape, old.type
        ir.convenience.replace_nodes_and_values(graph, node, [node], new, [old], [out])
    graph.opset_imports[MS] = 1
    used = {value.name for node in graph for value in node.inputs if value is not None}
    for name in [name for name in graph.initializers if name not in used]:
        graph.initializers.pop(name)
    output = path.with_name("packed.onnx")
    ir.save(model, output, external_data="packed.onnx_data")
    for old_file in path.parent.glob("model.onnx*"):
        old_file.unlink()
    output.rename(path)


def _matrix(node: Any) -> Any:
    """Return the constant factor (K, N) of a product, or None."""
    if node.op_type not in ("MatMul", "Gemm") or node.domain:
        return None
    weight = node.inputs[1]
    if weight is None or weight.const_value is None or len(weight.const_value.shape) != 2:
        return None
    if node.op_type == "MatMul":
        return weight.const_value.numpy()
    attributes = {name: item.value for name, item in node.attributes.items()}
    if attributes.get("transA") or attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0:
        return None
    array = weight.const_value.numpy()
    return array.T if attributes.get("transB") else array
