"""The likeliest label by the first token of an answer: what a server with logprobs can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...core.records import Generation
from ...errors import UsageError
from ...inspection.answers.choices import Choices
from ...sanitize import single_line

_OTHERS = 3


def first_token_choices(generation: Generation, labels: Mapping[str, Sequence[str]]) -> Choices:
    """Return the labels with the probabilities of the first tokens that they begin with.

    This is approximate: a first token such as " b" may begin other words than the label.

    Args:
        generation: an answer of one token with its alternatives.
        labels: with their spellings.

    Raises:
        UsageError: the server gives no logprobs, or its likeliest tokens do not decide.
    """
    if not generation.tokens or "logprob" in generation.missing or not generation.tokens[0].alternatives:
        raise UsageError(
            f"{single_line(generation.model.name)} gives no logprobs, which --choices needs",
            hint="Use --schema with an enum, or a model on this machine.",
        )
    listed = [(other.text, other.logprob) for other in generation.tokens[0].alternatives]
    owners: dict[str, set[str]] = {}
    for text, _ in listed:
        start = text.strip()
        owners[text] = {
            name
            for name, spellings in labels.items()
            if start and any(item.strip().startswith(start) for item in spellings)
        }
    if shared := next((names for names in owners.values() if len(names) > 1), None):
        one, other = sorted(shared)[:2]
        raise UsageError(
            f"{single_line(one)} and {single_line(other)} begin with the same token, and a server gives the "
            "probabilities of first tokens only",
            hint="Choose labels that begin differently, or use a model on this machine.",
        )
    rows = []
    for name in labels:
        starts = [(text, logprob) for text, logprob in listed if owners[text] == {name}]
        if not starts:
            raise UsageError(
                f"none of the {len(listed)} likeliest tokens begins the label {single_line(name)}",
                hint="Ask for one word in the prompt, or use a model on this machine.",
            )
        rows.append((name, starts))
    return _record(generation, rows, [item for item in listed if not owners[item[0]]])


def _record(
    generation: Generation,
    rows: Sequence[tuple[str, list[tuple[str, float]]]],
    others: Sequence[tuple[str, float]],
) -> Choices:
    masses = [sum(math.exp(logprob) for _, logprob in starts) for _, starts in rows]
    total = sum(masses)
    logprobs: list[float] = []
    labels: list[dict[str, Any]] = []
    for (name, starts), mass in zip(rows, masses, strict=True):
        first = len(logprobs)
        logprobs += [logprob for _, logprob in starts]
        labels.append(
            {
                "name": name,
                "of_all": mass,
                "share": mass / total,
                "spellings": [
                    {"text": text, "ids": [first + n], "texts": [text], "p": math.exp(logprob)}
                    for n, (text, logprob) in enumerate(starts)
                ],
            }
        )
    head = {
        "labels": labels,
        "chosen": max(range(len(masses)), key=masses.__getitem__),
        "others": [[text, math.exp(logprob)] for text, logprob in others[:_OTHERS]],
        "approximate": True,
    }
    return Choices(generation.model, head, {"logprob": np.array(logprobs)})
