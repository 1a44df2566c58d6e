"""Draw the main figure of each view, for pages where no script runs (views/drawing.py)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.format import percent
from ..views.drawing import (
    HEAT,
    HEAT_SOLID,
    INK,
    MASS,
    MASS_SOLID,
    QUIET,
    RULE,
    TRACK,
    Drawing,
    bars,
    curves,
    step,
)
from .reading.tokenized_text import visible_token

# The classes import this file: of their records only the fields are named here.
Record = Any
_TOKENS, _LAYERS, _ROWS = 12, 40, 24  # of a figure at most
_PERCENT, _BITS = (1, 5, 20, 50, 80), (1, 2, 4, 6, 9)
_LINES = (MASS_SOLID, HEAT_SOLID, "#2e7d32", "#6a1b9a", "#616161")


def logit_lens(record: Record) -> Drawing:
    """Draw the likeliest word of each layer and token, on how likely the answer is there."""
    a, texts, words = record.arrays, record.head["texts"], record.head["words"]
    layers, tokens = a["rank"].shape
    first = max(tokens - _TOKENS, 0)
    rows = list(range(layers)) if layers <= _LAYERS else list(range(0, layers, -(-layers // _LAYERS)))
    wide, high = 84, 17
    drawing = Drawing(
        48 + wide * (tokens - first), 40 + high * len(rows), "lens: the likeliest word after each layer"
    )
    for column, token in enumerate(range(first, tokens)):
        x = 44 + wide * column
        drawing.text(x, 24, visible_token(texts[token]), fill=QUIET, mono=True, most=11)
        for n, layer in enumerate(rows):
            p = 100 * float(np.exp(a["logprob"][layer, token]))
            y = 32 + high * n
            drawing.rect(x - 3, y, wide - 2, high - 2, MASS[step(_PERCENT, p)])
            best = words[str(int(a["top_ids"][layer, token, 0]))]
            drawing.text(x, y + 12, visible_token(best), mono=True, most=11)
    for n, layer in enumerate(rows):
        drawing.text(34, 44 + high * n, str(layer + 1), fill=QUIET, anchor="end")
    return drawing


def attention(record: Record) -> Drawing:
    """Draw where each token looks in one head. The first token, on which heads rest, is left out."""
    texts = record.head["texts"]
    tokens = min(len(texts), 40)
    layer, head = record.informative_heads()
    weights = record.matrix(layer, head)[:tokens, :tokens].copy()
    weights[1:, 0] = 0
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-6)
    cell = 24 if tokens <= 16 else 14
    drawing = Drawing(
        140 + cell * tokens + 20, 40 + cell * tokens, f"attention of layer {layer}, head {head}"
    )
    drawing.text(8, 16, f"layer {layer}, head {head}; the first token is left out", fill=QUIET)
    for row in range(tokens):
        y = 28 + cell * row
        drawing.text(128, y + cell * 0.7, visible_token(texts[row]), anchor="end", mono=True, most=16)
        for at in range(row + 1):
            fill = MASS[step(_PERCENT, 100 * float(weights[row, at]))]
            drawing.rect(136 + cell * at, y, cell - 1, cell - 1, fill, edge=RULE)
    return drawing


def attribution(record: Record) -> Drawing:
    """Draw by how many bits each of the tokens that matter most speaks for the target."""
    target = visible_token(record.head["words"][str(record.head["target"])])
    return _differences(
        f"what speaks for {target}",
        record.head["texts"],
        record.arrays["effect"].astype(np.float64) / np.log(2),
    )


def compare(record: Record) -> Drawing | None:
    """Draw where the two differ most."""
    title = "by how many bits B finds a token likelier than A"
    return _differences(title, record.head["texts"], record.delta) if len(record.delta) else None


def _differences(title: str, texts: Sequence[str], bits: NDArray[np.float64]) -> Drawing:
    """Draw the largest of these differences, in the order of the text.

    Args:
        title: the title of the figure.
        texts: the text of every token.
        bits: of each text; NaN where it is not known.
    """
    known = np.flatnonzero(np.isfinite(bits))
    places = sorted(known[np.argsort(-np.abs(bits[known]), kind="stable")][:_ROWS].tolist())
    most = max((abs(float(bits[n])) for n in places), default=0.0) or 1.0
    return bars(
        title,
        [
            (
                visible_token(texts[n]),
                float(bits[n]) / most,
                f"{bits[n]:+.2f} bits",
                MASS[4] if bits[n] > 0 else HEAT[4],
            )
            for n in places
        ],
    )


def track(record: Record) -> Drawing:
    """Draw the probability of each watched string behind each token."""
    p = 100 * np.exp(record.arrays["logprob"].astype(np.float64))
    series = [
        (visible_token(item["text"]), _LINES[n % len(_LINES)], list(range(1, p.shape[1] + 1)), p[n].tolist())
        for n, item in enumerate(record.head["watch"])
    ]
    return curves("probability of the watched strings", series, unit="%, behind each token")


def probe(record: Record) -> Drawing:
    """Draw the bits of each string: a longer bar is less likely."""
    bits = {text: -value / math.log(2) for text, value in record.logprobs.items()}
    most = max((entry for entry in bits.values() if math.isfinite(entry)), default=1.0) or 1.0
    rows = [
        (
            visible_token(text),
            entry / most,
            f"{entry:.2f} bits, {percent(2.0**-entry)}",
            HEAT[step(_BITS, entry)],
        )
        for text, entry in sorted(bits.items(), key=lambda item: item[1])[:_ROWS]
    ]
    return bars("surprise of each string", rows)


def sample_tree(record: Record) -> Drawing:
    """Draw the first words of each sample, those that begin alike under one another."""
    samples = sorted(record.head["samples"], key=lambda item: item["texts"])[:_ROWS]
    wide = 92
    drawing = Drawing(24 + wide * 8, 24 * len(samples) + 16, "samples, by how they begin")
    before: list[str] = []
    for n, item in enumerate(samples):
        texts = item["texts"][:8]
        alike = sum(1 for _ in takewhile(lambda both: both[0] == both[1], zip(texts, before, strict=False)))
        for k, text in enumerate(texts):
            x, y = 12 + wide * k, 8 + 24 * n
            if k >= alike:
                drawing.rect(x, y, wide - 6, 20, MASS[2] if k == alike else TRACK)
                drawing.text(x + 4, y + 14, visible_token(text), mono=True, most=12, fill=INK)
            else:
                drawing.path([(x + 4, y - 4), (x + 4, y + 20)], RULE)
        before = texts
    return drawing


def memorization(record: Record) -> Drawing:
    """Draw how surprising each true token was."""
    begin = record.head["given"]
    bits = -record.arrays["logprob"].astype(np.float64)[begin:] / np.log(2)
    places = list(range(begin + 1, begin + 1 + len(bits)))
    series = [("surprise", HEAT_SOLID, places, bits.tolist())]
    return curves(
        "surprise of the true tokens, in bits", series, unit="bits a token; 0 is said word for word"
    )
