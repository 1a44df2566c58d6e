"""Which files of a repository or folder make a model. Knows names only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath

from ..errors import ModelNotFound, UnsupportedModel, UsageError
from .source import Kind

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
    "chat_template.jinja",
)

# Of several GGUF files the smallest that keeps the model whole, else the largest that is smaller.
_GGUF_ORDER = (
    "Q8_0",
    "Q6_K",
    "Q5_K_M",
    "Q5_K_S",
    "Q5_1",
    "Q5_0",
    "Q4_K_M",
    "Q4_K_S",
    "Q4_1",
    "Q4_0",
    "BF16",
    "F16",
    "F32",
)
_ONNX = ("onnx/model.onnx", "model.onnx")


@dataclass(frozen=True, slots=True)
class Choice:
    """What to fetch: ``files``, and the ``path`` among them that is opened; empty for the folder."""

    kind: Kind
    files: tuple[str, ...]
    path: str = ""


def choose(repository: str, files: Mapping[str, int], file: str | None = None) -> Choice:
    """Safetensors before GGUF before ONNX; ``file`` decides otherwise.

    Args:
        files: name → bytes.

    Raises:
        ModelNotFound: there is no such file, or no model. UsageError: there is a choice to make.
        UnsupportedModel: only weights that this package does not read.
    """
    if file is not None:
        return _named(repository, files, file)
    top = sorted(name for name in files if "/" not in name)
    weights = [name for name in top if name.endswith(".safetensors")]
    if "model.safetensors.index.json" in files:
        return _checkpoint(
            files, [name for name in weights if name.startswith("model-")], "model.safetensors.index.json"
        )
    if "model.safetensors" in weights or len(weights) == 1:
        chosen = "model.safetensors" if "model.safetensors" in weights else weights[0]
        if chosen.startswith("adapter"):
            raise UnsupportedModel(
                f"{repository} is an adapter, no model", hint="load the model that it was made for"
            )
        return _checkpoint(files, [chosen])
    if ggufs := [name for name in top if name.lower().endswith(".gguf")]:
        return _gguf(repository, ggufs)
    for name in _ONNX:
        if name in files:
            return _onnx(files, name)
    onnx = [name for name in files if name.endswith(".onnx")]
    if weights or onnx:
        raise UsageError(
            f"{repository} has several models", hint="choose: file=" + " or ".join(sorted(weights + onnx)[:8])
        )
    if any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in files):
        raise UnsupportedModel(
            f"{repository} has pickled weights only, which can run code when they are read",
            hint="choose a copy in safetensors or GGUF",
        )
    raise ModelNotFound(f"{repository} holds no model", hint="it needs .safetensors, .gguf or .onnx files")


def _named(repository: str, files: Mapping[str, int], file: str) -> Choice:
    if file not in files:
        near = get_close_matches(file, files, 3, 0.3)
        raise ModelNotFound(
            f"{repository} has no file {file!r:.80}",
            hint=f"did you mean {' or '.join(near)}?" if near else "",
        )
    if file.lower().endswith(".gguf"):
        return Choice("gguf", (file,), file)
    if file.endswith(".onnx"):
        return _onnx(files, file)
    if file.endswith(".safetensors"):
        if "/" in file:
            raise UsageError(f"{file} is apart from the model's config.json", hint="choose a file beside it")
        return Choice("safetensors", (*_beside(files), file), file)
    raise UsageError(f"{file} is not a model file", hint="choose a .gguf, .onnx or .safetensors file")


def _beside(files: Mapping[str, int]) -> list[str]:
    return [name for name in ("config.json", *TOKENIZER_FILES) if name in files]


def _checkpoint(files: Mapping[str, int], weights: list[str], *more: str) -> Choice:
    return Choice("safetensors", (*_beside(files), *more, *weights))


def _onnx(files: Mapping[str, int], name: str) -> Choice:
    data = [other for other in files if other.startswith(f"{name}_data") or other.startswith(f"{name}.data")]
    return Choice("onnx", (*_beside(files), name, *sorted(data)), name)


def _gguf(repository: str, names: list[str]) -> Choice:
    whole = [
        name for name in names if "-of-0" not in name and not PurePosixPath(name).name.startswith("mmproj")
    ]
    if len(whole) == 1:
        return Choice("gguf", (whole[0],), whole[0])
    for kind in _GGUF_ORDER:
        fitting = [name for name in whole if name[:-5].upper().replace(".", "-").endswith(f"-{kind}")]
        if len(fitting) == 1:
            return Choice("gguf", (fitting[0],), fitting[0])
    raise UsageError(
        f"{repository} has {len(names)} GGUF files", hint="choose: file=" + " or ".join(names[:8])
    )
