"""Where each head looks: the weights after softmax, as ONNX Runtime's attention kernel used them.

A text's weights are layers × heads × tokens² numbers, which grow fast: they are read a stretch of tokens at a
time, every head is kept as a small picture, and whole matrices of as many layers as a notebook should hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress, validation
from ..core.format import percent
from ..core.records import ModelInfo
from ..errors import UsageError
from ..views.inspection_record import InspectionRecord, Stored, table
from . import figures
from .reading.instrumented import InstrumentedDecoder
from .reading.tokenized_text import TokenizedText, previous_occurrences, visible_token

Floats = NDArray[np.float32]
THUMB = 24  # the side of a head's small picture
KEPT_BYTES = 6_000_000  # of whole matrices, one byte a weight
ASK_BYTES = 1_000_000_000


class Attention(InspectionRecord):
    """Layers × heads. Made by :meth:`Model.attention`.

    Layers and heads count from 0 in ``arrays``. ``thumbs`` (layers, heads, side, side): each cell the largest
    weight of its part of the matrix. ``triangles`` (kept, heads + 1, tokens · (tokens + 1) / 2): the lower
    triangles of the layers in ``head["kept"]``, row by row; the last of each layer is the rollout up to it
    (Abnar & Zuidema 2020, arXiv:2005.00928). Layers in ``head["no_attention"]`` have a convolution instead:
    zeros, and NaN in ``habits``. ``habits`` (layers, heads, 4): the mean weight of the first
    token, of what stood behind an earlier copy of the token (NaN where there is none), of the token before,
    and of the token itself.
    """

    kind = "attention"
    figure = figures.attention
    storage: ClassVar[Stored] = {
        "thumbs": ("u1", 1 / 255),
        "triangles": ("u1", 1 / 255),
        "habits": ("f4", 1),
    }

    def informative_heads(self) -> tuple[int, int]:
        """Return the layer and the head (from 1) with the largest weight on an inner token."""
        looks = self._last_rows()[..., 1:-1]
        if not looks.shape[-1]:
            return self.head["kept"][-1], 1
        most = looks.max(-1)
        layer, head = np.unravel_index(int(most.argmax()), most.shape)
        return self.head["kept"][layer], int(head) + 1

    def _last_rows(self) -> Floats:
        """Return where the last token looks: (kept layers, heads, tokens) float32."""
        # A triangle holds one row after the other; behind the heads stands the rollout.
        rows: Floats = self.arrays["triangles"][:, :-1, -len(self.head["ids"]) :]
        return rows

    def matrix(self, layer: int, head: int | str = "mean") -> Floats:
        """Return the weights of a kept layer, (tokens, tokens) float32: row i says where token i looks.

        Args:
            layer: from 1.
            head: from 1; or "mean" or "max" of all, or "rollout".

        Raises:
            UsageError: the layer was not kept, or there is no such head.
        """
        layers, heads = self.head["kept"], self.arrays["thumbs"].shape[1]
        if layer not in layers:
            raise UsageError(
                f"layer {layer} is not stored in this record",
                hint=f"Call model.attention(…, layers=[{layer}]); the record has {layers}.",
            )
        rows = self.arrays["triangles"][layers.index(layer)]
        if head in ("mean", "max"):
            flat = getattr(rows[:-1], str(head))(0)
        elif head == "rollout":
            flat = rows[-1]
        elif isinstance(head, int) and 1 <= head <= heads:
            flat = rows[head - 1]
        else:
            raise UsageError(
                f"head {head!r} does not exist", hint=f'Use 1 to {heads}, "mean", "max" or "rollout".'
            )
        tokens = len(self.head["ids"])
        full = np.zeros((tokens, tokens), np.float32)
        full[np.tril_indices(tokens)] = flat
        return full

    def to_text(self) -> str:
        """Return where the last token looks, layer by layer."""
        layers, heads = self.arrays["thumbs"].shape[:2]
        texts, tokens = self.head["texts"], len(self.head["ids"])
        lines = [f"{layers} layers × {heads} heads over {tokens:,} tokens"]
        for layer, last in [*zip(self.head["kept"], self._last_rows(), strict=True)][-8:]:
            rows = last.copy()
            if tokens > 2:
                rows[:, 0] = 0  # most weight rests on the first token, whatever it is
            n, at = np.unravel_index(int(rows.argmax()), rows.shape)
            source, target = visible_token(texts[-1]), visible_token(texts[at])
            lines.append(
                f"  layer {layer:3}, head {n + 1:2}: {source!r} looks at {target!r} "
                f"(place {at + 1}), {percent(rows[n, at])}"
            )
        return "\n".join([*lines, "the first token, on which heads rest, is left out here"])

    def to_pandas(self) -> Any:
        """Return one row a head: how much of its weight goes where, on average."""
        layers, heads = self.arrays["thumbs"].shape[:2]
        names = ("first", "after_copy", "before", "itself")
        return table(
            {
                "layer": np.repeat(np.arange(1, layers + 1), heads),
                "head": np.tile(np.arange(1, heads + 1), layers),
                **{name: self.arrays["habits"][..., n].reshape(-1) for n, name in enumerate(names)},
            }
        )


def attention(
    tapped: InstrumentedDecoder,
    pieces: TokenizedText,
    info: ModelInfo,
    *,
    layers: Sequence[int] | None = None,
    allow_large: bool = False,
) -> Attention:
    """Read where all heads look.

    Args:
        tapped: the decoder with taps.
        pieces: the tokenized text.
        info: the model in the record.
        layers: that are stored as matrices, from 1; None: all where they are small, else one in the middle.
        allow_large: also where the matrices would take more than 1 GB.

    Raises:
        UsageError: there is no such layer, or it takes more than 1 GB and nobody said that it may.
    """
    spec, tokens = tapped.spec, len(pieces.ids)
    size = (spec.heads + 1) * (tokens * (tokens + 1) // 2)
    numbers = [layer + 1 for layer in spec.attention_layers]  # others have a convolution
    stored_layers = _stored_layers(layers, numbers, size)
    places = [numbers.index(layer) for layer in stored_layers]
    deepest = max(places) + 1
    mean_type = np.float16 if tokens > 256 else np.float32
    needed = 4 * len(places) * size + deepest * tokens * tokens * np.dtype(mean_type).itemsize
    if needed > ASK_BYTES and not allow_large:
        raise UsageError(
            f"the weights of {len(stored_layers)} layers over {tokens:,} tokens take {needed / 1e9:.1f} GB",
            hint="Ask for one layer (layers=[3]), shorten the text, or pass allow_large=True.",
        )
    side = min(THUMB, tokens)
    thumbs = np.zeros((len(numbers), spec.heads, side, side), np.float32)
    # Sums over the rows that have such a token: the first, after a copy, before, itself.
    sums, counts = np.zeros((len(numbers), spec.heads, 4)), np.zeros(4)
    triangles = np.zeros((len(stored_layers), spec.heads + 1, size // (spec.heads + 1)), np.float32)
    copies = induction_targets(pieces.ids)
    # Rollout needs all layers up to a kept one of all tokens at once: the mean of the heads alone.
    means = np.zeros((deepest, tokens, tokens), mean_type)
    with progress.progress_bar("reading attention", tokens, unit="token") as step:
        for stretch in tapped.read(pieces.ids, attention=spec.attention_layers):
            rows = np.arange(stretch.begin, stretch.end)
            weights = stretch.attention
            _thumbnails(weights, rows, tokens, thumbs)
            _count(weights, rows, copies, sums, counts)
            means[:, rows, : stretch.end] = weights[:deepest].mean(1)
            for row in rows.tolist():
                at = row * (row + 1) // 2
                for n, place in enumerate(places):
                    triangles[n, :-1, at : at + row + 1] = weights[place, :, row - stretch.begin, : row + 1]
            step(len(rows))
    _rollout(means, places, triangles)
    with np.errstate(invalid="ignore"):
        habits = (sums / np.where(counts > 0, counts, np.nan)).astype(np.float32)
    head = {**pieces.head(), "kept": stored_layers, "copies": int(counts[1])}
    if without := [layer for layer in range(spec.layers) if layer not in spec.attention_layers]:
        head["no_attention"] = [layer + 1 for layer in without]
        thumbs = _spread(thumbs, spec.attention_layers, spec.layers, 0)
        habits = _spread(habits, spec.attention_layers, spec.layers, np.nan)
    return Attention(info, head, {"thumbs": thumbs, "triangles": triangles, "habits": habits})


def induction_targets(ids: Sequence[int]) -> list[int]:
    """Return, for each position, the position after the previous copy of its token; −1 without one."""
    return [at + 1 if at >= 0 else -1 for at in previous_occurrences(ids)]


def _spread(array: Floats, layers: Sequence[int], count: int, fill: float) -> Floats:
    """Return an array with a row for each of ``count`` layers: ``fill`` where there is no attention."""
    result = np.full((count, *array.shape[1:]), fill, np.float32)
    result[list(layers)] = array
    return result


def _stored_layers(layers: Sequence[int] | None, numbers: Sequence[int], size: int) -> list[int]:
    """Return the layers that are stored as matrices, from 1.

    Args:
        layers: as the user named them, or None.
        numbers: the layers with attention, from 1.
        size: the numbers that one layer takes.

    Raises:
        UsageError: there is no such layer.
    """
    count = len(numbers)
    if layers is None:
        return list(numbers) if count * size <= KEPT_BYTES else [numbers[max(count * 3 // 5 - 1, 0)]]
    stored = sorted({validation.as_int(layer) or 0 for layer in layers}) if np.iterable(layers) else []
    if not stored or not {*stored} <= {*numbers}:
        known = f"from 1 to {count}" if numbers[-1] == count else ", ".join(map(str, numbers))
        raise UsageError(
            f"layers {validation.format_value(layers)} do not exist or have no attention",
            hint=f"Use layers {known}.",
        )
    return stored


def _rollout(means: NDArray[Any], places: list[int], triangles: Floats) -> None:
    """Write attention rollout (Abnar & Zuidema 2020, arXiv:2005.00928) of the stored layers.

    Args:
        means: (layers with attention, tokens, tokens), the mean of the heads.
        places: which of these are stored.
        triangles: (stored layers, heads + 1, lower triangle); the last head is written.
    """
    tokens = means.shape[1]
    lower, identity = np.tril_indices(tokens), np.eye(tokens, dtype=np.float32)
    rolled = identity
    for layer in range(max(places) + 1):
        own = 0.5 * (means[layer].astype(np.float32) + identity)
        rolled = own if layer == 0 else own @ rolled
        if layer in places:
            triangles[places.index(layer), -1] = rolled[lower]


def _thumbnails(weights: Floats, rows: NDArray[np.intp], tokens: int, thumbs: Floats) -> None:
    """Write the largest weight of each part of the matrix into ``thumbs``."""
    side = thumbs.shape[-1]
    columns = np.minimum(np.arange(weights.shape[-1]) * side // tokens, side - 1)
    starts = np.flatnonzero(np.diff(columns, prepend=-1))
    for n, row in enumerate(rows.tolist()):
        most = np.maximum.reduceat(weights[:, :, n], starts, axis=-1)
        part = thumbs[:, :, min(row * side // tokens, side - 1), : most.shape[-1]]
        np.maximum(part, most, out=part)


def _count(
    weights: Floats,
    rows: NDArray[np.intp],
    copies: Sequence[int],
    sums: NDArray[np.float64],
    counts: NDArray[np.float64],
) -> None:
    for n, row in enumerate(rows.tolist()):
        if row == 0:
            continue  # it has nowhere else to look
        for habit, at in enumerate((0, copies[row], row - 1, row)):
            if at >= 0:
                sums[..., habit] += weights[:, :, n, at]
                counts[habit] += 1
