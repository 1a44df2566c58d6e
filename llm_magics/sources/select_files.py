"""Which files of a repository or folder make a model. Knows names only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath

from ..core.files import INDEX
from ..errors import (
    CHOOSE_COPY,
    ModelFileError,
    ModelNotFound,
    UnsupportedModel,
    UsageError,
)
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
    "chat_template.json",
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


_LICENSE_TEXT = re.compile(
    r"(licen[cs]e|notice|copying|(acceptable_|prohibited_)?use_policy)[^/]*", re.IGNORECASE
)
_TEXT_BYTES = 1 << 20


def is_license_text(name: str, size: int) -> bool:
    """Return whether a file is a license text, a notice or a use policy.

    Args:
        name: of the file in its repository or folder.
        size: in bytes.
    """
    return 0 < size <= _TEXT_BYTES and _LICENSE_TEXT.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What to fetch: ``files``, and the ``path`` among them that is opened; empty for the folder."""

    kind: Kind
    files: tuple[str, ...]
    path: str = ""


def select_files(
    repository: str,
    files: Mapping[str, int],
    file: str | None = None,
    *,
    shards: Callable[[str], Iterable[str]],
) -> ModelFiles:
    """Select the files of a model: safetensors before GGUF before ONNX, unless ``file`` is set.

    Args:
        repository: the repository, for messages.
        files: name → bytes.
        file: the file that the user chose, or None.
        shards: reads the index of that name: the files that hold tensors.

    Raises:
        ModelNotFound: there is no such file, or no model. UsageError: there is a choice to make.
        UnsupportedModel: only weights that this package does not read.
    """
    if file is not None:
        return _select_named(repository, files, file)
    top = sorted(name for name in files if "/" not in name)
    weights = [name for name in top if name.endswith(".safetensors")]
    if INDEX in files and "model.safetensors" not in weights:
        names = sorted({*shards(INDEX)})
        if missing := [name for name in names if name not in files]:
            raise ModelFileError(
                f"{repository} has no {missing[0]}, which {INDEX} names",
                hint=CHOOSE_COPY,
            )
        return _checkpoint(files, names, INDEX)
    if "model.safetensors" in weights or len(weights) == 1:
        chosen = "model.safetensors" if "model.safetensors" in weights else weights[0]
        if chosen.startswith("adapter"):
            raise UnsupportedModel(
                f"{repository} contains an adapter, not a model",
                hint="Load its base model, and pass the adapter.",
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
            f"{repository} has several models", hint="Choose file=" + " or ".join(sorted(weights + onnx)[:8])
        )
    if inner := sorted({name.split("/")[0] for name in files if name.endswith("/model.safetensors")}):
        raise ModelNotFound(
            f"{repository} has models only in its folders {', '.join(inner[:8])}",
            hint=f"Name that folder: {repository}/{inner[-1]}.",
        )
    if any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in top):
        raise UnsupportedModel(
            f"{repository} has only pickled weights, which can run code",
            hint="Choose a copy in safetensors or GGUF.",
        )
    raise ModelNotFound(
        f"{repository} has no model", hint="Choose a repository with .safetensors, .gguf or .onnx files."
    )


def _select_named(repository: str, files: Mapping[str, int], file: str) -> ModelFiles:
    if file not in files:
        near = get_close_matches(file, files, 3, 0.3)
        raise ModelNotFound(
            f"{repository} has no file {file!r:.80}",
            hint=f"Did you mean {' or '.join(near)}?" if near else "",
        )
    if file.lower().endswith(".gguf"):
        return ModelFiles("gguf", _parts(repository, files, file), _first(file))
    if file.endswith(".onnx"):
        return _onnx(files, file)
    if file.endswith(".safetensors"):
        if "/" in file:
            raise UsageError(
                f"{file} is not in the folder of config.json", hint="Choose a file in that folder."
            )
        return ModelFiles("safetensors", (*_support_files(files), file), file)
    raise UsageError(f"{file} is not a model file", hint="Choose a .gguf, .onnx or .safetensors file.")


def _support_files(files: Mapping[str, int]) -> list[str]:
    return [name for name in ("config.json", *TOKENIZER_FILES) if name in files]


def _checkpoint(files: Mapping[str, int], weights: list[str], *more: str) -> ModelFiles:
    return ModelFiles("safetensors", (*_support_files(files), *more, *weights))


def _onnx(files: Mapping[str, int], name: str) -> ModelFiles:
    data = [other for other in files if other.startswith(f"{name}_data") or other.startswith(f"{name}.data")]
    return ModelFiles("onnx", (*_support_files(files), name, *sorted(data)), name)


def _gguf(repository: str, names: list[str]) -> ModelFiles:
    models = [name for name in names if not PurePosixPath(name).name.startswith("mmproj")]
    whole = sorted({_first(name) for name in models})

    def one(name: str) -> ModelFiles:
        return ModelFiles("gguf", _parts(repository, names, name), name)

    if len(whole) == 1:
        return one(whole[0])
    for kind in _GGUF_ORDER:
        fitting = [name for name in whole if _stem(name).upper().replace(".", "-").endswith(f"-{kind}")]
        if len(fitting) == 1:
            return one(fitting[0])
    raise UsageError(
        f"{repository} has {len(names)} GGUF files", hint="Choose file=" + " or ".join(names[:8])
    )


# A GGUF file in several parts, as llama-gguf-split names them.
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<end>\.gguf)", re.IGNORECASE)


def gguf_parts(name: str) -> list[str]:
    """Return the names of all parts of a GGUF file, the first one first.

    The name itself where it is whole.
    """
    result = _PART.fullmatch(name)
    if result is None:
        return [name]
    count = int(result["count"])
    return [f"{result['stem']}-{n:05d}-of-{count:05d}{result['end']}" for n in range(1, min(count, 1000) + 1)]


def _first(name: str) -> str:
    return next(iter(gguf_parts(name)), name)


def _stem(name: str) -> str:
    result = _PART.fullmatch(name)
    return result["stem"] if result else name[: -len(".gguf")]


def _parts(repository: str, files: Iterable[str], name: str) -> tuple[str, ...]:
    names = gguf_parts(name)
    if missing := [part for part in names if part not in files]:
        raise ModelNotFound(
            f"{repository} has no {missing[0]}: the file has {len(names)} parts",
            hint="Add the missing part.",
        )
    return tuple(names)
