"""``lm.compare``: two models on one text, or two records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.records import Generation, Trace
from ..errors import UsageError
from .model import Model

if TYPE_CHECKING:
    from ..lens.compare import Comparison


def compare(
    a: Model | Trace | Generation, b: Model | Trace | Generation, text: str | Generation | None = None
) -> Comparison:
    """How two readings of one text differ: two models, two precisions, a base and its adapter, two prompts.

    Args:
        a, b: two models, which both read ``text``; or two records of one text (:meth:`Model.score`), or of
            two answers,
            which are compared up to where they part.
        text: what is read; an answer is read behind its prompt, by models that cut it alike.

    Raises:
        UsageError: that is no such pair, or there is no text. ContextOverflow: the text is too long.
    """
    from ..lens.compare import compare as compare_records

    if isinstance(a, Model) and isinstance(b, Model):
        if not text:
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
    if isinstance(text, str):
        return model.score(text)
    return model.score_answer(text)
