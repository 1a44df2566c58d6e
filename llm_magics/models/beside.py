"""Several models side by side: two on one text, and how up to three cut it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core import given
from ..core.records import Generation, ModelInfo, Trace
from ..engine.base import Tokenizer
from ..errors import UsageError
from .model import Model

if TYPE_CHECKING:
    from ..lens.compare import Comparison
    from ..lens.cut import Cut

MOST = 3


def compare(
    a: Model | Trace | Generation, b: Model | Trace | Generation, text: str | Generation | None = None
) -> Comparison:
    """How two readings of one text differ: two models, two precisions, a base and its adapter, two prompts.

    Args:
        a, b: two models, which both read ``text``; or two records of one text (:meth:`Model.score`), or of
            two answers, which are compared up to where they part.
        text: what is read; an answer is read behind its prompt, by models that cut it alike.

    Raises:
        UsageError: that is no such pair, or there is no text. ContextOverflow: the text is too long.
    """
    from ..lens.compare import compare as compare_records

    if isinstance(a, Model) and isinstance(b, Model):
        if text is None or (isinstance(text, str) and not text):
            raise UsageError("there is no text for the two models to read", hint="lm.compare(a, b, text)")
        return compare_records(reading(a, text), reading(b, text), memory=(a.weights_bytes, b.weights_bytes))
    if isinstance(a, Model) or isinstance(b, Model):
        raise UsageError(
            "a model and a record cannot be compared", hint="two models and a text, or two records"
        )
    return compare_records(a, b)


def reading(model: Model, text: str | Generation) -> Trace:
    """How a model reads a text; of an answer its own tokens alone, behind its prompt.

    Raises:
        UsageError: the answer is of a model that cuts texts otherwise.
    """
    return model.score(text) if isinstance(text, str) else model.score_answer(text)


def tokenizers(text: str, models: Sequence[Model | str | Path]) -> Cut:
    """How up to three tokenizers cut a text, side by side.

    Args:
        models: models, or names as :func:`load` takes them, of which nothing but the tokenizer is fetched.

    Raises:
        UsageError: there are none or too many, or the text is empty. ModelNotFound, FetchError: as
            :func:`load`.
    """
    from ..lens.cut import cut

    models = [models] if isinstance(models, (Model, str, Path)) else models
    if not isinstance(models, Sequence):
        raise UsageError(
            f"tokenizers takes models or names, got {given.shown(models)}", hint="for example [model]"
        )
    if not 1 <= len(models) <= MOST:
        raise UsageError(f"{len(models)} tokenizers do not fit side by side", hint=f"1 to {MOST}")
    found: dict[str, Tokenizer] = {}
    for each in models:
        name = each.name if isinstance(each, Model) else str(each)
        found[name] = each.tokenizer if isinstance(each, Model) else _tokenizer(name)
    return cut(text, found, ModelInfo(", ".join(found)))


def _tokenizer(name: str) -> Tokenizer:
    from ..engine.tokenizer import TextTokenizer
    from ..formats.gguf import GgufFile
    from ..formats.tokenizers.folder import spec_from_folder
    from ..formats.tokenizers.gguf import tokenizer_spec
    from ..sources import catalog, hub
    from ..sources.names import local, resolve

    is_local = local(name) is not None or name in catalog.entries() or name.count("/") != 1
    repository, _, revision = name.partition("@")
    source = resolve(name) if is_local else hub.resolve(repository, revision or None, file=hub.TOKENIZER)
    path = source.fetch()
    if source.kind == "saved":
        from .load import load

        return load(name).tokenizer
    if path.suffix == ".gguf":
        spec = tokenizer_spec(GgufFile(path).metadata)
    else:
        spec = spec_from_folder(path if path.is_dir() else path.parent)
    return TextTokenizer.from_text(
        spec.json, bos_id=spec.bos_id, eos_id=spec.eos_id, eos_ids=spec.eos_ids, add_bos=spec.add_bos
    )
