"""The inspection subcommands, such as ``%llm logit_lens TEXT``.

A subcommand that lacks an argument is an error with an example, and never a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ...errors import UsageError
from ..parsing.option_parser import Option

if TYPE_CHECKING:
    from ...core.records import Generation, Trace
    from ...models.model import Model
    from ...views.inspection_record import InspectionRecord

Record: TypeAlias = "Generation | Trace"
_ARROW = re.compile("⇒|=>")
Look = dict[str, Any]  # the options of a verb, by name


@dataclass(frozen=True, slots=True)
class Subcommand:
    """One verb.

    Attributes:
        line: how it is written, and what it does.
        example: a line that works.
        make: the model, what is looked at (a text, or a record) and the verb's options → what is shown.
        options: those of the verbs' own that it takes.
        samples: whether it takes the sampler's options too.
        fits: whether the rest of the line has what it needs.
    """

    usage: tuple[str, str]
    example: str
    run: Callable[[Model, str | Record, Look], InspectionRecord]
    options: tuple[str, ...] = ()
    samples: bool = False
    accepts: Callable[[str, Look], bool] = lambda text, look: True


OPTIONS = (
    Option(
        ("--with",),
        "others",
        "MODEL to compare the tokenizer of; may be repeated",
        str,
        False,
        many=True,
    ),
    Option(
        ("--samples",),
        "samples",
        "number N of samples (32); of a cell: N answers, with seeds from --seed on",
        int,
        False,
    ),
    Option(("--target",), "target", "TEXT; its first token is explained", str, False),
    Option(("--against",), "against", "TEXT to contrast it with", str, False),
    Option(
        ("--prompt-tokens",),
        "prompt_tokens",
        "the first N tokens of the text are the prompt",
        int,
        False,
    ),
    Option(("--limit",), "limit", "the first N items of the task", int, False),
    Option(("--layer",), "layer", "layer N that is stored; may be repeated", int, False, many=True),
    Option(("--track",), "track", "TEXT; its first token is tracked; may be repeated", str, False, many=True),
)

SUBCOMMANDS: dict[str, Subcommand] = {
    "tokenize": Subcommand(
        ("%llm tokenize [TEXT]", "how the text is split into tokens; --with MODEL: by another tokenizer too"),
        "%llm tokenize Unbelievable!",
        lambda model, text, look: tokenize(model, text, look.get("others", ())),
        ("others",),
    ),
    "logit_lens": Subcommand(
        ("%llm logit_lens [TEXT]", "what the model would say after each layer"),
        "%llm logit_lens The capital of Italy is",
        lambda model, text, look: model.logit_lens(text, track=look.get("track", ())),
        ("track",),
    ),
    "probe": Subcommand(
        ("%llm probe PROMPT ⇒ A | B", "how likely whole strings are after a prompt"),
        "%llm probe The sky is ⇒ blue | red",
        lambda model, text, look: model.probe(*split_probe(text)),
        accepts=lambda text, look: bool(_ARROW.search(text)),
    ),
    "compare": Subcommand(
        (
            "%llm compare [TEXT]",
            "with --precision, -m or --adapter: another model on the same text; or two records",
        ),
        "%llm compare --precision fp32 The capital of Italy is",
        lambda model, text, look: against(model, text, look),
        accepts=lambda text, look: bool({"precision", "kv_cache", "model", "adapter"} & look.keys()),
    ),
    "replay": Subcommand(
        ("%llm replay [ANSWER]", "the sampling of the last answer, or of the variable ANSWER, step by step"),
        "%llm replay answer",
        lambda model, text, look: model.replay(require_answer(text)),
        accepts=lambda text, look: not text,
    ),
    "walkthrough": Subcommand(
        ("%llm walkthrough TEXT", "how the model computes one token, step by step"),
        "%llm walkthrough The capital of Italy is",
        lambda model, text, look: model.walkthrough(text_of(text), **sampling_options(look)),
        samples=True,
        accepts=lambda text, look: bool(text),
    ),
    "attribution": Subcommand(
        (
            "%llm attribution [TEXT]",
            "which tokens changed the next one most; --target, --against TEXT: why this, and not that",
        ),
        '%llm attribution --against " Paris" The capital of Italy is',
        lambda model, text, look: model.attribution(
            text, target=look.get("target"), against=look.get("against")
        ),
        ("target", "against"),
    ),
    "track": Subcommand(
        ("%llm track --track A [TEXT]", "how likely A is at every step"),
        '%llm track --track " Rome" The capital of Italy is',
        lambda model, text, look: model.track(text, look.get("track", ())),
        ("track",),
        accepts=lambda text, look: "track" in look,
    ),
    "memorization": Subcommand(
        ("%llm memorization [TEXT]", "how far the model continues the text word for word"),
        "%llm memorization We hold these truths to be self-evident",
        lambda model, text, look: model.memorization(text, prompt_tokens=look.get("prompt_tokens")),
        ("prompt_tokens",),
    ),
    "sample_tree": Subcommand(
        ("%llm sample_tree TEXT", "many samples, merged where they begin alike"),
        "%llm sample_tree --samples 16 Once upon a time",
        lambda model, text, look: model.sample_tree(
            text, samples=look.get("samples", 32), **sampling_options(look)
        ),
        ("samples",),
        samples=True,
        accepts=lambda text, look: bool(text),
    ),
    "attention": Subcommand(
        ("%llm attention [TEXT]", "where each head looks"),
        "%llm attention The cat sat because it was tired",
        lambda model, text, look: model.attention(text, layers=look.get("layer")),
        ("layer",),
    ),
}
NAMES = tuple(option.name for option in OPTIONS)

# Short names, and those of the first version, which saved notebooks have.
OTHER_NAMES = {
    "lens": "logit_lens",
    "tree": "sample_tree",
    "walk": "walkthrough",
    "attribute": "attribution",
    "watch": "track",
    "memorised": "memorization",
}


def canonical(word: str) -> str:
    """Return the name of a subcommand: `logit-lens` and `lens` are `logit_lens`."""
    name = word.replace("-", "_")
    return OTHER_NAMES.get(name, name)


def record_named(text: str, namespace: Mapping[str, Any]) -> Record | None:
    """Return the answer that a name stands for, if it does."""
    from ...core.records import Generation, Trace

    result = namespace.get(text) if text.isidentifier() else None
    return result if isinstance(result, (Generation, Trace)) else None


def split_probe(text: str | Record) -> tuple[str, list[str]]:
    """Split "The sky is ⇒ blue | red" into the prompt and the strings, with their leading space.

    Raises:
        UsageError: there is no arrow, or nothing behind it.
    """
    parts = _ARROW.split(text, maxsplit=1) if isinstance(text, str) else []
    strings = [item.strip() for item in parts[-1].split("|") if item.strip()] if len(parts) == 2 else []
    if not strings:
        raise UsageError("the strings to probe are missing", hint="Write %llm probe The sky is ⇒ blue | red.")
    prompt = parts[0].rstrip()
    return prompt, [f" {item}" if prompt and item[0].isalnum() else item for item in strings]


def against(model: Model, text: str | Record, look: Look) -> InspectionRecord:
    """Return the model in use against another one; or two records."""
    from ...core.records import Trace
    from ...models.compare import compare

    other = look["other"]
    if isinstance(text, Trace):
        text = text.text
    return compare(model, other, text)


def record_pair(text: str, namespace: Mapping[str, Any]) -> tuple[Record, Record] | None:
    """Return the two records that two names stand for, if they do."""
    names = text.split()
    if len(names) != 2:
        return None
    a, b = (record_named(name, namespace) for name in names)
    return (a, b) if a is not None and b is not None else None


def require_answer(text: str | Record) -> Generation:
    """Return the answer.

    Raises:
        UsageError: the value is not an answer.
    """
    from ...core.records import Generation

    if not isinstance(text, Generation):
        raise UsageError(
            "this subcommand needs an answer", hint="Run %%llm -o answer …, then %llm replay answer."
        )
    return text


def sampling_options(look: Look) -> dict[str, Any]:
    """Return what of a verb's options is for the sampler."""
    from ...core.options import SamplingOptions

    return {name: value for name, value in look.items() if name in SamplingOptions.__dataclass_fields__}


def tokenize(model: Model, text: str | Record, others: tuple[str, ...]) -> InspectionRecord:
    """Return a text, or that of a record, in this tokenizer and in others."""
    from ...models.compare import compare_tokenizers

    return compare_tokenizers(text_of(text), [model, *others]) if others else model.tokenize(text_of(text))


def text_of(text: str | Record) -> str:
    """Return a text, or that of a record."""
    return text if isinstance(text, str) else text.text
