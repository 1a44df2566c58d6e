"""ONNX models that are ready to run.

Used as they are, once their files are seen to stay where they belong.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.files import stays_inside
from ...core.records import ModelInfo
from ...errors import CHOOSE_COPY, ModelFileError, UnsupportedModel
from ...formats.config import read_table
from ...formats.tokenizers.folder import spec_from_folder
from ...sources import store

if TYPE_CHECKING:
    from ..model import Model

_CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len")
_VOCAB = ("vocab_size", "n_vocab")
MAX_GRAPH = 2 << 30  # bytes of the .onnx file itself: what protobuf can hold


def open_onnx(path: Path, info: ModelInfo, *, threads: int) -> Model:
    """Return a model around a graph that others exported.

    Args:
        path: of the .onnx file; config.json and the tokenizer lie next to it, or one folder up.
        info: the model in the record.
        threads: number of threads.

    Raises:
        ModelFileError: a file is missing, damaged, or keeps its weights elsewhere. UnsupportedModel: it is no
            decoder.
    """
    from ...engine.hf_onnx import ExportedEngine
    from ...engine.tokenizer import TextTokenizer
    from ..model import Model

    folder = next(
        (place for place in (path.parent, path.parent.parent) if (place / "config.json").is_file()), None
    )
    if folder is None:
        raise ModelFileError(
            f"config.json is missing in the folder of {path.name}",
            hint="Add it, with the files of the tokenizer.",
        )
    raw = read_table(folder / "config.json")
    inner = raw.get("text_config")
    config = {**raw, **inner} if isinstance(inner, dict) else raw
    tokens = spec_from_folder(folder)
    graph, size = _checked(path)
    engine = ExportedEngine(
        graph,
        vocab_size=_int_field(config, _VOCAB, 1 << 21),
        context_length=_int_field(config, _CONTEXT, 1 << 24, 2048),
        threads=threads,
    )
    tokenizer = TextTokenizer.from_text(
        tokens.json,
        bos_id=tokens.bos_id,
        eos_id=tokens.eos_id,
        eos_ids=tokens.eos_ids,
        add_bos=tokens.add_bos,
    )
    precision = info.precision or "as exported"
    return Model(
        engine,
        tokenizer,
        replace(info, precision=precision),
        template=tokens.template,
        sampling=tokens.sampling,
        weights_bytes=size,
        bytes_per_token=size,
    )


def _checked(path: Path) -> tuple[Path, int]:
    """Return a path that ONNX Runtime may open, and the bytes of graph and weights.

    Weights in files of their own must lie in the graph's folder. In the Hub's cache these are links to
    elsewhere, which ONNX Runtime refuses: such a model is linked, or copied, into a folder of our own.

    Raises:
        ModelFileError: the graph is damaged, or names files outside its folder.
    """
    import onnx_ir as ir

    try:
        if path.stat().st_size > MAX_GRAPH:
            raise ValueError("it is too large")
        model = ir.load(path)
        values = [value.const_value for graph in model.graphs() for value in graph.initializers.values()]
        names = {str(tensor.location) for tensor in values if isinstance(tensor, ir.ExternalTensor)}
        loops = _loops(model)
    except Exception as error:  # protobuf's errors, and whatever a damaged graph brings about
        raise ModelFileError(
            f"{path.name} cannot be read: {str(error)[:200]}", hint="Export the model again."
        ) from error
    _refuse_loops(loops, path)
    for name in names:
        if not stays_inside(name):
            raise ModelFileError(
                f"{path.name} refers to weights outside of its folder: {name!r:.80}",
                hint="Use another source: the file is suspicious.",
            )
        if not (path.parent / name).is_file():
            raise ModelFileError(
                f"{path.name} refers to missing weights: {name!r:.80}",
                hint="Add that file.",
            )
    files = [path, *(path.parent / name for name in names)]
    for file in files:
        if not _stays_inside(file, path.parent.resolve()):
            raise ModelFileError(
                f"{file.name} is a link to another folder",
                hint="Copy the files of the model into one folder.",
            )
    size = sum(file.stat().st_size for file in files)
    if not names or not any(file.is_symlink() for file in files):
        return path, size
    key = hashlib.sha256("\0".join(str(file.resolve()) for file in files).encode()).hexdigest()[:24]

    def build(target: Path) -> None:
        for file in files:
            place = target / file.relative_to(path.parent)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(file.resolve(), place)
            except OSError:  # another disk
                shutil.copyfile(file, place)

    return store.ensure(f"linked/{key}", build) / path.name, size


def check_saved_graph(path: Path) -> None:
    """Refuse a saved model's graph that could run without end: those that this package writes have no loops.

    Raises:
        ModelFileError: it has one, or is damaged.
    """
    import onnx_ir as ir

    try:
        if path.stat().st_size > MAX_GRAPH:
            raise ValueError("it is too large")
        loops = _loops(ir.load(path))
    except Exception as error:  # protobuf's errors, and whatever a damaged graph brings about
        raise ModelFileError(
            f"{path} cannot be read: {str(error)[:200]}", hint="Save the model again."
        ) from error
    _refuse_loops(loops, path)


_LOOPS = {"Loop", "Scan", "SequenceMap"}


def _loops(model: Any) -> set[str]:
    """Return the operators in it that run others over and over: no interrupt ends them."""
    graphs = [*model.graphs(), *model.functions.values()]
    return {node.op_type for graph in graphs for node in graph} & _LOOPS


def _refuse_loops(loops: set[str], path: Path) -> None:
    if loops:
        raise UnsupportedModel(
            f"{path.name} has a {min(loops)}, which may run forever and cannot be interrupted",
            hint="Choose another export of the model.",
        )


def _stays_inside(file: Path, folder: Path) -> bool:
    """Return whether a file lies in the model's folder.

    In the Hub's cache it is a link into the repository's blobs.
    """
    real = file.resolve()
    blobs = real.parent
    return real.is_relative_to(folder) or (
        blobs.name == "blobs" and folder.is_relative_to(blobs.parent / "snapshots")
    )


def _int_field(
    config: dict[str, object], keys: tuple[str, ...], most: int, default: int | None = None
) -> int:
    value = next((config[key] for key in keys if config.get(key) is not None), default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ModelFileError(f"config.json has {keys[0]} = {value!r:.60}", hint=CHOOSE_COPY)
    return value
