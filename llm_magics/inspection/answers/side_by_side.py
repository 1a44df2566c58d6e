"""Answers to one prompt side by side: what is common, where they part, and what each weighed there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.format import percent
from ...core.records import Generation, Token
from ...errors import UsageError
from ...sanitize import printable, single_line
from ...views.inspection_record import InspectionRecord, Stored, table

MOST_ANSWERS = 8
_TAIL = 40  # characters of the common part in the sentence
_NEXT = 6  # tokens that each weighed where they part
_NEAR = 0.05  # of a probability: the first two are nearly even
_NAMES = "ABCDEFGH"


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two answers part.

    Attributes:
        common: characters that both begin with, whole tokens of both.
        token: the first token that differs, from 1, in each; 0 where an answer has ended.
    """

    common: int
    token: tuple[int, int]


class SideBySide(InspectionRecord):
    """Two or more answers; each but the first is compared with the first. Made by :func:`side_by_side`.

    ``head["answers"]``: of each answer its ``model``, its ``seed``, the ``texts`` of its tokens, its ``stop``
    reason, ``seconds``, ``first_s`` (to the first token), ``speed`` (tokens/s), ``perplexity``, whether it
    is ``running``, its ``error`` and a ``note``. ``head["pairs"]``: of each further answer how many tokens
    of the first and of it are ``common``, the ``token`` where both part (from 1; 0 for an end), what each
    weighed there (``next``: text, logprob in the first, logprob in the other; None where it was not among
    the alternatives), and a ``sentence``. ``logprob`` (tokens of all answers,), nats.
    """

    kind = "side_by_side"
    storage: ClassVar[Stored] = {"logprob": ("f4", 1)}

    def to_text(self) -> str:
        """Return a line for each answer, and where they part."""
        answers = self.head["answers"]
        lines = [_line(name, answer) for name, answer in zip(_NAMES, answers, strict=False)]
        for number, pair in enumerate(self.head["pairs"], 1):
            lines.append(f"{_NAMES[number]}: {pair['sentence']}" if len(answers) > 2 else pair["sentence"])
        return "\n".join(lines)

    def page(self) -> str:
        """Return the common part, and what follows it in a table; one table for each further answer."""
        answers, parts = self.head["answers"], []
        for number, pair in enumerate(self.head["pairs"], 1):
            columns = list(zip((0, number), pair["common"], strict=True))
            common = "".join(answers[0]["texts"][: pair["common"][0]])
            heads = "".join(f"<th>{escape(_line(_NAMES[n], answers[n]))}</th>" for n, _ in columns)
            rests = []
            for n, at in columns:
                first, *rest = answers[n]["texts"][at:] or [""]
                told = answers[n]["error"]
                words = f"<b>{escape(printable(first))}</b>{escape(printable(''.join(rest)))}"
                rests.append(f"<td><pre>{words}</pre>{escape(printable(told))}</td>")
            parts.append(
                f"<p>{escape(printable(pair['sentence']))}</p><pre>{escape(printable(common))}</pre>"
                f"<table><tr>{heads}</tr><tr>{''.join(rests)}</tr></table>"
            )
        return "".join(parts)

    def to_pandas(self) -> Any:
        """Return one row for each token of each answer."""
        rows = [(n, text) for n, answer in enumerate(self.head["answers"]) for text in answer["texts"]]
        columns: dict[str, Any] = {"answer": [n for n, _ in rows], "text": [text for _, text in rows]}
        return table({**columns, "logprob": self.arrays["logprob"]})


