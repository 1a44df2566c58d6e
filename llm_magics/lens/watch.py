"""Chosen strings, followed at every step of a text: how likely each would have been, and its rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import given, progress
from ..core.records import ModelInfo
from ..engine.base import check_fits
from ..engine.generate import Runtime, read_all
from ..errors import UsageError
from ..views.picture import Picture, Stored, table
from . import figures
from .layers import first_of
from .reading.pieces import Pieces, percent, shown
from .reading.rows import log_softmax

MOST = 8


class Watch(Picture):
    """Watched strings behind every token. Made by :meth:`Model.watch`.

    ``logprob`` (watched, tokens), nats, and ``rank`` (from 0): of a string's first token, as the model
    expects it behind the text up to and with that token. ``head["watch"]``: each ``text``, its first token's
    ``id`` and ``first`` text, and whether the string is more than that (``longer``).
    """

    kind = "watch"
    figure = figures.watch
    stored: ClassVar[Stored] = {"logprob": ("u2", -1 / 1024), "rank": ("u4", 1)}

    def plain(self) -> str:
        """Where each string was likeliest, and how it stands at the end."""
        h = self.head
        lines = [f"{len(h['watch'])} strings behind each of {len(h['texts']):,} tokens"]
        for n, each in enumerate(h["watch"]):
            logprob, rank = self.arrays["logprob"][n], self.arrays["rank"][n]
            at = int(logprob.argmax())
            more = f" (its first token, {shown(each['first'])!r})" if each["longer"] else ""
            lines.append(
                f"  {shown(each['text'])!r}{more}: at most {percent(np.exp(logprob[at]))} behind "
                f"{shown(h['texts'][at])!r} ({at + 1}); at the end {percent(np.exp(logprob[-1]))}, "
                f"rank {int(rank[-1]) + 1:,}"
            )
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """One row a token; two columns a string."""
        columns: dict[str, Any] = {"token": list(self.head["texts"])}
        for n, each in enumerate(self.head["watch"]):
            columns[f"logprob of {each['text']!r}"] = self.arrays["logprob"][n]
            columns[f"rank of {each['text']!r}"] = self.arrays["rank"][n]
        return table(columns)


def watch(runtime: Runtime, info: ModelInfo, pieces: Pieces, strings: Sequence[str]) -> Watch:
    """Read the text once, and look the strings up behind each of its tokens.

    Raises:
        UsageError: there are none or too many, or one is empty. ContextOverflow: the text is too long.
    """
    hint = 'model.watch(answer, [" Paris", " Lyon"])'
    strings = given.texts(strings, "watch", hint=hint)
    if not 1 <= len(strings) <= MOST:
        raise UsageError(f"watch takes 1 to {MOST} strings", hint=hint)
    tokenizer, ids = runtime.tokenizer, list(pieces.ids)
    check_fits(len(ids), runtime.engine.context_length, what="the text", hint="read it in parts")
    firsts = [first_of(tokenizer, text) for text in strings]
    logprob = np.zeros((len(strings), len(ids)), np.float32)
    rank = np.zeros((len(strings), len(ids)), np.uint32)

    def seen(begin: int, logits: NDArray[np.float32]) -> None:
        rows, here = log_softmax(logits.copy()), slice(begin, begin + len(logits))
        for n, id in enumerate(firsts):
            logprob[n, here] = rows[:, id]
            rank[n, here] = (rows > rows[:, [id]]).sum(1)

    with progress.bar("reading", len(ids), unit="token") as step:
        read_all(runtime, ids, seen, step=step)
    watched = [
        {
            "text": text,
            "id": id,
            "first": tokenizer.token_text(id),
            "longer": len(tokenizer.encode(text, special=False, begin=False)) > 1,
        }
        for text, id in zip(strings, firsts, strict=True)
    ]
    return Watch(info, {**pieces.head(), "watch": watched}, {"logprob": logprob, "rank": rank})
