"""A GGUF file or a Hub checkpoint → a folder that the engine runs.

It holds decoder.onnx, weights.bin, tokenizer.json and model.json.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, get_type_hints

from ...core import progress
from ...core.files import json_object
from ...decoder.precision import Precision
from ...decoder.spec import DecoderSpec
from ...errors import ModelFileError
from ...formats import sampling_defaults
from ...sanitize import single_line
from ...trust.obligations import copy_texts

if TYPE_CHECKING:
    from ...decoder.weights import Weights
    from ...formats.tensors import Floats
    from ...formats.tokenizers.gguf import TokenizerSpec

# Part of the cache key: raise it whenever the same file would be converted to something else.
FORMAT = 9
READABLE = (4, 5, 6, 7, 8, FORMAT)  # saved models of earlier versions that mean the same


@dataclass(frozen=True, slots=True)
class ConvertedModel:
    """What model.json says.

    Attributes:
        precision: what the weights are held in: a name from recipe.py, "repacked" where each keeps the bits
            of its source.
        bytes_per_token: bytes of weights that one decoded token reads.
        weights_bytes: size of weights.bin without packed weights.
        sampling: the sampling settings of the model's maker.
    """

    spec: DecoderSpec
    precision: str
    template: str | None
    bos_id: int | None
    eos_id: int | None
    eos_ids: tuple[int, ...]
    add_bos: bool
    license: str
    bytes_per_token: int
    weights_bytes: int
    sampling: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        out = {name: getattr(self, name) for name in self.__slots__}
        out["licence"] = out.pop("license")  # the name in saved models
        return {**out, "spec": self.spec.to_dict(), "eos_ids": list(self.eos_ids), "format": FORMAT}

    @classmethod
    def read(cls, folder: Path) -> ConvertedModel:
        try:
            data = json_object(folder / "model.json")
            if data.get("format") not in READABLE:
                raise ModelFileError(
                    f"{folder.name} was written by another version (format {data.get('format')!r:.20})",
                    hint="Load the model from its source, and save it again.",
                )
            data["license"] = data["licence"]
            data.setdefault("sampling", {})  # of earlier versions
            # As JSON has them.
            kinds = {**get_type_hints(cls), "spec": dict, "eos_ids": list, "sampling": dict}
            for name, kind in kinds.items():
                if not isinstance(data[name], kind) or isinstance(data[name], bool) is not (kind is bool):
                    raise ValueError(f"{name} = {data[name]!r:.60}")
            spec, ends = DecoderSpec.from_dict(data["spec"]), tuple(data["eos_ids"])
            for id in (*ends, data["bos_id"], data["eos_id"]):
                if id is not None and (not isinstance(id, int) or id not in range(1 << 31)):
                    raise ValueError(f"{id!r:.60} is no token")
            rest = {name: data[name] for name in cls.__slots__ if name not in ("spec", "eos_ids")}
            if not {*data["sampling"]} <= {*sampling_defaults.NAMES}:
                raise ValueError(f"sampling = {data['sampling']!r:.60}")
            rest["sampling"] = sampling_defaults.checked(data["sampling"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFileError(
                f"{folder / 'model.json'} is damaged: {error}", hint="Delete that folder."
            ) from error
        return cls(spec=spec, eos_ids=ends, **rest)


def convert(
    source: Path,
    folder: Path,
    *,
    precision: str = "auto",
    license: str = "unknown",
    ignore: Iterable[str] = (),
    change: Callable[[Weights], Weights] | None = None,
) -> ConvertedModel:
    """Convert a GGUF file, or a folder as the Hub has it, into ``folder``, which exists and is empty.

    Args:
        source: the folder or file to read.
        folder: the folder to write.
        precision: the precision of the weights.
        license: the license of the model.
        ignore: fields of the configuration that the user lets pass unused.
        change: gives other weights in their place, such as those with an adapter merged in.

    Raises:
        ModelFileError: the source is damaged. UnsupportedModel: it holds something this version cannot run.
        OSError: the folder cannot be written (store.ensure turns it into StoreError).
    """
    # The heavy imports (onnx_ir, gguf) are needed here only, never by a cell with a model that is already
    # converted.
    from ...decoder import graph

    recipe = Precision(precision)
    weights, tokens, stated, release = _opened(source, ignore)
    if change:
        weights = change(weights)

    def layer_by_layer(layers: range) -> Iterator[int]:
        for layer in progress.iterate(layers, "converting", len(layers), unit="layer"):
            yield layer
            release()  # what was read of the source is done with

    if precision == "w8a8":
        with TemporaryDirectory(dir=folder) as place:
            measured = Path(place)
            graph.build(weights, measured, Precision("auto"), on_layer=layer_by_layer)
            recipe = Precision(precision, _input_maxima(measured, weights.spec, tokens))
    _, bytes_per_token = graph.build(weights, folder, recipe, on_layer=layer_by_layer)
    copy_texts(source, folder)
    converted = ConvertedModel(
        spec=weights.spec,
        precision=recipe.label(weights.matrix("o", weights.spec.attention_layers[0]).kind),
        template=tokens.template,
        bos_id=tokens.bos_id,
        eos_id=tokens.eos_id,
        eos_ids=tuple(sorted(tokens.eos_ids)),
        add_bos=tokens.add_bos,
        license=stated if license == "unknown" else license,
        bytes_per_token=bytes_per_token,
        weights_bytes=(folder / "weights.bin").stat().st_size,
        sampling=dict(tokens.sampling),
    )
    (folder / "tokenizer.json").write_text(tokens.json, "utf-8")
    (folder / "model.json").write_text(json.dumps(converted.to_dict(), indent=1), "utf-8")
    return converted


def _input_maxima(folder: Path, spec: DecoderSpec, tokens: TokenizerSpec) -> dict[str, Floats]:
    """Return what w8a8 needs of a decoder that was built in ``folder``."""
    from ...engine.tokenizer import TextTokenizer
    from .smoothing import measure_inputs, sample_prompts

    (folder / "tokenizer.json").write_text(tokens.json, "utf-8")
    tokenizer = TextTokenizer.from_file(
        folder / "tokenizer.json",
        bos_id=tokens.bos_id,
        eos_id=tokens.eos_id,
        eos_ids=tokens.eos_ids,
        add_bos=tokens.add_bos,
    )
    return measure_inputs(folder, spec, sample_prompts(tokenizer, tokens.template))


def weights_of(source: Path, *, ignore: Iterable[str] = ()) -> Weights:
    """Return the weights of a GGUF file, a checkpoint's folder, or one file in it, by role."""
    weights, _, _, release = _opened(source, ignore)
    weights.release = release
    return weights


