"""Guesses of a small model for a large one: the large one checks several of them in one call.

Speculative decoding (Leviathan et al. 2022, arXiv:2211.17192). The draft samples with the random numbers that
the model will use for the same tokens, and a guess counts only where the model then samples the same token
(generate.py). So every token keeps its distribution, and a seed gives the same text as without a draft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..answer import Answer
from ..base import Tokenizer
from ..prefill import chunk_ends, common_prefix
from ..runtime import Runtime

MOST = 8  # guesses a call
CHECK = 0.2  # of a call of one token: what checking one guess costs (prompt_lookup.py has the measurements)
WORTH = 1.15  # times as fast by the estimate: less than that is lost to what the estimate leaves out
_CHUNK = 128  # prompt tokens a call
_BEGIN = 0.7  # the share of right guesses that is assumed at first
_STEP = 0.08  # how much one guess changes it
_PAUSE = 128  # tokens until guessing is tried again where it does not pay


@dataclass(frozen=True, slots=True)
class Draft:
    """A small model that guesses.

    Attributes:
        runtime: of the small model.
        cost: time of one of its calls, where a call of the large model takes 1. It is estimated by the sizes
            of both and not measured, so that the guesses, and with them the rounding of kernels, do not
            depend on what else the machine does.
    """

    runtime: Runtime
    cost: float


class DraftGuesser:
    """Propose the tokens of one answer by a small model.

    Args:
        draft: the small model.
        answer: the answer of the large one.
        vocab_size: of the large one.

    Attributes:
        guessed: how many tokens were proposed.
        right: how many of them the model chose too.
    """

    def __init__(self, draft: Draft, answer: Answer, vocab_size: int) -> None:
        self._draft, self._answer, self._vocab = draft, answer, vocab_size
        self._lease = None if answer.ended else draft.runtime.pool.acquire(answer.ids)
        self._share = _BEGIN
        self._quiet = 0  # tokens since the last guess
        self.guessed = self.right = 0

    def propose(self, ids: Sequence[int], most: int) -> list[int]:
        """Return up to ``most`` tokens that may follow ``ids``; none where guessing does not pay."""
        count = best_count(self._share, self._draft.cost)
        if count == 0 and self._quiet >= _PAUSE:
            count = 1
        engine = self._draft.runtime.engine
        count = min(count, most, engine.context_length - len(ids))
        if count < 1 or self._lease is None:
            return []
        lease = self._lease
        lease.truncate(min(common_prefix(lease.cached, ids), len(ids) - 1))
        begin, logits = len(lease.cached), None
        for end in chunk_ends(begin, len(ids), _CHUNK):
            logits = lease.extend(ids[begin:end])
            begin = end
        sampler, seen, ends = self._answer.forecast(), list(ids), self._draft.runtime.tokenizer.eos_ids
        guesses: list[int] = []
        while logits is not None:
            guesses.append(sampler.choose(logits[-1][: self._vocab], seen))
            if len(guesses) == count or guesses[-1] in ends:
                break
            seen.append(guesses[-1])
            logits = lease.extend([guesses[-1]])
        return guesses

    def update(self, guessed: int, right: int) -> None:
        """Take in that the last call checked ``guessed`` tokens, of which the first ``right`` were right."""
        self.guessed, self.right = self.guessed + guessed, self.right + right
        self._quiet = 0 if guessed else self._quiet + 1
        for number in range(min(right + 1, guessed)):
            self._share += _STEP * ((number < right) - self._share)

    def close(self) -> None:
        """Give the cache of the small model back."""
        if self._lease is not None:
            self._lease.release()
            self._lease = None


def best_count(share: float, cost: float) -> int:
    """Return how many guesses a call make an answer fastest; 0 where none does.

    With ``share`` of the guesses right, a call with n guesses gives 1 + share + … + share^n tokens and takes
    1 + n (cost + CHECK) of a call of one token.
    """
    rates = [
        sum(share**n for n in range(count + 1)) / (1 + count * (cost + CHECK)) for count in range(MOST + 1)
    ]
    best = max(range(MOST + 1), key=rates.__getitem__)
    return best if rates[best] >= WORTH else 0


def same_vocabulary(one: Tokenizer, other: Tokenizer) -> bool:
    """Return whether two tokenizers have the same tokens."""
    if one is other:
        return True
    count = min(one.vocab_size, other.vocab_size)
    # Models of one family have different numbers of unused tokens at the end.
    if max(one.vocab_size, other.vocab_size) - count > 1024 or one.eos_ids != other.eos_ids:
        return False
    return all(one.token_bytes(id) == other.token_bytes(id) for id in range(count))
