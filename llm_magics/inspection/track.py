"""Chosen strings, followed at every step of a text: how likely each would have been, and its rank."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress, validation
from ..core.format import percent
from ..core.records import ModelInfo
from ..core.sampling import log_softmax
from ..engine.base import check_fits
from ..engine.generate import score_in_chunks
from ..engine.runtime import Runtime
from ..errors import UsageError
from ..views.inspection_record import InspectionRecord, Stored, table
from . import figures
from .logit_lens import first_token_of
from .reading.tokenized_text import TokenizedText, visible_token

MOST = 8


class TokenTrack(InspectionRecord):
    """Watched strings behind every token. Made by :meth:`Model.watch`.

    ``logprob`` (watched, tokens), nats, and ``rank`` (from 0): of a string's first token, as the model
    expects it behind the text up to and with that token. ``head["watch"]``: each ``text``, its first token's
    ``id`` and ``first`` text, and whether the string is more than that (``longer``).
    """

    kind = "watch"
    figure = figures.track
    storage: ClassVar[Stored] = {"logprob": ("u2", -1 / 1024), "rank": ("u4", 1)}

    def to_text(self) -> str:
        """Return where each string was likeliest, and how it stands at the end."""
        h = self.head
        lines = [f"{len(h['watch'])} strings behind each of {len(h['texts']):,} tokens"]
        for n, item in enumerate(h["watch"]):
            logprob, rank = self.arrays["logprob"][n], self.arrays["rank"][n]
            at = int(logprob.argmax())
            more = f" (its first token, {visible_token(item['first'])!r})" if item["longer"] else ""
            lines.append(
                f"  {visible_token(item['text'])!r}{more}: at most {percent(np.exp(logprob[at]))} behind "
                f"{visible_token(h['texts'][at])!r} ({at + 1}); at the end {percent(np.exp(logprob[-1]))}, "
                f"rank {int(rank[-1]) + 1:,}"
            )
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """Return one row a token; two columns a string."""
        columns: dict[str, Any] = {"token": list(self.head["texts"])}
        for n, item in enumerate(self.head["watch"]):
            columns[f"logprob of {item['text']!r}"] = self.arrays["logprob"][n]
            columns[f"rank of {item['text']!r}"] = self.arrays["rank"][n]
        return table(columns)


def track(runtime: Runtime, info: ModelInfo, pieces: TokenizedText, strings: Sequence[str]) -> TokenTrack:
    """Read the text once, and look the strings up behind each of its tokens.

    Raises:
        UsageError: there are none or too many, or one is empty. ContextOverflow: the text is too long.
    """
    hint = 'Call model.track(answer, [" Paris", " Lyon"]).'
    strings = validation.require_str_list(strings, "strings", hint=hint)
    if not 1 <= len(strings) <= MOST:
        raise UsageError(f"track needs 1 to {MOST} strings", hint=hint)
    tokenizer, ids = runtime.tokenizer, list(pieces.ids)
    check_fits(len(ids), runtime.engine.context_length, what="the text", hint="Read it in parts.")
    firsts = [first_token_of(tokenizer, text) for text in strings]
    logprob = np.zeros((len(strings), len(ids)), np.float32)
    rank = np.zeros((len(strings), len(ids)), np.uint32)

    def seen(begin: int, logits: NDArray[np.float32]) -> None:
        rows, here = log_softmax(logits), slice(begin, begin + len(logits))
        for n, id in enumerate(firsts):
            logprob[n, here] = rows[:, id]
            rank[n, here] = (rows > rows[:, [id]]).sum(1)

    with progress.progress_bar("reading", len(ids), unit="token") as step:
        score_in_chunks(runtime, ids, seen, step=step)
    watched = [
        {
            "text": text,
            "id": id,
            "first": tokenizer.token_text(id),
            "longer": len(tokenizer.encode(text, special=False, begin=False)) > 1,
        }
        for text, id in zip(strings, firsts, strict=True)
    ]
    return TokenTrack(info, {**pieces.head(), "watch": watched}, {"logprob": logprob, "rank": rank})
