"""Two answers side by side: what is common, where they part, and what each weighed there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from ...core.format import percent
from ...core.records import Generation
from ...sanitize import printable, single_line

_TAIL = 40  # characters of the common part in the sentence
_NAMES = ("A", "B")


@dataclass(frozen=True, slots=True)
class Difference:
    """Two answers, compared letter by letter and token by token.

    Attributes:
        answers: the two.
        common: characters that both begin with, whole tokens of both.
        token: the first token that differs, from 1, in each; 0 where an answer has ended.
    """

    answers: tuple[Generation, Generation]
    common: int
    token: tuple[int, int]

    @property
    def equal(self) -> bool:
        return self.answers[0].text == self.answers[1].text

    def sentence(self) -> str:
        """Return in one sentence where they part, and what each weighed there."""
        if self.equal:
            return "both answers are the same text"
        before = _line(self.answers[0].text[: self.common])[-_TAIL:]
        told = []
        for name, answer, number in zip(_NAMES, self.answers, self.token, strict=True):
            if not number:
                told.append(f"{name} ends")
                continue
            token = answer.tokens[number - 1]
            told.append(f'{name} "{_line(token.text)}" {percent(math.exp(token.logprob))}')
        where = f'after "…{before}"' if before else "at the beginning"
        return f"they part at token {max(self.token)}, {where}: {', '.join(told)}"

    def to_text(self) -> str:
        """Return a line an answer, and the sentence."""
        heads = [_head(name, answer) for name, answer in zip(_NAMES, self.answers, strict=True)]
        return "\n".join([*heads, self.sentence()])

    def to_html(self) -> str:
        """Return the common part, and the two continuations in a table of two cells."""
        heads = "".join(f"<th>{escape(_head(*item))}</th>" for item in zip(_NAMES, self.answers, strict=True))
        common = escape(printable(self.answers[0].text[: self.common]))
        rests = []
        for answer, number in zip(self.answers, self.token, strict=True):
            rest = answer.text[self.common :]
            first = answer.tokens[number - 1].text if number else ""
            marked = f"<b>{escape(printable(first))}</b>" if rest.startswith(first) and first else ""
            rest = rest[len(first) :] if marked else rest
            rests.append(f"<td><pre>{marked}{escape(printable(rest))}</pre></td>")
        return (
            f"<p>{escape(printable(self.sentence()))}</p><pre>{common}</pre>"
            f"<table><tr>{heads}</tr><tr>{''.join(rests)}</tr></table>"
        )


def difference(a: Generation, b: Generation) -> Difference:
    """Compare two answers; the common part ends where a token of either ends."""
    ends = [_ends(answer) for answer in (a, b)]
    shared = 0
    while shared < min(len(a.text), len(b.text)) and a.text[shared] == b.text[shared]:
        shared += 1
    common = max((end for end in {0, *ends[0]} & {0, *ends[1]} if end <= shared), default=0)
    first = tuple(next((n for n, end in enumerate(item, 1) if end > common), 0) for item in ends)
    return Difference((a, b), common, (first[0], first[1]))


def _line(text: str) -> str:
    """Return a text on one line; its spaces stay."""
    return printable(text).replace("\n", "⏎")


def _ends(answer: Generation) -> list[int]:
    """Return where each token's text ends, in characters."""
    result, at = [], 0
    for token in answer.tokens:
        at += len(token.text)
        result.append(at)
    return result


def _head(name: str, answer: Generation) -> str:
    model, timing = answer.model, answer.timing
    return (
        f"{name} {single_line(model.name)}, {model.precision}: {len(answer.tokens):,} tokens, "
        f"seed {answer.options.seed}, {timing.decode_tokens_per_s:.1f} tokens/s"
    )
