"""The logit lens: what the model would say if it ended after each layer (nostalgebraist 2020).

The residual stream after a layer goes through the model's own end: its final norm, its head, and the caps of
its family. What early layers say this way is read with the last layer's eyes; it is no thought of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress, validation
from ..core.format import percent
from ..core.records import ModelInfo
from ..core.sampling import log_softmax
from ..engine.base import Tokenizer
from ..errors import UsageError
from ..views.inspection_record import InspectionRecord, Stored, table
from . import figures
from .reading.distributions import DistributionReader, rows_per_chunk
from .reading.instrumented import InstrumentedDecoder
from .reading.tokenized_text import TokenizedText, token_labels, visible_token

NATS = 1 / 1024
TOP, MOST_VALUES = 10, 600_000


class LogitLens(InspectionRecord):
    """Layers × tokens. Made by :meth:`Model.lens`.

    Layers count from 1: row 0 of an array is what is read after the first. Of every layer and token, in
    ``arrays``: ``top_ids`` and ``top_logprobs`` (layers, tokens, k), best first; ``logprob`` and ``rank``
    (layers, tokens) of the answer, which is the likeliest token after the last layer; ``entropy``; ``kl``:
    KL(last layer ‖ this one); all in nats, ranks from 0. Of watched tokens ``watch_logprob`` and
    ``watch_rank`` (watched, layers, tokens).
    """

    kind = "lens"
    figure = figures.logit_lens
    storage: ClassVar[Stored] = {
        "top_ids": ("u4", 1),
        "top_logprobs": ("u2", -NATS),
        "logprob": ("u2", -NATS),
        "rank": ("u4", 1),
        "entropy": ("u2", 1 / 4096),
        "kl": ("u2", NATS),
        "watch_logprob": ("u2", -NATS),
        "watch_rank": ("u4", 1),
    }

    @property
    def answers(self) -> list[str]:
        """Return what the model says in the end, after each token."""
        return [self.head["words"][str(id)] for id in self.arrays["top_ids"][-1, :, 0].tolist()]

    @property
    def settled_layers(self) -> list[int]:
        """Return the layer, from 1, from which on each token's answer stays first."""
        behind = self.arrays["rank"] > 0
        layers = len(behind)
        last = layers - np.argmax(behind[::-1], axis=0)
        return np.where(behind.any(0), last + 1, 1).tolist()  # type: ignore[no-any-return]

    def to_text(self) -> str:
        """Return the last token's way, and each token's answer."""
        a, layers = self.arrays, len(self.arrays["rank"])
        word = self.head["words"]
        lines = [f"layers × tokens: {layers} × {len(self.head['ids'])}, read with the final norm and head"]
        lines.append(
            f"after {visible_token(self.head['texts'][-1])!r} it says {visible_token(self.answers[-1])}:"
        )
        for layer in sorted({*range(layers - 1, 0, -max(layers // 10, 1)), 0}):
            best = visible_token(word[str(int(a["top_ids"][layer, -1, 0]))])
            p, own = np.exp(a["top_logprobs"][layer, -1, 0]), np.exp(a["logprob"][layer, -1])
            rank = int(a["rank"][layer, -1]) + 1
            lines.append(
                f"  layer {layer + 1:3}  {best:<14} {percent(p):>8}   its answer {rank:>7,}. {percent(own)}"
            )
        says = " ".join(map(visible_token, self.answers[-12:]))
        return "\n".join(
            [*lines, f"the last tokens say: {says}", f"leads from layer {self.settled_layers[-1]}"]
        )

    def to_pandas(self) -> Any:
        """Return one row a layer and token."""
        a = self.arrays
        layers, tokens = a["rank"].shape
        word = self.head["words"]
        return table(
            {
                "layer": np.repeat(np.arange(1, layers + 1), tokens),
                "place": np.tile(np.arange(tokens), layers),
                "token": list(self.head["texts"]) * layers,
                "top": [word[str(id)] for id in a["top_ids"][..., 0].reshape(-1).tolist()],
                "top_logprob": a["top_logprobs"][..., 0].reshape(-1),
                "answer": self.answers * layers,
                **{name: a[name].reshape(-1) for name in ("logprob", "rank", "entropy", "kl")},
            }
        )


def logit_lens(
    tapped: InstrumentedDecoder,
    tokenizer: Tokenizer,
    pieces: TokenizedText,
    info: ModelInfo,
    *,
    track: Sequence[str] = (),
) -> LogitLens:
    """Read every layer after every token.

    Args:
        tapped: the decoder with taps.
        tokenizer: the tokenizer.
        pieces: the tokenized text.
        info: the model in the record.
        track: texts; the first token of each is followed through all layers.

    Raises:
        UsageError: a watched text is empty. ContextOverflow: the text is too long.
    """
    layers, tokens = tapped.spec.layers, len(pieces.ids)
    hint = 'Pass a list of strings, for example track=[" Paris"].'
    watched = [
        first_token_of(tokenizer, text) for text in validation.require_str_list(track, "track", hint=hint)
    ]
    k = TOP if layers * tokens * TOP <= MOST_VALUES else 3 if layers * tokens * 3 <= MOST_VALUES else 1
    reader = DistributionReader(tapped.spec.vocab, top_k=k)
    a: dict[str, NDArray[Any]] = {
        "top_ids": np.zeros((layers, tokens, k), np.uint32),
        "top_logprobs": np.zeros((layers, tokens, k), np.float32),
        "logprob": np.zeros((layers, tokens), np.float32),
        "rank": np.zeros((layers, tokens), np.uint32),
        "entropy": np.zeros((layers, tokens), np.float32),
        "kl": np.zeros((layers, tokens), np.float32),
        "watch_logprob": np.zeros((len(track), layers, tokens), np.float32),
        "watch_rank": np.zeros((len(track), layers, tokens), np.uint32),
    }
    size = rows_per_chunk(tapped.spec.vocab)
    with progress.progress_bar("reading layers", layers * tokens, unit="cell") as step:
        for stretch in tapped.read(pieces.ids, residuals=True):
            for begin in range(stretch.begin, stretch.end, size):
                here = slice(begin, min(begin + size, stretch.end))
                _read(tapped, reader, stretch.residuals, here, stretch.begin, watched, a, step)
    result = {int(id) for id in np.unique(a["top_ids"])} | set(watched)
    head = {
        **pieces.head(),
        "words": token_labels(tokenizer, result),
        "watch": [{"text": text, "id": id} for text, id in zip(track, watched, strict=True)],
    }
    return LogitLens(info, head, a)


def first_token_of(tokenizer: Tokenizer, text: str) -> int:
    """Return the first token of a text that goes on from another.

    Raises:
        UsageError: it is empty.
    """
    ids = tokenizer.encode(text, special=False, begin=False) if isinstance(text, str) else []
    if not ids:
        raise UsageError(
            f"{validation.format_value(text)} has no token to track",
            hint='Pass a list of strings, for example track=[" Paris"].',
        )
    return ids[0]


def _read(
    tapped: InstrumentedDecoder,
    reader: DistributionReader,
    residuals: NDArray[np.float32],
    here: slice,
    begin: int,
    tracked: Sequence[int],
    a: dict[str, NDArray[Any]],
    step: Any,
) -> None:
    """Read all layers of a chunk of tokens.

    The top token of the last layer is the reference for the others.
    """
    rows = slice(here.start - begin, here.stop - begin)
    last = log_softmax(tapped.logits_of(residuals[-1, rows]))
    answers = last.argmax(1)
    odds = np.exp(last)
    certain = np.einsum("ij,ij->i", odds, last)  # Σ p log p
    for layer in range(len(a["rank"])):
        logits = tapped.logits_of(residuals[layer + 1, rows])
        for n, id in enumerate(tracked):
            a["watch_rank"][n, layer, here] = (logits > logits[:, [id]]).sum(1)
            a["watch_logprob"][n, layer, here] = logits[:, id]
        result = reader.read(logits, answers)
        a["watch_logprob"][:, layer, here] -= result.log_total
        total = logits[np.arange(len(logits)), answers] - result.logprob  # the rows are shifted by now
        a["kl"][layer, here] = np.maximum(certain - np.einsum("ij,ij->i", odds, logits) + total, 0)
        a["top_ids"][layer, here], a["top_logprobs"][layer, here] = result.top_ids, result.top_logprobs
        a["logprob"][layer, here], a["rank"][layer, here] = result.logprob, result.rank
        a["entropy"][layer, here] = result.entropy
        step(here.stop - here.start)