def side_by_side(
    answers: Sequence[Generation],
    *,
    running: Sequence[bool] = (),
    errors: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> SideBySide:
    """Return answers side by side.

    Args:
        answers: to one prompt; the first is compared with each of the others.
        running: which of them are still being generated.
        errors: why an answer could not be finished, by answer; empty where it could.
        notes: a remark for the user on each answer; empty for none.

    Raises:
        UsageError: there are fewer than two, or too many.
    """
    if not 2 <= len(answers) <= MOST_ANSWERS:
        raise UsageError(
            f"{len(answers)} answers cannot stand side by side", hint=f"Pass 2 to {MOST_ANSWERS} answers."
        )
    states = [*running, *[False] * (len(answers) - len(running))]
    told = [*errors, *[""] * (len(answers) - len(errors))]
    remarks = [*notes, *[""] * (len(answers) - len(notes))]
    rows: list[dict[str, Any]] = [
        {**answer_row(answer), "running": state, "error": error, "note": remark}
        for answer, state, error, remark in zip(answers, states, told, remarks, strict=True)
    ]
    pairs = [
        pair_row(answers[0], other, running=states[0] or state)
        for other, state in zip(answers[1:], states[1:], strict=True)
    ]
    return SideBySide(answers[0].model, {"answers": rows, "pairs": pairs}, {"logprob": logprobs(answers)})


def parting(a: Generation, b: Generation) -> Parting:
    """Return where two answers part; the common part ends where a token of either ends."""
    ends = [_ends(answer) for answer in (a, b)]
    shared = 0
    while shared < min(len(a.text), len(b.text)) and a.text[shared] == b.text[shared]:
        shared += 1
    common = max((end for end in {0, *ends[0]} & {0, *ends[1]} if end <= shared), default=0)
    first = tuple(next((n for n, end in enumerate(item, 1) if end > common), 0) for item in ends)
    return Parting(common, (first[0], first[1]))


def answer_row(answer: Generation) -> dict[str, Any]:
    """Return what a record holds of an answer, as plain JSON."""
    return {
        "model": answer.model.to_dict(),
        "seed": str(answer.options.seed),  # of 64 bits: more than a number of JavaScript holds
        "texts": [token.text for token in answer.tokens],
        "stop": answer.stop_reason,
        "seconds": answer.tokens[-1].time_s if answer.tokens else 0.0,
        "first_s": answer.timing.first_token_s,
        "speed": answer.timing.decode_tokens_per_s,
        "perplexity": _perplexity(answer.tokens),
    }


def logprobs(answers: Sequence[Generation]) -> NDArray[np.float32]:
    """Return the logprobs of the tokens of all answers, one behind the other, in nats."""
    return np.array([token.logprob for answer in answers for token in answer.tokens], np.float32)


def pair_row(a: Generation, b: Generation, *, running: bool = False) -> dict[str, Any]:
    """Return the comparison of an answer with the first one, as plain JSON.

    Args:
        a: the first answer.
        b: the other answer.
        running: whether either of them is still being generated.
    """
    where = parting(a, b)
    count = [n - 1 if n else len(answer.tokens) for answer, n in zip((a, b), where.token, strict=True)]
    unknown = running and 0 in where.token  # the answer that has ended so far may go on
    equal = not running and a.text == b.text
    return {
        "common": count,
        "token": [0, 0] if unknown else list(where.token),
        "next": [] if unknown or equal else _weighed(a, b, where),
        "sentence": "" if unknown else _sentence(a, b, where),
    }


def _weighed(a: Generation, b: Generation, where: Parting) -> list[list[Any]]:
    """Return the tokens that either weighed where they part: text, logprob in the first, in the other.

    Only where both stand behind the same tokens' text, and both have the token's alternatives.
    """
    tables = []
    for answer, number in zip((a, b), where.token, strict=True):
        token = answer.tokens[number - 1] if number else None
        known = {item.text: item.logprob for item in token.alternatives} if token else {}
        tables.append({**known, **({token.text: token.logprob} if token else {})})
    likeliest = sorted(
        dict.fromkeys([*tables[0], *tables[1]]),
        key=lambda text: -max(table.get(text, -math.inf) for table in tables),
    )
    chosen = [answer.tokens[n - 1].text for answer, n in zip((a, b), where.token, strict=True) if n]
    shown = {*[*dict.fromkeys([*chosen, *likeliest])][:_NEXT]}
    return [[text, *(table.get(text) for table in tables)] for text in likeliest if text in shown]


def _sentence(a: Generation, b: Generation, where: Parting) -> str:
    """Return in one sentence where two answers part, what each weighed there, and whether it was near."""
    if a.text == b.text:
        return "both answers are the same text"
    before = _one_line(a.text[: where.common])[-_TAIL:]
    told, near = [], []
    for name, answer, number in zip("AB", (a, b), where.token, strict=True):
        if not number:
            told.append(f"{name} ends")
            continue
        token = answer.tokens[number - 1]
        p = math.exp(token.logprob)
        told.append(f'{name} "{_one_line(token.text)}" {percent(p)}')
        others = [math.exp(item.logprob) for item in token.alternatives if item.id != token.id]
        near.append(bool(others) and abs(max(others) - p) < _NEAR)
    at = f'after "…{before}"' if before else "at the beginning"
    even = "; nearly even in both" if len(near) == 2 and all(near) else ""
    return f"they part at token {max(where.token)}, {at}: {', '.join(told)}{even}"


def _one_line(text: str) -> str:
    """Return a text on one line; its spaces stay."""
    return printable(text).replace("\n", "⏎")


def _ends(answer: Generation) -> list[int]:
    """Return where each token's text ends, in characters."""
    result, at = [], 0
    for token in answer.tokens:
        at += len(token.text)
        result.append(at)
    return result


def _perplexity(tokens: Sequence[Token]) -> float | None:
    """Return the perplexity of an answer; None where it has no token."""
    if not tokens:
        return None
    value = math.exp(min(-sum(token.logprob for token in tokens) / len(tokens), 700.0))
    return value if math.isfinite(value) else None


def _line(name: str, answer: dict[str, Any]) -> str:
    model = answer["model"]
    words = filter(None, (answer["error"], answer["note"]))
    told = "".join(f", {single_line(word)}" for word in words)
    return (
        f"{name} {single_line(model['name'])}, {model['precision']}: {len(answer['texts']):,} tokens, "
        f"seed {answer['seed']}, {answer['speed']:.1f} tokens/s{told}"
    )
