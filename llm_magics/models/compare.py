"""Several models side by side: two on one text, and how up to three cut it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import validation
from ..core.records import Generation, ModelInfo, Trace
from ..engine.base import Tokenizer
from ..errors import UsageError
from .model import Model

if TYPE_CHECKING:
    from ..inspection.compare import Comparison
    from ..inspection.tokenization import Tokenization

MOST = 3


def compare(
    a: Model | Trace | Generation, b: Model | Trace | Generation, text: str | Generation | None = None
) -> Comparison:
    """Return how two readings of one text differ.

    Two models, two precisions, a base and its adapter, two prompts.

    Args:
        a: a model that reads ``text``; or a record of the text (:meth:`Model.score`), or an answer.
        b: another one of the same kind. Two answers are compared up to their first difference.
        text: the text; an answer is read after its prompt, by models with the same tokens.

    Raises:
        UsageError: that is no such pair, or there is no text. ContextOverflow: the text is too long.
    """
    from ..inspection.compare import compare as compare_records

    if isinstance(a, Model) and isinstance(b, Model):
        if text is None or (isinstance(text, str) and not text):
            raise UsageError("the text is missing", hint="Call lm.compare(a, b, text).")
        return compare_records(
            instrumented_decoder(a, text),
            instrumented_decoder(b, text),
            memory=(a.weights_bytes, b.weights_bytes),
        )
    if isinstance(a, Model) or isinstance(b, Model):
        raise UsageError(
            "a model and a record cannot be compared", hint="Pass two models and a text, or two records."
        )
    return compare_records(a, b)


def instrumented_decoder(model: Model, text: str | Generation) -> Trace:
    """Return how a model reads a text; of an answer its own tokens alone, behind its prompt.

    Raises:
        UsageError: the answer is of a model that cuts texts otherwise.
    """
    return model.score(text) if isinstance(text, str) else model.score_answer(text)


def compare_tokenizers(text: str, models: Sequence[Model | str | Path]) -> Tokenization:
    """Return how up to three tokenizers cut a text, side by side.

    Args:
        text: the text to tokenize.
        models: models, or names as :func:`load` takes them, of which nothing but the tokenizer is fetched.

    Raises:
        UsageError: there are none or too many, or the text is empty. ModelNotFound, FetchError: as
            :func:`load`.
    """
    from ..inspection.tokenization import tokenize

    models = [models] if isinstance(models, (Model, str, Path)) else models
    if not isinstance(models, Sequence):
        raise UsageError(
            f"models must be models or names, got {validation.format_value(models)}",
            hint="Pass for example [model].",
        )
    if not 1 <= len(models) <= MOST:
        raise UsageError(
            f"{len(models)} tokenizers cannot be compared at once", hint=f"Pass 1 to {MOST} of them."
        )
    result: dict[str, Tokenizer] = {}
    for item in models:
        name = item.name if isinstance(item, Model) else str(item)
        result[name] = item.tokenizer if isinstance(item, Model) else _load_tokenizer(name)
    return tokenize(text, result, ModelInfo(", ".join(result)))


def _load_tokenizer(name: str) -> Tokenizer:
    from ..engine.tokenizer import TextTokenizer
    from ..formats.gguf import GgufFile
    from ..formats.tokenizers.folder import spec_from_folder
    from ..formats.tokenizers.gguf import tokenizer_spec
    from ..sources import catalog, hub
    from ..sources.resolve import local, resolve

    entry = catalog.entries().get(name)
    if entry is not None and entry.package is None:
        name = entry.repository  # of which the tokenizer alone is fetched
    is_local = local(name) is not None or name in catalog.entries() or name.count("/") != 1
    repository, _, revision = name.partition("@")
    source = resolve(name) if is_local else hub.resolve(repository, revision or None, file=hub.TOKENIZER)
    path = source.fetch()
    if source.kind == "saved":
        from .loading.load import load

        return load(name).tokenizer
    if path.suffix == ".gguf":
        spec = tokenizer_spec(GgufFile(path).metadata)
    else:
        spec = spec_from_folder(path if path.is_dir() else path.parent)
    return TextTokenizer.from_text(
        spec.json, bos_id=spec.bos_id, eos_id=spec.eos_id, eos_ids=spec.eos_ids, add_bos=spec.add_bos
    )
