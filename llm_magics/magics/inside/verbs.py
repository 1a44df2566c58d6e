"""The verbs that look inside: ``%llm lens TEXT`` and its like. What lacks
something is an error with an example, never a prompt."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.options import SamplingOptions
from ...core.records import Generation, Trace
from ...errors import UsageError
from ..line import Option

if TYPE_CHECKING:
    from ...models.model import Model
    from ...views.picture import Picture

Record = Generation | Trace
_ARROW = re.compile("⇒|=>")
Look = dict[str, Any]  # the options of a verb, by name


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Attributes:
        line: how it is written, and what it does.
        example: a line that works.
        make: the model, what is looked at (a text, or a record) and the verb's options → what is shown.
        options: those of the verbs' own that it takes.
        samples: whether it takes the sampler's options too.
        fits: whether the rest of the line has what it needs.
    """

    line: tuple[str, str]
    example: str
    make: Callable[[Model, str | Record, Look], Picture]
    options: tuple[str, ...] = ()
    samples: bool = False
    fits: Callable[[str, Look], bool] = lambda text, look: True


OPTIONS = (
    Option(
        ("--beside",),
        "beside",
        "MODEL whose tokenizer is shown too; may be given again",
        str,
        False,
        many=True,
    ),
    Option(("--samples",), "samples", "N of a tree (32)", int, False),
    Option(("--target",), "target", "TEXT whose first token is explained", str, False),
    Option(("--against",), "against", "TEXT to contrast it with", str, False),
    Option(("--given",), "given", "N tokens of a text that are its prompt", int, False),
    Option(("--layer",), "layer", "N whose attention is kept; may be given again", int, False, many=True),
    Option(
        ("--watch",), "watch", "TEXT whose first token is followed; may be given again", str, False, many=True
    ),
)

VERBS: dict[str, Verb] = {
    "tokenize": Verb(
        ("%llm tokenize [TEXT]", "how the text is cut into tokens; --beside MODEL: by another one too"),
        "%llm tokenize Unbelievable!",
        lambda model, text, look: cut(model, text, look.get("beside", ())),
        ("beside",),
    ),
    "lens": Verb(
        ("%llm lens [TEXT]", "what the model would say after each layer"),
        "%llm lens The capital of Italy is",
        lambda model, text, look: model.lens(text, watch=look.get("watch", ())),
        ("watch",),
    ),
    "probe": Verb(
        ("%llm probe PROMPT ⇒ A | B", "how likely whole strings are behind a prompt"),
        "%llm probe The sky is ⇒ blue | red",
        lambda model, text, look: model.probe(*strings_of(text)),
        fits=lambda text, look: bool(_ARROW.search(text)),
    ),
    "compare": Verb(
        (
            "%llm compare [TEXT]",
            "with --precision, -m or --adapter: another model on the same text; or two records",
        ),
        "%llm compare --precision fp32 The capital of Italy is",
        lambda model, text, look: against(model, text, look),
        fits=lambda text, look: bool({"precision", "model", "adapter"} & look.keys()),
    ),
    "replay": Verb(
        ("%llm replay [ANSWER]", "the sampler's choices again: the last answer's, or of the variable ANSWER"),
        "%llm replay answer",
        lambda model, text, look: model.replay(answer_of(text)),
        fits=lambda text, look: not text,
    ),
    "walk": Verb(
        ("%llm walk TEXT", "one token's way through the model, step by step"),
        "%llm walk The capital of Italy is",
        lambda model, text, look: model.walk(words(text), **sampling(look)),
        samples=True,
        fits=lambda text, look: bool(text),
    ),
    "attribute": Verb(
        (
            "%llm attribute [TEXT]",
            "which tokens moved the next one; --target, --against TEXT: why this, and not that",
        ),
        '%llm attribute --against " Paris" The capital of Italy is',
        lambda model, text, look: model.attribute(
            text, target=look.get("target"), against=look.get("against")
        ),
        ("target", "against"),
    ),
    "watch": Verb(
        ("%llm watch --watch A [TEXT]", "how likely A would have been at every step"),
        '%llm watch --watch " Rome" The capital of Italy is',
        lambda model, text, look: model.watch(text, look.get("watch", ())),
        ("watch",),
        fits=lambda text, look: "watch" in look,
    ),
    "memorised": Verb(
        ("%llm memorised [TEXT]", "how far it goes on with the text word for word"),
        "%llm memorised We hold these truths to be self-evident",
        lambda model, text, look: model.memorised(text, given=look.get("given")),
        ("given",),
    ),
    "tree": Verb(
        ("%llm tree TEXT", "what else it could have said: many samples, laid over each other"),
        "%llm tree --samples 16 Once upon a time",
        lambda model, text, look: model.tree(text, samples=look.get("samples", 32), **sampling(look)),
        ("samples",),
        samples=True,
        fits=lambda text, look: bool(text),
    ),
    "attention": Verb(
        ("%llm attention [TEXT]", "where each head looks"),
        "%llm attention The cat sat because it was tired",
        lambda model, text, look: model.attention(text, layers=look.get("layer")),
        ("layer",),
    ),
}
NAMES = tuple(option.name for option in OPTIONS)


def record_in(text: str, namespace: Mapping[str, Any]) -> Record | None:
    """The answer that a name stands for, if it does."""
    found = namespace.get(text) if text.isidentifier() else None
    return found if isinstance(found, (Generation, Trace)) else None


def strings_of(text: str | Record) -> tuple[str, list[str]]:
    """ "The sky is ⇒ blue | red" → the prompt, and the strings with the space that stands before a word.

    Raises:
        UsageError: there is no arrow, or nothing behind it.
    """
    parts = _ARROW.split(text, maxsplit=1) if isinstance(text, str) else []
    strings = [each.strip() for each in parts[-1].split("|") if each.strip()] if len(parts) == 2 else []
    if not strings:
        raise UsageError("there are no strings to probe", hint="%llm probe The sky is ⇒ blue | red")
    prompt = parts[0].rstrip()
    return prompt, [f" {each}" if prompt and each[0].isalnum() else each for each in strings]


def against(model: Model, text: str | Record, look: Look) -> Picture:
    """The model in use against another one; or two records."""
    from ...models.beside import compare

    other = look["other"]
    if isinstance(text, Trace):
        text = text.text
    return compare(model, other, text)


def pair_in(text: str, namespace: Mapping[str, Any]) -> tuple[Record, Record] | None:
    """The two records that two names stand for, if they do."""
    names = text.split()
    if len(names) != 2:
        return None
    a, b = (record_in(name, namespace) for name in names)
    return (a, b) if a is not None and b is not None else None


def answer_of(text: str | Record) -> Generation:
    """Raises: UsageError: it is no answer."""
    if not isinstance(text, Generation):
        raise UsageError("this verb looks at an answer", hint="%%llm -o answer …, then: %llm replay answer")
    return text


def sampling(look: Look) -> dict[str, Any]:
    """What of a verb's options is for the sampler."""
    return {name: value for name, value in look.items() if name in SamplingOptions.__dataclass_fields__}


def cut(model: Model, text: str | Record, beside: tuple[str, ...]) -> Picture:
    """A text, or that of a record, in this tokenizer and in others."""
    from ...models.beside import tokenizers

    return tokenizers(words(text), [model, *beside]) if beside else model.tokenize(words(text))


def words(text: str | Record) -> str:
    """A text, or that of a record."""
    return text if isinstance(text, str) else text.text
