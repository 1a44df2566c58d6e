"""Examples → one flat batch: what they begin with in common once, then the rest of each, with no padding.

Products over weights see every token once, whatever the lengths. Attention alone needs rows of one length; it
gathers them by index and masks what is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..examples import Example

if TYPE_CHECKING:
    from torch import Tensor

MULTIPLE = 32  # tokens of a batch are padded to it: kernels are kept by shape, and there are fewer shapes


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of queries, and the keys that they may see.

    Attributes:
        queries: int64 (R, T), places in the batch; keys: int64 (R, S).
        distance: int64 (R, T, S), how many tokens the key lies before the query; negative: it is not seen.
        key_places: int64 (R, S), positions in the text.
    """

    queries: Tensor
    keys: Tensor
    distance: Tensor
    key_places: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Tokens of several examples, N in all.

    Attributes:
        ids, places: int64 (N,), tokens and their positions in the text.
        groups: for attention.
        back: int64 (N,), where each token lies among the queries of all groups, one behind the other.
        at: int64 (n,), the places in the batch after which something is learnt.
        targets: int64 (n,), what comes there.
        owner: int64 (n,), which of the examples learns it.
    """

    ids: Tensor
    places: Tensor
    groups: tuple[Group, ...]
    back: Tensor
    at: Tensor
    targets: Tensor
    owner: Tensor


def batch_of(examples: Sequence[Example]) -> Batch:
    """One batch of examples (at least one); what all of them begin with is in it once."""
    import torch

    shared = shared_by(examples)
    rests = [example.ids[shared:] for example in examples]
    begins = shared + np.concatenate([[0], np.cumsum([len(rest) for rest in rests])])
    total, longest = int(begins[-1]), max(map(len, rests))
    size = -(-total // MULTIPLE) * MULTIPLE
    ids, places = np.zeros(size, np.int64), np.zeros(size, np.int64)
    ids[:total] = [*examples[0].ids[:shared], *(id for rest in rests for id in rest)]
    places[:total] = [*range(shared), *(shared + n for rest in rests for n in range(len(rest)))]
    back = np.zeros(size, np.int64)
    groups, passed = [], 0
    if shared:
        groups.append(_group(np.arange(shared)[None], np.arange(shared)[None], places, [shared], 0))
        back[:shared] = np.arange(shared)
        passed = shared
    queries = np.zeros((len(rests), longest), np.int64)
    for row, rest in enumerate(rests):
        queries[row, : len(rest)] = begins[row] + np.arange(len(rest))
        back[begins[row] : begins[row + 1]] = passed + row * longest + np.arange(len(rest))
    keys = np.concatenate([np.broadcast_to(np.arange(shared), (len(rests), shared)), queries], axis=1)
    groups.append(_group(queries, keys, places, [len(rest) for rest in rests], shared))
    learnt = [
        (row, n)
        for row, example in enumerate(examples)
        for n in range(1, len(example.ids))
        if example.learnt[n]
    ]
    # The token before a learnt one, where it lies: in what is shared, or in the example's own rest.
    at = [n - 1 if n - 1 < shared else int(begins[row]) + n - 1 - shared for row, n in learnt]
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(places),
        tuple(groups),
        torch.from_numpy(back),
        torch.tensor(at, dtype=torch.int64),
        torch.tensor([examples[row].ids[n] for row, n in learnt], dtype=torch.int64),
        torch.tensor([row for row, _ in learnt], dtype=torch.int64),
    )


def tokens_of(examples: Sequence[Example]) -> int:
    """How many tokens the batch of these has."""
    shared = shared_by(examples)
    return shared + sum(len(example.ids) - shared for example in examples)


def places_of(examples: Sequence[Example]) -> list[Tensor]:
    """Where in their batch the tokens of each example lie, int64, in its own order."""
    import torch

    shared = begin = shared_by(examples)
    found = []
    for example in examples:
        end = begin + len(example.ids) - shared
        found.append(torch.cat([torch.arange(shared), torch.arange(begin, end)]))
        begin = end
    return found


def shared_by(examples: Sequence[Example]) -> int:
    """How many tokens all begin with; each keeps at least one of its own."""
    if len(examples) < 2:
        return 0
    most = min(len(example.ids) for example in examples) - 1
    first = examples[0].ids
    return next(
        (n for n in range(most) if any(example.ids[n] != first[n] for example in examples)), max(most, 0)
    )


def _group(
    queries: np.ndarray, keys: np.ndarray, places: np.ndarray, lengths: Sequence[int], shared: int
) -> Group:
    import torch

    own = np.arange(keys.shape[1] - shared)
    there = np.concatenate(
        [np.ones((len(keys), shared), bool), own[None] < np.asarray(lengths)[:, None]], axis=1
    )
    # A query that is only padding sees the first key: a row of nothing but −∞ has no softmax.
    asked = np.where(
        np.arange(queries.shape[1])[None] < np.asarray(lengths)[:, None], places[queries], places[keys[:, :1]]
    )
    distance = np.where(there[:, None], asked[:, :, None] - places[keys][:, None], -1)
    return Group(
        *(torch.from_numpy(np.ascontiguousarray(x)) for x in (queries, keys, distance, places[keys]))
    )
