"""The verbs that look inside: ``%llm lens TEXT`` and its like. A first word is one only if the rest fits
it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.records import Generation, Trace
from ..line import Option

if TYPE_CHECKING:
    from ...models.model import Model
    from ...views.picture import Picture

Record = Generation | Trace
Look = dict[str, Any]  # the options of a verb, by name


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Attributes:
        line: how it is written, and what it does.
        make: the model, what is looked at (a text, or a record) and the verb's options → what is shown.
        options: those that it takes.
        fits: whether the rest of the line can be meant for it; else it is a prompt.
    """

    line: tuple[str, str]
    make: Callable[[Model, str | Record, Look], Picture]
    options: tuple[str, ...] = ()
    fits: Callable[[str, Look], bool] = lambda text, look: True


OPTIONS = (
    Option(("--layer",), "layer", "N whose attention is kept; may be given again", int, False, many=True),
    Option(
        ("--watch",), "watch", "TEXT whose first token is followed; may be given again", str, False, many=True
    ),
)

VERBS: dict[str, Verb] = {
    "lens": Verb(
        ("%llm lens TEXT", "what the model would say after each layer"),
        lambda model, text, look: model.lens(text, watch=look.get("watch", ())),
        ("watch",),
    ),
    "attention": Verb(
        ("%llm attention TEXT", "where each head looks"),
        lambda model, text, look: model.attention(text, layers=look.get("layer")),
        ("layer",),
    ),
}
NAMES = tuple(option.name for option in OPTIONS)


def record_in(text: str, namespace: Mapping[str, Any]) -> Record | None:
    """The answer that a name stands for, if it does."""
    found = namespace.get(text) if text.isidentifier() else None
    return found if isinstance(found, (Generation, Trace)) else None
