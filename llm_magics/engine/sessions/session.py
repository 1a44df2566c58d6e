"""Open a graph in ONNX Runtime."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ModelFileError
from ..device import CPU, Device, require_provider
from .packed_weights import with_packed
from .threads import default_threads

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def open_session(
    graph: Path | bytes,
    *,
    threads: int,
    patterns: bool,
    hint: str,
    folder: Path | None = None,
    device: Device = CPU,
    cuda_graph: bool = False,
    spin: bool | None = None,
) -> InferenceSession:
    """Return a session of ONNX Runtime.

    Args:
        graph: a file, or its content; its weights lie in ``folder``.
        threads: 0 takes the default of threads.py.
        patterns: keep a plan of the memory for every shape that is seen.
        hint: the hint of the error if the graph cannot be opened.
        folder: the folder of external weights.
        device: where it runs.
        cuda_graph: on a card, let calls be captured as CUDA graphs (caches/captured_step.py).
        spin: whether threads that wait keep their processors for a moment; None takes the default.

    Raises:
        ModelFileError: the graph cannot be loaded; ``hint`` says what to do. UsageError: the device
            cannot be used.
    """
    import onnxruntime as ort

    # Once more, in case it was imported before this package could set the environment.
    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    usual = default_threads()
    options.intra_op_num_threads = threads or usual.count
    if not (usual.spin if spin is None else spin):
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    options.enable_mem_pattern = patterns
    name = graph.name if isinstance(graph, Path) else "the graph with slots"
    folder = folder or (graph.parent if isinstance(graph, Path) else Path())
    if isinstance(graph, bytes):
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    if device.kind == "cuda" and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()  # the CUDA and cuDNN libraries that pip installs lie where no linker looks

    def opened(graph: Path | bytes) -> InferenceSession:
        source = str(graph) if isinstance(graph, Path) else graph
        return ort.InferenceSession(source, options, providers=device.providers(cuda_graph=cuda_graph))

    packed = with_packed(graph, folder) if device.kind == "cpu" else graph
    try:
        if packed is not graph:
            with suppress(Exception):  # of another version of ONNX Runtime: they only save memory
                return opened(packed)
        session = opened(graph)
    except Exception as error:  # ONNX Runtime's own exceptions share no public base class
        raise ModelFileError(
            f"{folder.name}/{name} cannot be loaded: {str(error).splitlines()[0]:.300}", hint=hint
        ) from error
    require_provider(session.get_providers(), device)
    return session
