"""Which files of a repository or folder make a model. Knows names only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePosixPath

from ..core.shards import INDEX
from ..errors import ModelFileError, ModelNotFound, UnsupportedModel, UsageError
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


@dataclass(frozen=True, slots=True)
class Choice:
    """What to fetch: ``files``, and the ``path`` among them that is opened; empty for the folder."""

    kind: Kind
    files: tuple[str, ...]
    path: str = ""


def choose(
    repository: str,
    files: Mapping[str, int],
    file: str | None = None,
    *,
    shards: Callable[[str], Iterable[str]],
) -> Choice:
    """Safetensors before GGUF before ONNX; ``file`` decides otherwise.

    Args:
        files: name → bytes.
        shards: reads the index of that name: the files that hold tensors.

    Raises:
        ModelNotFound: there is no such file, or no model. UsageError: there is a choice to make.
        UnsupportedModel: only weights that this package does not read.
    """
    if file is not None:
        return _named(repository, files, file)
    top = sorted(name for name in files if "/" not in name)
    weights = [name for name in top if name.endswith(".safetensors")]
    if INDEX in files and "model.safetensors" not in weights:
        names = sorted({*shards(INDEX)})
        if missing := [name for name in names if name not in files]:
            raise ModelFileError(
                f"{repository} lacks {missing[0]}, which {INDEX} names",
                hint="choose another copy of the model",
            )
        return _checkpoint(files, names, INDEX)
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
    if inner := sorted({name.split("/")[0] for name in files if name.endswith("/model.safetensors")}):
        raise ModelNotFound(
            f"{repository} holds no model itself, but in {', '.join(inner[:8])}",
            hint=f"name that folder: {repository}/{inner[-1]}",
        )
    if any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in top):
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
        return Choice("gguf", _parts(repository, files, file), _first(file))
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
    models = [name for name in names if not PurePosixPath(name).name.startswith("mmproj")]
    whole = sorted({_first(name) for name in models})

    def one(name: str) -> Choice:
        return Choice("gguf", _parts(repository, names, name), name)

    if len(whole) == 1:
        return one(whole[0])
    for kind in _GGUF_ORDER:
        fitting = [name for name in whole if _stem(name).upper().replace(".", "-").endswith(f"-{kind}")]
        if len(fitting) == 1:
            return one(fitting[0])
    raise UsageError(
        f"{repository} has {len(names)} GGUF files", hint="choose: file=" + " or ".join(names[:8])
    )


# A GGUF file in several parts, as llama-gguf-split names them.
_PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<end>\.gguf)", re.IGNORECASE)


def gguf_parts(name: str) -> list[str]:
    """The names of all parts of a GGUF file, the first one first; the name itself where it is whole."""
    found = _PART.fullmatch(name)
    if found is None:
        return [name]
    count = int(found["count"])
    return [f"{found['stem']}-{n:05d}-of-{count:05d}{found['end']}" for n in range(1, min(count, 1000) + 1)]


def _first(name: str) -> str:
    return next(iter(gguf_parts(name)), name)


def _stem(name: str) -> str:
    found = _PART.fullmatch(name)
    return found["stem"] if found else name[: -len(".gguf")]


def _parts(repository: str, files: Iterable[str], name: str) -> tuple[str, ...]:
    names = gguf_parts(name)
    if missing := [part for part in names if part not in files]:
        raise ModelNotFound(
            f"{repository} lacks {missing[0]}: the file comes in {len(names)} parts",
            hint="add the missing part",
        )
    return tuple(names)
