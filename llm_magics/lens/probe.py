"""How likely whole strings are behind a prompt: exactly, token by token, summed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import given, progress
from ..core.records import ModelInfo
from ..core.sampling import Weigher
from ..engine.generate import Runtime
from ..errors import UsageError
from ..views.picture import Picture, Stored, table
from . import figures
from .reading import fan
from .reading.pieces import percent, pieces_of, shown, texts_of, words

INSTEAD = 5
MOST = 5_000


class Probe(Picture):
    """Strings behind one prompt. Made by :meth:`Model.probe`.

    ``head["strings"]``: of each its ``text``, ``ids``, ``texts`` of its tokens, and ``joined``: whether the
    prompt and it would be cut otherwise if they were one text. In ``arrays``, of all tokens one after the
    other: ``logprob`` (nats, exact), ``rank`` (from 0), ``entropy``; ``instead_ids`` and ``instead_logprobs``
    (tokens, 5): the likeliest there.
    """

    kind = "probe"
    figure = figures.probe
    stored: ClassVar[Stored] = {
        "logprob": ("f8", 1),
        "rank": ("u4", 1),
        "entropy": ("f4", 1),
        "instead_ids": ("u4", 1),
        "instead_logprobs": ("f4", 1),
    }

    @property
    def logprobs(self) -> dict[str, float]:
        """The logarithm of each whole string's probability, in nats."""
        return {each["text"]: self._sum(n) for n, each in enumerate(self.head["strings"])}

    def __getitem__(self, text: str) -> float:
        """The logprob of one string, nats."""
        return self.logprobs[text]

    def _slice(self, n: int) -> slice:
        counts = [len(each["ids"]) for each in self.head["strings"]]
        begin = sum(counts[:n])
        return slice(begin, begin + counts[n])

    def _sum(self, n: int) -> float:
        return float(self.arrays["logprob"][self._slice(n)].sum())

    def plain(self) -> str:
        """A table with bars, the likeliest first."""
        rows = sorted(((self._sum(n), n) for n in range(len(self.head["strings"]))), reverse=True)
        best = rows[0][0]
        total = math.fsum(math.exp(value - best) for value, _ in rows)
        width = max(len(shown(self.head["strings"][n]["text"])) for _, n in rows)
        lines = [f"{'string':<{min(width, 40)}}  probability     bits  bits/byte  share of these"]
        for value, n in rows:
            each = self.head["strings"][n]
            size = max(len(each["text"].encode("utf-8", "replace")), 1)
            share = math.exp(value - best) / total
            bits = -value / math.log(2)
            name = f"{shown(each['text'])[:40]:<{min(width, 40)}}"
            bar = "█" * round(20 * share)
            figures = f"{percent(math.exp(value)):>11}  {bits:7.2f}  {bits / size:9.2f}"
            lines.append(f"{name}  {figures}  {percent(share):>7} {bar}")
        odd = [shown(each["text"]) for each in self.head["strings"] if each["joined"]]
        if odd:
            lines.append(f"joined to the prompt these are cut otherwise: {', '.join(odd[:5])}")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """One row a string."""
        strings = self.head["strings"]
        sums = np.array([self._sum(n) for n in range(len(strings))])
        sizes = np.array([max(len(each["text"].encode("utf-8", "replace")), 1) for each in strings])
        counts = np.array([len(each["ids"]) for each in strings])
        odds = np.exp(sums - sums.max())
        return table(
            {
                "string": [each["text"] for each in strings],
                "logprob": sums,
                "probability": np.exp(sums),
                "tokens": counts,
                "logprob_per_token": sums / counts,
                "bits_per_byte": -sums / math.log(2) / sizes,
                "share": odds / odds.sum(),
            }
        )


def probe(runtime: Runtime, info: ModelInfo, prompt: Any, strings: Sequence[str]) -> Probe:
    """Read every string behind the prompt, which is computed once.

    Raises:
        UsageError: there is no string, or one is empty. ContextOverflow: one does not fit.
    """
    hint = 'model.probe("The sky is", [" blue", " red"])'
    strings = given.texts(strings, "probe", hint=hint)
    if not strings:
        raise UsageError("probe takes a list of strings", hint=hint)
    if len(strings) > MOST:
        raise UsageError(
            f"{len(strings):,} strings are too many", hint=f"at most {MOST:,}: probe them in parts"
        )
    strings = list(dict.fromkeys(strings))
    tokenizer = runtime.tokenizer
    pieces = pieces_of(runtime, prompt)
    text = "".join(pieces.texts)
    cut: list[dict[str, Any]] = []
    for string in strings:
        ids = tokenizer.encode(string, special=False, begin=False)
        if not ids:
            raise UsageError(f"{string!r:.60} has no tokens", hint="leave it out")
        joined = isinstance(prompt, str) and tokenizer.encode(text + string, special=False) != [
            *pieces.ids,
            *ids,
        ]
        cut.append({"text": string, "ids": ids, "texts": list(texts_of(tokenizer, ids)), "joined": joined})
    begins = np.cumsum([0, *(len(each["ids"]) for each in cut)])
    many = int(begins[-1])
    a: dict[str, NDArray[Any]] = {
        "logprob": np.zeros(many),
        "rank": np.zeros(many, np.uint32),
        "entropy": np.zeros(many, np.float32),
        "instead_ids": np.zeros((many, INSTEAD), np.uint32),
        "instead_logprobs": np.zeros((many, INSTEAD), np.float32),
    }
    weigher = Weigher(runtime.engine.vocab_size)
    with progress.bar("reading strings", many, unit="token") as step:

        def seen(n: int, place: int, logits: NDArray[np.float32]) -> None:
            found = weigher.weigh(logits, cut[n]["ids"][place], INSTEAD)
            at = begins[n] + place
            a["logprob"][at], a["rank"][at], a["entropy"][at] = found.logprob, found.rank, found.entropy
            a["instead_ids"][at, : len(found.top_ids)] = found.top_ids
            a["instead_logprobs"][at, : len(found.top_ids)] = found.top_logprobs
            step(1)

        fan.read(runtime, pieces.ids, [each["ids"] for each in cut], seen)
    head = {**pieces.head(), "strings": cut, "words": words(tokenizer, np.unique(a["instead_ids"]))}
    return Probe(info, head, a)
