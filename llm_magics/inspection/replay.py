"""The sampler's choices again.

What each rule removed, where the dice fell, and what other settings would have done.

The engine reads the answer once more for the candidates that its record does not keep. The random numbers are
the record's: replayed with its own settings, it gives every recorded token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress
from ..core.format import percent
from ..core.options import PENALTIES, SamplingOptions
from ..core.records import Generation, ModelInfo, Token
from ..core.sampling import apply_repetition_penalty, top_k_indices
from ..engine.answer import token_texts
from ..engine.generate import prefill, score_in_chunks
from ..engine.runtime import Runtime
from ..errors import UsageError
from ..views.inspection_record import InspectionRecord, Stored, table
from .reading.tokenized_text import token_labels, visible_token

LEAST, MOST = 64, 256  # candidates of a step
RULES = ("repetition_penalty", "temperature", "top_k", "top_p", "min_p")
CANDIDATES: Stored = {
    "cand_ids": ("u4", 1),
    "logprobs": ("f4", 1),
    "seen": ("u1", 1),
    "u": ("f8", 1),
    "log_total": ("f4", 1),
}


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One choice under some settings.

    Attributes:
        ids: the candidates, likeliest first under the penalty.
        probabilities: of each, after the rules; 0 where it was removed.
        removed: which rule removed it, or empty.
        chosen: the id that the random number falls on, or the likeliest one at temperature 0.
        lacks: probability, before the rules, of what is no candidate and could have been one.
    """

    ids: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    removed: tuple[str, ...]
    chosen: int
    lacks: float


class Replay(InspectionRecord):
    """An answer's choices. Made by :meth:`Model.replay`.

    Of each step in ``arrays``: ``cand_ids`` and ``logprobs`` (steps, k), nats, of the likeliest and of what
    was chosen; ``seen`` (steps, k): whether a penalty touches it; ``u``: its random number (NaN where none
    was drawn); ``log_total``; ``exact``: whether the recorded settings give the recorded token here.
    """

    kind = "replay"
    storage: ClassVar[Stored] = {**CANDIDATES, "exact": ("u1", 1)}

    @property
    def options(self) -> SamplingOptions:
        """Return the recorded sampling options."""
        return SamplingOptions.from_dict(self.head["options"])

    def step(self, n: int, **options: Any) -> ReplayStep:
        """Step ``n`` (from 0) under the recorded settings with these changes: temperature, top_k, …."""
        return step_of(self.arrays, n, replace(self.options, **options))

    def chosen(self, **options: Any) -> list[int]:
        """Return the token of each step under other settings, on the recorded text."""
        return [self.step(n, **options).chosen for n in range(len(self.arrays["u"]))]

    def to_text(self) -> str:
        """Return how many steps had a choice, and the closest ones."""
        h, steps = self.head, range(len(self.arrays["u"]))
        output = [self.step(n) for n in steps]
        left = [int((item.probabilities > 0).sum()) for item in output]
        options = ", ".join(f"{name} {getattr(self.options, name):g}" for name in RULES)
        choices = sum(n > 1 for n in left)
        lines = [f"{choices} of {len(left)} steps had a choice ({options}, seed {self.options.seed})"]
        own = np.array(
            [
                item.probabilities[item.ids.tolist().index(id)] if id in item.ids else 0
                for item, id in zip(output, h["chosen"], strict=True)
            ]
        )
        for n in np.argsort(own, kind="stable")[:6].tolist():
            names = [
                f"{visible_token(h['words'].get(str(id), ''))} {percent(p)}"
                for id, p in zip(output[n].ids.tolist()[:4], output[n].probabilities, strict=False)
                if p > 0
            ]
            u = self.arrays["u"][n]
            lines.append(
                f"  step {n + 1}: {visible_token(h['texts'][n])!r} {percent(own[n])} of {left[n]}, "
                f"dice {u:.3f}; likeliest: {', '.join(names)}"
            )
        if not self.arrays["exact"].all():
            many = int((self.arrays["exact"] == 0).sum())
            lines.append(f"{many} steps cannot be replayed exactly: candidates or random numbers are missing")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """Return one row a step."""
        output = [self.step(n) for n in range(len(self.arrays["u"]))]
        return table(
            {
                "token": list(self.head["texts"]),
                "u": self.arrays["u"],
                "candidates": [int((item.probabilities > 0).sum()) for item in output],
                "chosen": [item.chosen for item in output],
                "recorded": list(self.head["chosen"]),
                "exact": self.arrays["exact"] > 0,
            }
        )


