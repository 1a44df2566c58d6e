"""Rows → token ids with a mask: what is learnt is the completions, and nothing of the prompts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from ..errors import LLMMagicsError, TemplateError, UsageError
from ..sanitize import printable, single_line
from .dataset import Row

if TYPE_CHECKING:
    from ..models.model import Model

MAX_LENGTH = 512  # tokens of an example
_END = 4  # tokens behind an answer among which its end is


@dataclass(frozen=True, slots=True)
class Example:
    """One row as the model reads it.

    Attributes:
        row: its number in the source.
        ids: prompt and completion, with the end token behind every completion.
        learnt: (len(ids),) whether the loss counts this token, given those before it.
        asked: how many of the first ids are the prompt.
    """

    row: int
    ids: tuple[int, ...]
    loss_mask: tuple[bool, ...]
    prompt_length: int

    @property
    def completions(self) -> int:
        """Return tokens that the loss counts."""
        return sum(self.loss_mask)


@dataclass(frozen=True, slots=True)
class LossMask:
    """An example to be seen: its tokens, and which of them are learnt. A cell's last value shows them."""

    tokens: tuple[str, ...]
    loss_mask: tuple[bool, ...]

    def __repr__(self) -> str:
        pairs = zip(self.tokens, self.loss_mask, strict=True)
        return "".join(f"[{printable(text)}]" if learnt else printable(text) for text, learnt in pairs)

    def _repr_html_(self) -> str:
        """Return HTML with the trained tokens underlined."""
        pairs = zip(self.tokens, self.loss_mask, strict=True)
        shown = (
            f"<ins>{escape(printable(text))}</ins>" if learnt else escape(printable(text))
            for text, learnt in pairs
        )
        return f"<pre><code>{''.join(shown)}</code></pre>"


def mask_of(model: Model, example: Example) -> LossMask:
    """Return what the loss counts of an example, on the tokens as the strip shows them."""
    return LossMask(tuple(model.tokenizer.token_text(id) for id in example.ids), example.loss_mask)


@dataclass(slots=True)
class Split:
    """Examples by what they are for.

    Attributes:
        train: what is learnt from.
        choose: by their loss the best moment is chosen.
        final: what the final figure is reported on; nothing is chosen on them.
        notes: what was done to the rows, in words.
    """

    train: list[Example] = field(default_factory=list)
    validation: list[Example] = field(default_factory=list)
    test: list[Example] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def encode_rows(
    model: Model, rows: Sequence[Row], *, max_length: int = MAX_LENGTH
) -> tuple[list[Example], list[str]]:
    """Return examples, and notes on what was left out.

    A row longer than ``max_length`` tokens is cut at its end; one with a longer prompt is left out,
    and so is one that stood before in the same words.

    Raises:
        UsageError: no row is left.
    """
    most, end = min(max_length, model.context_length), turn_end(model)
    examples: list[Example] = []
    seen: set[tuple[int, ...]] = set()
    cut, twice, long = 0, 0, 0
    refused: list[tuple[int, LLMMagicsError]] = []
    for row in rows:
        try:
            example = _encoded(model, row, end)
        except (TemplateError, UsageError) as error:  # roles that the template does not take
            refused.append((row.number, error))
            continue
        if example.ids in seen:
            twice += 1
            continue
        seen.add(example.ids)
        if len(example.ids) > most:
            example = Example(row.number, example.ids[:most], example.loss_mask[:most], example.prompt_length)
            if not example.completions:
                long += 1
                continue
            cut += 1
        examples.append(example)
    notes = [
        f"{count:,} {'row' if count == 1 else 'rows'} {what}"
        for count, what in (
            (cut, f"cut at {most:,} tokens"),
            (twice, "left out that stood before in the same words"),
            (long, f"left out: the prompt alone is longer than {most:,} tokens"),
        )
        if count
    ]
    if refused:
        number, why = refused[0]
        count = f"{len(refused):,} rows are" if len(refused) > 1 else f"row {number} is"
        notes.append(
            f"{count} left out: the chat template does not take row {number}: {single_line(why.message)}"
        )
    if not examples:
        raise UsageError(
            f"no usable training rows remain: {'; '.join(notes)}",
            hint="Shorten them, or increase max_length.",
        )
    return examples, notes


