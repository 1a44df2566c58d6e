"""Examples → one flat batch: what they begin with in common once, then the rest of each, with no padding.

Products over weights see every token once, whatever the lengths. Attention alone needs rows of one length; it
gathers them by index and masks what is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..examples import Example

if TYPE_CHECKING:
    from torch import Tensor, device

MULTIPLE = 32  # tokens of a batch are padded to it: kernels are kept by shape, and there are fewer shapes


@dataclass(frozen=True, slots=True)
class Batch:
    """Tokens of several examples, N in all, of which the last are none.

    Attributes:
        ids, places: int64 (N,), tokens and their positions in the text.
        shared: how many all examples begin with, P; they come first. total: how many tokens there are.
        queries: int64 (R, T), places in the batch of each example's own tokens; the last place where it has
            no more. keys: int64 (R, P + T), the same behind what is shared.
        back, back_keys: int64 (N,), where a token lies among these, row behind row; 0 for those in none.
        distance: int64 (R, T, P + T), how many tokens the key lies before the query; negative: it is not
            seen.
        at: int64 (n,), the places in the batch after which something is learnt.
        targets: int64 (n,), what comes there.
        owner: int64 (n,), which of the examples learns it.
    """

    ids: Tensor
    places: Tensor
    shared: int
    total: int
    queries: Tensor
    keys: Tensor
    back: Tensor
    back_keys: Tensor
    distance: Tensor
    at: Tensor
    targets: Tensor
    owner: Tensor

    def to(self, device: device) -> Batch:
        """Return the batch on a device."""
        tensors = (name for name in self.__slots__ if name not in ("shared", "total"))
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})


def batch_of(examples: Sequence[Example]) -> Batch:
    """Return one batch of examples (at least one); what all of them begin with is in it once."""
    import torch

    shared = shared_by(examples)
    rests = [example.ids[shared:] for example in examples]
    begins = shared + np.concatenate([[0], np.cumsum([len(rest) for rest in rests])])
    total, longest = int(begins[-1]), max(map(len, rests))
    size = -(-(total + 1) // MULTIPLE) * MULTIPLE  # at least one place is no token: see Batch.queries
    ids, places = np.zeros(size, np.int64), np.zeros(size, np.int64)
    ids[:total] = [*examples[0].ids[:shared], *(id for rest in rests for id in rest)]
    places[:total] = [*range(shared), *(shared + n for rest in rests for n in range(len(rest)))]
    back, back_keys = np.zeros(size, np.int64), np.zeros(size, np.int64)
    queries = np.full((len(rests), longest), size - 1, np.int64)
    for row, rest in enumerate(rests):
        own = np.arange(len(rest))
        queries[row, : len(rest)] = begins[row] + own
        back[begins[row] : begins[row + 1]] = row * longest + own
        back_keys[begins[row] : begins[row + 1]] = row * (shared + longest) + shared + own
    keys = np.concatenate([np.broadcast_to(np.arange(shared), (len(rests), shared)), queries], axis=1)
    # Where a query is none it sees the first key: a row of nothing but −∞ has no softmax.
    there = keys != size - 1
    asked = np.where(queries != size - 1, places[queries], places[keys[:, :1]])
    distance = np.where(there[:, None], asked[:, :, None] - places[keys][:, None], -1)
    learnt = [
        (row, n)
        for row, example in enumerate(examples)
        for n in range(1, len(example.ids))
        if example.loss_mask[n]
    ]
    # The token before a learnt one, where it lies: in what is shared, or in the example's own rest.
    at = [n - 1 if n - 1 < shared else int(begins[row]) + n - 1 - shared for row, n in learnt]
    return Batch(
        torch.from_numpy(ids),
        torch.from_numpy(places),
        shared,
        total,
        torch.from_numpy(queries),
        torch.from_numpy(np.ascontiguousarray(keys)),
        torch.from_numpy(back),
        torch.from_numpy(back_keys),
        torch.from_numpy(distance),
        torch.tensor(at, dtype=torch.int64),
        torch.tensor([examples[row].ids[n] for row, n in learnt], dtype=torch.int64),
        torch.tensor([row for row, _ in learnt], dtype=torch.int64),
    )


def earlier_tokens(batch: Batch, distance: int) -> Tensor:
    """Return where the token ``distance`` before each one of its example lies, int64 (N,); −1 for none."""
    import torch

    columns = torch.arange(batch.keys.shape[1], device=batch.keys.device) - distance
    earlier = batch.keys[:, columns.clamp(min=0)].masked_fill(columns < 0, -1)
    result = torch.full_like(batch.ids, -1)
    result[: batch.shared] = columns[: batch.shared].clamp(min=-1)
    result[batch.queries] = earlier[:, batch.shared :]
    result[batch.total :] = -1
    return result


def tokens_of(examples: Sequence[Example]) -> int:
    """Return how many tokens the batch of these has."""
    shared = shared_by(examples)
    return shared + sum(len(example.ids) - shared for example in examples)


def places_of(examples: Sequence[Example]) -> list[Tensor]:
    """Return where in their batch the tokens of each example lie, int64, in its own order."""
    import torch

    shared = begin = shared_by(examples)
    result = []
    for example in examples:
        end = begin + len(example.ids) - shared
        result.append(torch.cat([torch.arange(shared), torch.arange(begin, end)]))
        begin = end
    return result


def shared_by(examples: Sequence[Example]) -> int:
    """Return how many tokens all begin with; each keeps at least one of its own."""
    if len(examples) < 2:
        return 0
    most = min(len(example.ids) for example in examples) - 1
    first = examples[0].ids
    return next(
        (n for n in range(most) if any(example.ids[n] != first[n] for example in examples)), max(most, 0)
    )