def step_of(a: Mapping[str, NDArray[Any]], n: int, options: SamplingOptions) -> ReplayStep:
    """Step ``n`` of a record's candidates (CANDIDATES) under these settings."""
    logprobs = a["logprobs"][n].astype(np.float64)
    return decide(
        a["cand_ids"][n].astype(np.int64),
        logprobs + float(a["log_total"][n]),
        a["seen"][n] > 0,
        float(a["u"][n]),
        options,
        rest=max(0.0, 1.0 - float(np.exp(logprobs).sum())),
    )


def decide(
    ids: NDArray[np.int64],
    logits: NDArray[np.float64],
    seen: NDArray[np.bool_],
    u: float,
    options: SamplingOptions,
    *,
    rest: float,
) -> ReplayStep:
    """Return one choice among some candidates: the rules of core/sampling.py in their order.

    Its twin is src/inspect/replay/sampler.ts.

    Args:
        ids: token ids.
        logits: the logits (vocab,).
        seen: ids of prompt and answer so far, for the repetition penalty.
        u: the random draw of the step.
        options: the sampling options.
        rest: probability of all that is no candidate.
    """
    penalty = options.repetition_penalty
    logits = np.where(seen, np.where(logits > 0, logits / penalty, logits * penalty), logits)
    order = np.argsort(-logits, kind="stable")
    ids, logits = ids[order], logits[order]
    removed = [""] * len(ids)
    if options.temperature == 0:
        p = np.zeros(len(ids))
        p[0] = 1.0
        return ReplayStep(ids, p, tuple(removed), int(ids[0]), 0.0)
    odds = np.exp((logits - logits[0]) / options.temperature)
    passes = np.ones(len(ids), bool)
    lacks = rest if options.top_k == 0 or options.top_k > len(ids) else 0.0

    def drop(gone: NDArray[np.bool_], rule: str) -> None:
        for n in np.flatnonzero(gone & passes):
            removed[n] = rule
        passes[gone] = False

    if options.top_k:
        drop(np.arange(len(ids)) >= options.top_k, "top-k")
    total = odds[passes].sum()
    # What is no candidate counts as if the temperature did not move it: exact at temperature 1.
    whole = total / (1 - min(lacks, 0.999999)) if lacks else total
    if options.top_p < 1:
        above = np.cumsum(np.where(passes, odds, 0)) - odds
        drop(passes & (above >= options.top_p * whole), "top-p")
        if lacks and odds[passes].sum() >= options.top_p * whole:
            lacks = 0.0
    if options.min_p > 0:
        drop(passes & (odds < options.min_p * odds[passes].max()), "min-p")
        if odds[-1] < options.min_p * odds[0]:
            lacks = 0.0
    p = np.where(passes, odds, 0)
    p /= p.sum()
    if np.isnan(u):
        return ReplayStep(ids, p, tuple(removed), int(ids[0]), lacks)
    alive = np.flatnonzero(passes)
    at = int(np.searchsorted(np.cumsum(odds[alive]), u * odds[alive].sum(), side="right"))
    return ReplayStep(ids, p, tuple(removed), int(ids[alive[min(at, len(alive) - 1)]]), lacks)


