"""How far a model goes on with a text word for word: whether it has it by heart."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress
from ..core.given import whole
from ..core.records import ModelInfo
from ..core.sampling import Weigher
from ..engine.generate import Runtime, read_all
from ..errors import UsageError
from ..views.picture import Picture, Stored, table
from . import figures
from .reading.pieces import Pieces, percent, shown, words

SHARE = 4  # the first quarter of a text is given, where nothing else is asked for


class Memory(Picture):
    """A text against what the model would have said. Made by :meth:`Model.memorised`.

    Greedy decoding from the first ``given`` tokens repeats the text for ``run`` tokens; ``longest`` is the
    longest stretch in which every token is the likeliest one behind the true text, and where it begins.
    ``rank`` (tokens,) from 0 and ``logprob`` (nats) of each true token behind the text before it; NaN and 0
    for the first.
    """

    kind = "memory"
    figure = figures.memory
    stored: ClassVar[Stored] = {"rank": ("u4", 1), "logprob": ("f4", 1), "best": ("u4", 1)}

    @property
    def run(self) -> int:
        """So many tokens behind those given would have been said word for word."""
        return int(self.head["run"])

    def plain(self) -> str:
        """What was given, what it would have said, and where it parts."""
        h = self.head
        texts, given, run = h["texts"], h["given"], self.run
        end = given + run
        ranks = self.arrays["rank"][given:]
        first = (ranks == 0).mean() if len(ranks) else 0.0
        start, length = h["longest"]
        said = shown("".join(texts[given:end]))[:200]
        lines = [
            f"given {given} tokens: {shown(''.join(texts[:given]))[-70:]}",
            f"goes on word for word for {run} of {len(texts) - given} tokens: {said}",
        ]
        if end < len(texts):
            best = shown(h["words"].get(str(int(self.arrays["best"][end])), ""))
            p = percent(float(np.exp(self.arrays["logprob"][end])))
            lines.append(
                f"then it would say {best!r}; the text says {shown(texts[end])!r} "
                f"(rank {int(self.arrays['rank'][end]) + 1}, {p})"
            )
        lines.append(
            f"the true token is the likeliest at {first:.0%} of the places, at most {length} in a row"
        )
        if length:
            lines.append(f"the longest row: {shown(''.join(texts[start : start + length]))[:120]}")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """One row a token."""
        word = self.head["words"]
        return table(
            {
                "token": list(self.head["texts"]),
                "rank": self.arrays["rank"],
                "logprob": self.arrays["logprob"],
                "would_say": [word.get(str(id), "") for id in self.arrays["best"].tolist()],
            }
        )


def memory(runtime: Runtime, info: ModelInfo, pieces: Pieces, *, given: int | None) -> Memory:
    """Read the text once: greedy decoding repeats it exactly as long as every true token is the likeliest.

    Args:
        given: so many tokens are the prompt; None: a quarter of them.

    Raises:
        UsageError: the text is too short. ContextOverflow: it is too long.
    """
    ids = list(pieces.ids)
    if len(ids) < 2:
        raise UsageError("one token is too short to go on with", hint="give a sentence, or more")
    if given is None:
        given = max(1, len(ids) // SHARE)
    given = whole(given, "given", 1, len(ids) - 1, hint="so many tokens are the prompt")
    rank = np.zeros(len(ids), np.uint32)
    logprob = np.full(len(ids), np.nan, np.float32)
    best = np.array(ids, np.uint32)
    weigher = Weigher(runtime.engine.vocab_size)

    def seen(behind: int, rows: NDArray[np.float32]) -> None:
        for place, logits in enumerate(rows, behind + 1):
            found = weigher.weigh(logits, ids[place], 1)
            rank[place], logprob[place], best[place] = found.rank, found.logprob, found.top_ids[0]

    with progress.bar("reading", len(ids) - 1, unit="token") as step:
        read_all(runtime, ids[:-1], seen, step=step)
    wrong = [*np.flatnonzero(rank[given:]), len(ids) - given]
    head = {
        **pieces.head(),
        "given": given,
        "run": int(wrong[0]),
        "longest": _longest(rank, given),
        "words": words(runtime.tokenizer, best.tolist()),
    }
    return Memory(info, head, {"rank": rank, "logprob": logprob, "best": best})


def _longest(rank: Any, given: int) -> list[int]:
    """Where the longest row of first places begins, and how long it is."""
    begin, length, best = given, 0, [given, 0]
    for place in range(given, len(rank)):
        if rank[place]:
            begin, length = place + 1, 0
        else:
            length += 1
            if length > best[1]:
                best = [begin, length]
    return best