Opened = tuple["Weights", "TokenizerSpec", str, Callable[[], None]]


def _opened(source: Path, ignore: Iterable[str]) -> Opened:
    if source.is_dir() or source.suffix == ".safetensors":
        return _checkpoint(source, ignore)
    return _gguf(source, ignore)


def _gguf(path: Path, ignore: Iterable[str]) -> Opened:
    from ...decoder.families import FAMILIES, spec_of
    from ...decoder.weights import Weights
    from ...formats.gguf import GgufFile
    from ...formats.gguf_config import config_from_gguf
    from ...formats.tokenizers.gguf import tokenizer_spec

    file = GgufFile(path)
    tokens = tokenizer_spec(file.metadata)
    embed = file.tensors.get("token_embd.weight")
    if embed is None:
        raise ModelFileError(
            f"{path.name} has no token_embd.weight", hint="Choose a GGUF file of a language model."
        )
    spec = spec_of(config_from_gguf(file.metadata, embed.shape[0], file.tensors, ignore=ignore))
    layout = FAMILIES[spec.family].gguf
    return (
        Weights(spec, layout, file.tensors),
        tokens,
        str(file.metadata.get("general.license", "unknown")),
        file.release,
    )


def _checkpoint(path: Path, ignore: Iterable[str]) -> Opened:
    from ...decoder.families import FAMILIES, spec_of
    from ...decoder.weights import Weights
    from ...formats.config import Config
    from ...formats.quantized import with_quantization
    from ...formats.safetensors import Safetensors
    from ...formats.tokenizers.folder import spec_from_folder

    folder = path.parent if path.is_file() else path  # a file where one of several was chosen
    config = Config.read(folder / "config.json", ignore=ignore)
    spec, tensors = spec_of(config), Safetensors(path)
    named = with_quantization(tensors, config.quantization)
    if others := tensors.left_out():
        name = single_line(folder.name)
        progress.warn(f"{name}: only the text model is loaded, without its {' and '.join(others)}")
    weights = Weights(spec, FAMILIES[spec.family].hub, named)
    weights.check_head()
    return (
        weights,
        spec_from_folder(folder, ignore=ignore),
        "unknown",
        tensors.release,
    )
