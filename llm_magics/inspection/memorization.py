"""How far a model goes on with a text word for word: whether it has it by heart."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress
from ..core.format import percent
from ..core.records import ModelInfo
from ..core.sampling import TokenScorer
from ..core.validation import require_int
from ..engine.generate import score_in_chunks
from ..engine.runtime import Runtime
from ..errors import UsageError
from ..views.inspection_record import InspectionRecord, Stored, table
from . import figures
from .reading.tokenized_text import TokenizedText, token_labels, visible_token

SHARE = 4  # the first quarter of a text is given, where nothing else is asked for


class Memorization(InspectionRecord):
    """A text against what the model would have said. Made by :meth:`Model.memorised`.

    Greedy decoding from the first ``given`` tokens repeats the text for ``run`` tokens; ``longest`` is the
    longest stretch in which every token is the likeliest one behind the true text, and where it begins.
    ``rank`` (tokens,) from 0 and ``logprob`` (nats) of each true token behind the text before it; NaN and 0
    for the first.
    """

    kind = "memory"
    figure = figures.memorization
    storage: ClassVar[Stored] = {"rank": ("u4", 1), "logprob": ("f4", 1), "best": ("u4", 1)}

    @property
    def run(self) -> int:
        """Return how many tokens after the prompt are reproduced verbatim."""
        return int(self.head["run"])

    def to_text(self) -> str:
        """Return what was given, what it would have said, and where it parts."""
        h = self.head
        texts, prompt_length, run = h["texts"], h["given"], self.run
        end = prompt_length + run
        ranks = self.arrays["rank"][prompt_length:]
        first = (ranks == 0).mean() if len(ranks) else 0.0
        start, length = h["longest"]
        continuation = visible_token("".join(texts[prompt_length:end]))[:200]
        lines = [
            f"given {prompt_length} tokens: {visible_token(''.join(texts[:prompt_length]))[-70:]}",
            f"goes on word for word for {run} of {len(texts) - prompt_length} tokens: {continuation}",
        ]
        if end < len(texts):
            best = visible_token(h["words"].get(str(int(self.arrays["best"][end])), ""))
            p = percent(float(np.exp(self.arrays["logprob"][end])))
            lines.append(
                f"then it would say {best!r}; the text says {visible_token(texts[end])!r} "
                f"(rank {int(self.arrays['rank'][end]) + 1}, {p})"
            )
        lines.append(
            f"the true token is the likeliest at {first:.0%} of the places, at most {length} in a row"
        )
        if length:
            lines.append(f"the longest row: {visible_token(''.join(texts[start : start + length]))[:120]}")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """Return one row a token."""
        word = self.head["words"]
        return table(
            {
                "token": list(self.head["texts"]),
                "rank": self.arrays["rank"],
                "logprob": self.arrays["logprob"],
                "would_say": [word.get(str(id), "") for id in self.arrays["best"].tolist()],
            }
        )


def memorization(
    runtime: Runtime, info: ModelInfo, pieces: TokenizedText, *, prompt_tokens: int | None
) -> Memorization:
    """Read the text once: greedy decoding repeats it exactly as long as every true token is the likeliest.

    Args:
        runtime: engine, tokenizer and cache pool.
        info: the model in the record.
        pieces: the tokenized text.
        prompt_tokens: so many tokens are the prompt; None: a quarter of them.

    Raises:
        UsageError: the text is too short. ContextOverflow: it is too long.
    """
    ids = list(pieces.ids)
    if len(ids) < 2:
        raise UsageError("a text of one token is too short", hint="Pass a sentence or more.")
    if prompt_tokens is None:
        prompt_tokens = max(1, len(ids) // SHARE)
    prompt_tokens = require_int(
        prompt_tokens, "prompt_tokens", 1, len(ids) - 1, hint="Use fewer tokens than the text has."
    )
    rank = np.zeros(len(ids), np.uint32)
    logprob = np.full(len(ids), np.nan, np.float32)
    best = np.array(ids, np.uint32)
    weigher = TokenScorer(runtime.engine.vocab_size)

    def seen(behind: int, rows: NDArray[np.float32]) -> None:
        for place, logits in enumerate(rows, behind + 1):
            result = weigher.score(logits, ids[place], 1)
            rank[place], logprob[place], best[place] = result.rank, result.logprob, result.top_ids[0]

    with progress.progress_bar("reading", len(ids) - 1, unit="token") as step:
        score_in_chunks(runtime, ids[:-1], seen, step=step)
    wrong = [*np.flatnonzero(rank[prompt_tokens:]), len(ids) - prompt_tokens]
    head = {
        **pieces.head(),
        "given": prompt_tokens,
        "run": int(wrong[0]),
        "longest": _longest_match(rank, prompt_tokens),
        "words": token_labels(runtime.tokenizer, best.tolist()),
    }
    return Memorization(info, head, {"rank": rank, "logprob": logprob, "best": best})


def _longest_match(rank: Any, prompt_length: int) -> list[int]:
    """Return where the longest row of first places begins, and how long it is."""
    begin, length, best = prompt_length, 0, [prompt_length, 0]
    for place in range(prompt_length, len(rank)):
        if rank[place]:
            begin, length = place + 1, 0
        else:
            length += 1
            if length > best[1]:
                best = [begin, length]
    return best
