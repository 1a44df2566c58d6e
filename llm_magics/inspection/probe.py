"""How likely whole strings are behind a prompt: exactly, token by token, summed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress, validation
from ..core.format import percent
from ..core.records import ModelInfo
from ..core.sampling import TokenScorer
from ..engine.answer import token_texts
from ..engine.runtime import Runtime
from ..errors import UsageError
from ..views.inspection_record import InspectionRecord, Stored, table
from . import figures
from .reading.batch_score import ContinuationReader
from .reading.tokenized_text import token_labels, tokenize_text, visible_token

INSTEAD = 5
MOST = 5_000


class Probe(InspectionRecord):
    """Strings behind one prompt. Made by :meth:`Model.probe`.

    ``head["strings"]``: of each its ``text``, ``ids``, ``texts`` of its tokens, and ``joined``: whether the
    prompt and it would be cut otherwise if they were one text. In ``arrays``, of all tokens one after the
    other: ``logprob`` (nats, exact), ``rank`` (from 0), ``entropy``; ``instead_ids`` and ``instead_logprobs``
    (tokens, 5): the likeliest there.
    """

    kind = "probe"
    figure = figures.probe
    storage: ClassVar[Stored] = {
        "logprob": ("f8", 1),
        "rank": ("u4", 1),
        "entropy": ("f4", 1),
        "instead_ids": ("u4", 1),
        "instead_logprobs": ("f4", 1),
    }

    @property
    def logprobs(self) -> dict[str, float]:
        """Return the logarithm of each whole string's probability, in nats."""
        return {item["text"]: self._logprob_of(n) for n, item in enumerate(self.head["strings"])}

    def __getitem__(self, text: str) -> float:
        """Return the logprob of one string, nats."""
        return self.logprobs[text]

    def _tokens_of(self, n: int) -> slice:
        counts = [len(item["ids"]) for item in self.head["strings"]]
        begin = sum(counts[:n])
        return slice(begin, begin + counts[n])

    def _logprob_of(self, n: int) -> float:
        return float(self.arrays["logprob"][self._tokens_of(n)].sum())

    def to_text(self) -> str:
        """Return a table with bars, the likeliest first."""
        rows = sorted(((self._logprob_of(n), n) for n in range(len(self.head["strings"]))), reverse=True)
        best = rows[0][0]
        total = math.fsum(math.exp(value - best) for value, _ in rows)
        width = max(len(visible_token(self.head["strings"][n]["text"])) for _, n in rows)
        lines = [f"{'string':<{min(width, 40)}}  probability     bits  bits/byte  share of these"]
        for value, n in rows:
            item = self.head["strings"][n]
            size = max(len(item["text"].encode("utf-8", "replace")), 1)
            share = math.exp(value - best) / total
            bits = -value / math.log(2)
            name = f"{visible_token(item['text'])[:40]:<{min(width, 40)}}"
            bar = "█" * round(20 * share)
            figures = f"{percent(math.exp(value)):>11}  {bits:7.2f}  {bits / size:9.2f}"
            lines.append(f"{name}  {figures}  {percent(share):>7} {bar}")
        odd = [visible_token(item["text"]) for item in self.head["strings"] if item["joined"]]
        if odd:
            lines.append(f"joined to the prompt these are cut otherwise: {', '.join(odd[:5])}")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """Return one row a string."""
        strings = self.head["strings"]
        sums = np.array([self._logprob_of(n) for n in range(len(strings))])
        sizes = np.array([max(len(item["text"].encode("utf-8", "replace")), 1) for item in strings])
        counts = np.array([len(item["ids"]) for item in strings])
        odds = np.exp(sums - sums.max())
        return table(
            {
                "string": [item["text"] for item in strings],
                "logprob": sums,
                "probability": np.exp(sums),
                "tokens": counts,
                "logprob_per_token": sums / counts,
                "bits_per_byte": -sums / math.log(2) / sizes,
                "share": odds / odds.sum(),
            }
        )


def probe(
    runtime: Runtime,
    info: ModelInfo,
    prompt: Any,
    strings: Sequence[str],
    reader: ContinuationReader | None = None,
) -> Probe:
    """Read every string behind the prompt, which is computed once.

    Args:
        runtime: of the model.
        info: the model in the record.
        prompt: a text, an answer, or token ids.
        strings: the strings.
        reader: of calls with prompts that begin alike; None takes a new one.

    Raises:
        UsageError: there is no string, or one is empty. ContextOverflow: one does not fit.
    """
    hint = 'Call model.probe("The sky is", [" blue", " red"]).'
    strings = validation.require_str_list(strings, "strings", hint=hint)
    if not strings:
        raise UsageError("probe needs a list of strings", hint=hint)
    if len(strings) > MOST:
        raise UsageError(f"{len(strings):,} strings are too many", hint=f"Probe at most {MOST:,} at a time.")
    strings = list(dict.fromkeys(strings))
    tokenizer = runtime.tokenizer
    pieces = tokenize_text(runtime, prompt)
    text = "".join(pieces.texts)
    cut: list[dict[str, Any]] = []
    for string in strings:
        ids = tokenizer.encode(string, special=False, begin=False)
        if not ids:
            raise UsageError(f"the string {string!r:.60} has no tokens", hint="Remove it.")
        joined = isinstance(prompt, str) and tokenizer.encode(text + string, special=False) != [
            *pieces.ids,
            *ids,
        ]
        cut.append({"text": string, "ids": ids, "texts": list(token_texts(tokenizer, ids)), "joined": joined})
    begins = np.cumsum([0, *(len(item["ids"]) for item in cut)])
    many = int(begins[-1])
    a: dict[str, NDArray[Any]] = {
        "logprob": np.zeros(many),
        "rank": np.zeros(many, np.uint32),
        "entropy": np.zeros(many, np.float32),
        "instead_ids": np.zeros((many, INSTEAD), np.uint32),
        "instead_logprobs": np.zeros((many, INSTEAD), np.float32),
    }
    weigher = TokenScorer(runtime.engine.vocab_size)
    with progress.progress_bar("reading strings", many, unit="token") as step:

        def seen(n: int, place: int, logits: NDArray[np.float32]) -> None:
            result = weigher.score(logits, cut[n]["ids"][place], INSTEAD)
            at = begins[n] + place
            a["logprob"][at], a["rank"][at], a["entropy"][at] = result.logprob, result.rank, result.entropy
            a["instead_ids"][at, : len(result.top_ids)] = result.top_ids
            a["instead_logprobs"][at, : len(result.top_ids)] = result.top_logprobs
            step(1)

        reader = reader or ContinuationReader(runtime)
        reader.read(pieces.ids, [item["ids"] for item in cut], seen)
    head = {**pieces.head(), "strings": cut, "words": token_labels(tokenizer, np.unique(a["instead_ids"]))}
    return Probe(info, head, a)
