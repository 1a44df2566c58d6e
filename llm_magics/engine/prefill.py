"""How a prompt is cut into calls, and how much of it a cache can give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many leading ids two sequences share."""
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n


def reusable_prefix(shared: int, length: int) -> int:
    """Return how many of the ``shared`` leading tokens to take from a cache for a prompt of ``length``.

    One at least is left to compute, for its logits; and never just one, which other kernels would compute
    than they do within a whole prompt.
    """
    reused = max(min(shared, length - 1), 0)
    return reused - 1 if 0 < reused == length - 1 else reused


def chunk_ends(begin: int, end: int, size: int) -> Iterator[int]:
    """Yield the ends of calls of at most ``size`` ≥ 3 tokens that cover [begin, end); none has one token."""
    while begin < end:
        left = end - begin
        begin += left if left <= size else size - 1 if left == size + 1 else size
        yield begin