def split(examples: Sequence[Example], *, fraction: float = 0.1, seed: int = 0) -> Split:
    """Put some aside, by chance: half of them to choose by, half for the final figure.

    Examples with the same prompt stay together: a model that has learnt one would know the other.

    Args:
        examples: the encoded rows.
        fraction: of the prompts, from 0 to 0.5; of three prompts and more at least two are put aside.
        seed: the seed.
    """
    if not 0 <= fraction <= 0.5:
        raise UsageError(
            f"eval_fraction must be from 0 to 0.5, got {fraction!r}", hint="Use for example 0.1."
        )
    groups: dict[tuple[int, ...], list[Example]] = {}
    for example in examples:
        groups.setdefault(example.ids[: example.prompt_length] or example.ids, []).append(example)
    order = list(groups.values())
    random.Random(seed).shuffle(order)  # noqa: S311  # no secret
    aside = max(2, 2 * round(fraction * len(order) / 2)) if fraction and len(order) >= 3 else 0
    result = Split()
    for n, group in enumerate(order):
        part = result.train if n >= aside else result.validation if n % 2 == 0 else result.test
        part += group
    together = sum(len(group) - 1 for group in order)
    if together:
        result.notes.append(
            f"{together:,} {'row shares its' if together == 1 else 'rows share their'} prompt with another: "
            "they stay on one side, so that none is learnt that is tested"
        )
    if not aside:
        result.notes.append("too few rows to put any aside: there is no held-out loss")
    for part in (result.train, result.validation, result.test):
        part.sort(key=lambda example: example.row)
    return result


def turn_end(model: Model) -> tuple[int, ...]:
    """Return what the chat template puts behind an answer, up to the token that ends it.

    Many tokenizers' EOS is not it: Gemma's turns end with <end_of_turn>, Phi-3's with <|end|>, Llama 3's with
    <|eot_id|>. EOS where there is no template, or where it ends no turn.
    """
    tokenizer = model.tokenizer
    eos = () if tokenizer.eos_id is None else (tokenizer.eos_id,)
    if model.template is None:
        return eos
    sample = "Marmalade"
    chat = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": sample},
        {"role": "user", "content": "Bye"},
    ]
    try:
        ids = model.encode(chat)[1]
    except LLMMagicsError:  # of one turn only
        return eos
    answers = (tokenizer.encode(sample, special=False, begin=begin) for begin in (False, True))
    for answer in [*answers, tokenizer.encode(f" {sample}", special=False, begin=False)]:
        for at in range(len(ids) - len(answer)):
            if ids[at : at + len(answer)] != answer:
                continue
            behind = ids[at + len(answer) :][:_END]
            ends = [n for n, id in enumerate(behind) if id in tokenizer.eos_ids]
            if ends:
                return tuple(behind[: ends[0] + 1])
    return eos


def _encoded(model: Model, row: Row, end: tuple[int, ...]) -> Example:
    tokenizer = model.tokenizer
    if not row.messages or model.template is None:
        text = row.text or "\n".join(item["content"] for item in row.messages)
        # A plain text is the user's own, and its chat markup is meant: it is read as the model reads it.
        ids = (*tokenizer.encode(text, special=bool(row.text)),)
        if tokenizer.eos_id is not None and not tokenizer.eos_ids.intersection(ids[-_END:]):
            ids = (*ids, tokenizer.eos_id)
        return Example(row.number, ids, (False,) + (True,) * (len(ids) - 1), 0)
    *before, last = row.messages
    asked = model.encode(before)[1] if before else []
    answer = [*tokenizer.encode(last["content"], special=False, begin=False), *end]
    learnt = [False] * len(asked)
    # Earlier answers of a chat are learnt too, where they stand in the text as they would be generated.
    for n, message in enumerate(before):
        if message["role"] != "assistant" or n == 0 or n < row.prompt_messages:
            continue
        begin = len(model.encode(before[:n])[1])
        earlier = [*tokenizer.encode(message["content"], special=False, begin=False), *end]
        # Line breaks before an answer may be cut otherwise when it follows.
        near = range(max(begin - _END, 0), begin + _END)
        at = next((at for at in near if asked[at : at + len(earlier)] == earlier), None)
        if at is not None:
            learnt[at : at + len(earlier)] = [True] * len(earlier)
    ids = (*asked, *answer)
    return Example(row.number, ids, (*learnt, *[True] * len(answer)), len(asked))