def replay(runtime: Runtime, info: ModelInfo, answer: Generation) -> Replay:
    """Read an answer again, with the likeliest candidates of every step.

    Raises:
        UsageError: another model gave it, or its record is of an earlier version or empty.
    """
    if answer.model.fingerprint != info.fingerprint or not answer.prompt_ids:
        raise UsageError(
            f"this answer was generated by {answer.model.name} or by an older version",
            hint="Generate it again with this model.",
        )
    if not answer.tokens:
        raise UsageError("the answer is empty", hint="Generate another answer.")
    options, tokenizer = answer.options, runtime.tokenizer
    check_rules(options)
    k = min(max(LEAST, options.top_k + 16) if options.top_k else MOST, MOST, runtime.engine.vocab_size)
    steps, prompt = len(answer.tokens), len(answer.prompt_ids)
    ids = [*answer.prompt_ids, *(token.id for token in answer.tokens)]
    a: dict[str, NDArray[Any]] = {
        "cand_ids": np.zeros((steps, k), np.uint32),
        "logprobs": np.zeros((steps, k), np.float32),
        "seen": np.zeros((steps, k), np.uint8),
        "u": np.array([np.nan if token.u is None else token.u for token in answer.tokens]),
        "log_total": np.zeros(steps, np.float32),
        "exact": np.zeros(steps, np.uint8),
    }

    def seen(behind: int, rows: NDArray[np.float32]) -> None:
        for place, logits in enumerate(rows, behind + 1):
            _record_step(a, place - prompt, logits, answer.tokens[place - prompt], ids[:place], options)

    with progress.progress_bar("reading it again", len(ids) - 1, unit="token") as step:
        score_in_chunks(runtime, ids[:-1], seen, first=prompt - 1, step=step)
    if not a["exact"].all():
        _one_by_one(runtime, answer, a)
    chosen = [token.id for token in answer.tokens]
    texts, tail = token_texts(tokenizer, chosen), "".join(answer.prompt_texts)[-80:]
    head = {
        "ids": ids,
        "prompt": prompt,
        "tail": tail,
        "texts": [token.text or text for token, text in zip(answer.tokens, texts, strict=True)],
        "chosen": chosen,
        "words": token_labels(tokenizer, {*np.unique(a["cand_ids"]).tolist(), *chosen}),
        "options": options.to_dict(),
        "vocab": runtime.engine.vocab_size,
        "ends": sorted(set(chosen) & tokenizer.eos_ids),
    }
    return Replay(info, head, a)


def check_rules(options: SamplingOptions) -> None:
    """Check that every rule that chose a token can be shown.

    Raises:
        UsageError: there is one that the views cannot show.
    """
    if options.has_penalties:
        named = ", ".join(name for name in PENALTIES if getattr(options, name))
        raise UsageError(f"this view cannot show {named} yet", hint=f"Generate an answer without {named}.")
    if options.grammar is not None:
        raise UsageError(
            "this view cannot show an answer of a given form yet", hint="Generate an answer without a schema."
        )


def _one_by_one(runtime: Runtime, answer: Generation, a: dict[str, NDArray[Any]]) -> None:
    """Read those steps as they were made: kernels for one token round otherwise than those for many."""
    wrong = np.flatnonzero(a["exact"] == 0)
    ids = list(answer.prompt_ids)
    lease = runtime.pool.acquire(ids)
    try:
        logits = prefill(lease, ids)
        with progress.progress_bar("reading it as it was made", int(wrong[-1]) + 1, unit="token") as step:
            for n in range(int(wrong[-1]) + 1):
                assert logits is not None  # nobody closes it
                if a["exact"][n] == 0:
                    _record_step(a, n, logits[0], answer.tokens[n], ids, answer.options)
                ids.append(answer.tokens[n].id)
                logits = lease.extend(ids[-1:])
                step(1)
    finally:
        lease.release()


def _record_step(
    a: dict[str, NDArray[Any]],
    n: int,
    logits: NDArray[np.float32],
    token: Token,
    before: list[int],
    options: SamplingOptions,
) -> None:
    """Record the candidates of one step; the chosen token is always among them."""
    k = a["cand_ids"].shape[1]
    penalised_logits = logits
    if options.repetition_penalty != 1:
        penalised_logits = apply_repetition_penalty(logits, before, options.repetition_penalty)
    best = top_k_indices(logits, k)
    # A penalty below 1 lifts what was seen: those that it lifts among the likeliest are candidates too.
    lifted = [
        id
        for id in top_k_indices(penalised_logits, options.top_k or k).tolist()
        if id not in set(best.tolist())
    ]
    for id in [*lifted, *([token.id] if token.id not in best else [])][: k - 1]:
        best[np.flatnonzero(~np.isin(best, [*lifted, token.id]))[-1]] = id
    best = best[(-logits[best]).argsort(kind="stable")]
    most = float(logits.max())
    log_total = most + float(np.log(np.exp(logits - most).sum(dtype=np.float64)))
    a["cand_ids"][n], a["logprobs"][n], a["log_total"][n] = best, logits[best] - log_total, log_total
    a["seen"][n] = np.isin(best, before)
    recorded = (
        {other.id: other.logprob for other in token.alternatives} if token.log_total is not None else {}
    )
    for patched in (False, True):
        if (
            patched
        ):  # one token at a time rounds otherwise than many: what was recorded is what was drawn from
            own = [recorded.get(int(id), float(p)) for id, p in zip(best, a["logprobs"][n], strict=True)]
            a["logprobs"][n], a["log_total"][n] = own, token.log_total
        a["exact"][n] = step_of(a, n, options).chosen == token.id
        if a["exact"][n] or not recorded:
            return
