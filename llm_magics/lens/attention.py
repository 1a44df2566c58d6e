"""Where each head looks: the weights after softmax, as ONNX Runtime's attention kernel used them.

A text's weights are layers × heads × tokens² numbers, which grow fast: they are read a stretch of tokens at a
time, every head is kept as a small picture, and whole matrices of as many layers as a notebook should hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import given, progress
from ..core.records import ModelInfo
from ..errors import UsageError
from ..views.picture import Picture, Stored, table
from . import figures
from .reading.pieces import Pieces, earlier_copies, percent, shown
from .reading.tapped import Tapped

Floats = NDArray[np.float32]
THUMB = 24  # the side of a head's small picture
KEPT_BYTES = 6_000_000  # of whole matrices, one byte a weight
ASK_BYTES = 1_000_000_000


class Attention(Picture):
    """Layers × heads. Made by :meth:`Model.attention`.

    Layers and heads count from 0 in ``arrays``. ``thumbs`` (layers, heads, side, side): each cell the largest
    weight of its part of the matrix. ``triangles`` (kept, heads + 1, tokens · (tokens + 1) / 2): the lower
    triangles of the layers in ``head["kept"]``, row by row; the last of each layer is the rollout up to it
    (Abnar & Zuidema 2020, arXiv:2005.00928). ``habits`` (layers, heads, 4): the mean weight of the first
    token, of what stood behind an earlier copy of the token (NaN where there is none), of the token before,
    and of the token itself.
    """

    kind = "attention"
    figure = figures.attention
    stored: ClassVar[Stored] = {
        "thumbs": ("u1", 1 / 255),
        "triangles": ("u1", 1 / 255),
        "habits": ("f4", 1),
    }

    def telling(self) -> tuple[int, int]:
        """Return the layer and the head, from 1, that look most at one token which is neither the first nor
        the last itself: the view opens with it.
        """
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
        """The weights of a kept layer, (tokens, tokens) float32: row i says where token i looks.

        Args:
            layer: from 1.
            head: from 1; or "mean" or "max" of all, or "rollout".

        Raises:
            UsageError: the layer was not kept, or there is no such head.
        """
        kept, heads = self.head["kept"], self.arrays["thumbs"].shape[1]
        if layer not in kept:
            raise UsageError(
                f"layer {layer} was not kept", hint=f"model.attention(…, layers=[{layer}]); there are {kept}"
            )
        rows = self.arrays["triangles"][kept.index(layer)]
        if head in ("mean", "max"):
            flat = getattr(rows[:-1], str(head))(0)
        elif head == "rollout":
            flat = rows[-1]
        elif isinstance(head, int) and 1 <= head <= heads:
            flat = rows[head - 1]
        else:
            raise UsageError(f"there is no head {head!r}", hint=f'1 to {heads}, "mean", "max" or "rollout"')
        tokens = len(self.head["ids"])
        full = np.zeros((tokens, tokens), np.float32)
        full[np.tril_indices(tokens)] = flat
        return full

    def plain(self) -> str:
        """Where the last token looks, layer by layer."""
        layers, heads = self.arrays["thumbs"].shape[:2]
        texts, tokens = self.head["texts"], len(self.head["ids"])
        lines = [f"{layers} layers × {heads} heads over {tokens:,} tokens"]
        for layer, last in [*zip(self.head["kept"], self._last_rows(), strict=True)][-8:]:
            rows = last.copy()
            if tokens > 2:
                rows[:, 0] = 0  # most weight rests on the first token, whatever it is
            n, at = np.unravel_index(int(rows.argmax()), rows.shape)
            lines.append(
                f"  layer {layer:3}, head {n + 1:2}: {shown(texts[-1])!r} looks at {shown(texts[at])!r} "
                f"(place {at + 1}), {percent(rows[n, at])}"
            )
        return "\n".join([*lines, "the first token, on which heads rest, is left out here"])

    def to_pandas(self) -> Any:
        """One row a head: how much of its weight goes where, on average."""
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
    tapped: Tapped,
    pieces: Pieces,
    info: ModelInfo,
    *,
    layers: Sequence[int] | None = None,
    whatever_it_takes: bool = False,
) -> Attention:
    """Read where all heads look.

    Args:
        layers: whose matrices are kept, from 1; None: all where they are small, else the one in the middle.
        whatever_it_takes: also where the matrices would take more than 1 GB.

    Raises:
        UsageError: there is no such layer, or it takes more than 1 GB and nobody said that it may.
    """
    spec, tokens = tapped.spec, len(pieces.ids)
    size = (spec.heads + 1) * (tokens * (tokens + 1) // 2)
    if layers is None:
        every = spec.layers * size <= KEPT_BYTES
        kept = list(range(1, spec.layers + 1)) if every else [max(spec.layers * 3 // 5, 1)]
    else:
        kept = sorted({given.as_whole(layer) or 0 for layer in layers}) if np.iterable(layers) else []
    if not kept or not 1 <= kept[0] <= kept[-1] <= spec.layers:
        raise UsageError(f"there are no layers {given.shown(layers)}", hint=f"1 to {spec.layers}")
    mean_type = np.float16 if tokens > 256 else np.float32
    needed = 4 * len(kept) * size + max(kept) * tokens * tokens * np.dtype(mean_type).itemsize
    if needed > ASK_BYTES and not whatever_it_takes:
        raise UsageError(
            f"the weights of {len(kept)} layers over {tokens:,} tokens take {needed / 1e9:.1f} GB",
            hint="one layer at a time: layers=[3]; or a shorter text; or whatever_it_takes=True",
        )
    side = min(THUMB, tokens)
    thumbs = np.zeros((spec.layers, spec.heads, side, side), np.float32)
    # Sums over the rows that have such a token: the first, after a copy, before, itself.
    sums, counts = np.zeros((spec.layers, spec.heads, 4)), np.zeros(4)
    triangles = np.zeros((len(kept), spec.heads + 1, size // (spec.heads + 1)), np.float32)
    copies = after_copies(pieces.ids)
    # Rollout needs all layers up to a kept one of all tokens at once: the mean of the heads alone.
    means = np.zeros((max(kept), tokens, tokens), mean_type)
    with progress.bar("reading attention", tokens, unit="token") as step:
        for stretch in tapped.read(pieces.ids, attention=range(spec.layers)):
            rows = np.arange(stretch.begin, stretch.end)
            weights = stretch.attention
            _shrink(weights, rows, tokens, thumbs)
            _count(weights, rows, copies, sums, counts)
            means[:, rows, : stretch.end] = weights[: max(kept)].mean(1)
            for row in rows.tolist():
                at = row * (row + 1) // 2
                for n, layer in enumerate(kept):
                    triangles[n, :-1, at : at + row + 1] = weights[
                        layer - 1, :, row - stretch.begin, : row + 1
                    ]
            step(len(rows))
    lower, stays = np.tril_indices(tokens), np.eye(tokens, dtype=np.float32)
    rolled = stays
    for layer in range(max(kept)):
        own = 0.5 * (means[layer].astype(np.float32) + stays)
        rolled = own if layer == 0 else own @ rolled
        if layer + 1 in kept:
            triangles[kept.index(layer + 1), -1] = rolled[lower]
    with np.errstate(invalid="ignore"):
        habits = (sums / np.where(counts > 0, counts, np.nan)).astype(np.float32)
    head = {**pieces.head(), "kept": kept, "copies": int(counts[1])}
    return Attention(info, head, {"thumbs": thumbs, "triangles": triangles, "habits": habits})


def after_copies(ids: Sequence[int]) -> list[int]:
    """For each place, the one behind the newest earlier copy of its token; −1 where there is none."""
    return [at + 1 if at >= 0 else -1 for at in earlier_copies(ids)]


def _shrink(weights: Floats, rows: NDArray[np.intp], tokens: int, thumbs: Floats) -> None:
    """The largest weight of each part of the matrix."""
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
