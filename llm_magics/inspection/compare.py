"""Two readings of one text: where they differ, by how much, and whether that is more than chance."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.format import percent
from ..core.records import Generation, Token, Trace
from ..errors import UsageError
from ..views.inspection_record import InspectionRecord, Stored, table
from . import figures
from .reading.tokenized_text import visible_token

RESAMPLES = 2_000
Record = Trace | Generation


class Comparison(InspectionRecord):
    """B against A, stretch by stretch: where both cut the text alike a stretch is one token.

    Made by :func:`compare`.

    ``logprob_a`` and ``logprob_b`` (stretches,), nats; ``same`` (stretches,): 1 where both hold the same
    token for the likeliest, 2 where that cannot be said. Differences are log₂ p(B) − log₂ p(A), in bits. In
    ``head``: ``texts``, ``mean`` with its 95 % ``interval`` (paired bootstrap over stretches, 2,000 times),
    ``parted``: the place of the first token at which two answers part, or None.
    """

    kind = "compare"
    figure = figures.compare
    storage: ClassVar[Stored] = {"logprob_a": ("f4", 1), "logprob_b": ("f4", 1), "same": ("u1", 1)}

    @property
    def delta(self) -> NDArray[np.float64]:
        """Return log₂ p(B) − log₂ p(A) of each stretch, bits."""
        result: NDArray[np.float64] = (
            self.arrays["logprob_b"].astype(np.float64) - self.arrays["logprob_a"]
        ) / math.log(2)
        return result

    @property
    def mean(self) -> float:
        """Return bits a token; NaN where nothing could be compared."""
        return float(self.head["mean"])

    def to_text(self) -> str:
        """Return the figures, and where B loses most."""
        h = self.head
        a, b = (f"{name['name']} {name['precision']}" for name in (self.model.to_dict(), h["other"]))
        low, high = h["interval"]
        unit = "token" if h["alike"] else "stretch that both cut alike"
        lines = [f"A  {a}", f"B  {b}", f"{len(h['texts']):,} compared"]
        if h["parted"] is not None:
            lines.append(f"the answers part at token {h['parted'] + 1}")
        if not h["texts"]:
            return "\n".join(lines)
        lines += [
            f"perplexity {h['perplexity'][0]:.3f} → {h['perplexity'][1]:.3f}",
            f"mean difference {self.mean:+.3f} bits a {unit} [{low:+.3f}, {high:+.3f}]: {verdict(low, high)}",
        ]
        if h["alike"]:
            same = int((self.arrays["same"] == 1).sum())
            lines.append(f"same first choice {same:,} of {len(h['texts']):,}")
        lines.append("where B loses most:")
        p = np.exp(np.stack([self.arrays["logprob_a"], self.arrays["logprob_b"]]))
        for n in np.argsort(self.delta, kind="stable")[:8].tolist():
            context = "".join(h["texts"][max(n - 4, 0) : n])[-24:].replace("\n", "⏎")
            text = visible_token(h["texts"][n])
            change = f"{percent(p[0, n])} → {percent(p[1, n])}"
            lines.append(f"  {n + 1:5}  {self.delta[n]:+6.2f} bits  {change:<18} …{context}[{text}]")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """Return one row a stretch."""
        return table(
            {
                "text": list(self.head["texts"]),
                "delta_bits": self.delta,
                **{k: v for k, v in self.arrays.items()},
            }
        )


def verdict(low: float, high: float) -> str:
    """Return what an interval says, in words."""
    if not low <= high:
        return "too few to say"
    if low <= 0 <= high:
        return "no clear difference: 0 lies within"
    return "B finds this text likelier" if low > 0 else "B finds this text less likely"


def compare(a: Record, b: Record, *, memory: Sequence[int] = ()) -> Comparison:
    """Return two records of one text, or two answers to one prompt, which are compared up to where they part.

    Args:
        a: the first model or record.
        b: the second model or record.
        memory: bytes that each model's weights take, for the view.

    Raises:
        UsageError: one is no record, or they have no beginning in common.
    """
    for record in (a, b):
        if not isinstance(record, (Trace, Generation)):
            raise UsageError(
                f"compare takes two records, got {type(record).__name__}",
                hint="Pass results of model.generate(…) or model.score(…), or two models and a text.",
            )
    first, second = _read(a), _read(b)
    spans = list(_spans([t.text for t in first], [t.text for t in second]))
    ids = [[t.id for pair in spans for t in tokens[pair[n]]] for n, tokens in enumerate((first, second))]
    alike = ids[0] == ids[1]
    parted = None
    if "".join(t.text for t in first) != "".join(t.text for t in second):
        parted = spans[-1][0].stop if spans else 0
    if not spans and parted is None:
        raise UsageError("there is nothing to compare", hint="Pass records with at least two tokens.")
    pairs = [(first[one], second[other]) for one, other in spans]
    sums = np.array([[sum(t.logprob for t in item) for item in pair] for pair in pairs], np.float64)
    sums = sums.reshape(-1, 2)
    same = [_same_argmax(one[0], other[0]) if alike else 2 for one, other in pairs]
    delta = (sums[:, 1] - sums[:, 0]) / math.log(2)
    low, high = bootstrap_interval(delta)
    texts = ["".join(t.text for t in first[pair[0]]) for pair in spans]
    size = max(len("".join(texts).encode("utf-8", "replace")), 1)
    counts = [sum(span.stop - span.start for span in item) for item in zip(*spans, strict=True)] or [1, 1]
    favourites = {
        str(n): [item[0].alternatives[0].text for item in pair]
        for n, (pair, is_same) in enumerate(zip(pairs, same, strict=True))
        if is_same == 0
    }
    ends = [span.stop for span in spans[-1]] if spans else [0, 0]
    head = {
        "other": b.model.to_dict(),
        "texts": texts,
        "alike": alike,
        "parted": parted,
        "rests": ["".join(t.text for t in item[at:]) for item, at in zip((first, second), ends, strict=True)],
        "favourites": favourites,
        "mean": float(delta.mean()) if spans else 0.0,
        "interval": [low, high] if spans else [0.0, 0.0],
        "perplexity": [_number(math.exp(-sums[:, n].sum() / counts[n])) for n in (0, 1)],
        "bits_per_byte": [float(-sums[:, n].sum() / math.log(2) / size) for n in (0, 1)],
        "memory": [int(item) for item in memory],
    }
    arrays = {"logprob_a": sums[:, 0], "logprob_b": sums[:, 1], "same": np.array(same, np.uint8)}
    return Comparison(a.model, head, {name: np.asarray(array) for name, array in arrays.items()})


def bootstrap_interval(delta: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean (Efron 1979).

    Of 2,000 means of as many values, drawn again.
    """
    if not len(delta):
        return math.nan, math.nan
    rng, size = np.random.default_rng(seed), len(delta)
    step = max(1, 4_000_000 // size)
    means = np.concatenate(
        [
            delta[rng.integers(0, size, (min(step, RESAMPLES - at), size))].mean(1)
            for at in range(0, RESAMPLES, step)
        ]
    )
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _read(record: Record) -> tuple[Token, ...]:
    """Return the tokens that the model expected something of."""
    return record.tokens[record.predicted_from :] if isinstance(record, Trace) else record.tokens


def _same_argmax(a: Token, b: Token) -> int:
    """Return 1 if both have the same most likely token, 0 if not, 2 if a record lacks alternatives."""
    if not (a.alternatives and b.alternatives):
        return 2
    return int(a.alternatives[0].id == b.alternatives[0].id)


def _spans(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[slice, slice]]:
    """Yield pairs of slices with the same text on both sides, up to the first difference."""
    one = other = begin_a = begin_b = 0
    left, right = "", ""
    while one < len(a) or other < len(b):
        if len(left) <= len(right) and one < len(a):
            left += a[one]
            one += 1
        elif other < len(b):
            right += b[other]
            other += 1
        else:
            return
        if not (left.startswith(right) or right.startswith(left)):
            return
        if left == right:
            # A half character says nothing yet; at the end both may go on without text.
            if not left and (one < len(a) or other < len(b)) and one != other:
                continue
            if one > begin_a and other > begin_b:
                yield slice(begin_a, one), slice(begin_b, other)
                begin_a, begin_b, left, right = one, other, "", ""


def _number(value: float) -> float:
    return value if math.isfinite(value) else 0.0
