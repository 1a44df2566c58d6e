"""The states of recurrent layers, and checkpoints of them: a state cannot be cut at an earlier token.

A checkpoint is taken behind every call with several tokens, and every :data:`INTERVAL` tokens of an answer. A
sequence that goes on from an earlier place goes on from the checkpoint before it, and computes the tokens
between anew.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

INTERVAL = 128  # tokens of an answer from one checkpoint to the next
BUDGET = 256_000_000  # bytes of checkpoints that one sequence may keep
_UNKNOWN = -1  # the length of a state that is of no use
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    length: int
    state: Floats
    conv: Floats


class RecurrentStates:
    """The states of some sequences.

    Args:
        layers: the number of recurrent layers.
        state: (heads, value_dim, key_dim) of the state of one layer.
        conv: (tokens, channels) that the convolution of one layer sees of what came before.
        rows: the number of sequences.
    """

    def __init__(self, layers: int, state: tuple[int, int, int], conv: tuple[int, int], rows: int) -> None:
        self.layers = layers
        self._state: Floats = np.zeros((layers, rows, *state), np.float32)
        self._conv: Floats = np.zeros((layers, rows, *conv), np.float32)
        self._past = self._conv  # kept alive: what is bound by its address keeps nothing alive
        self._lengths = [0] * rows
        self._checkpoints: list[list[_Checkpoint]] = [[] for _ in range(rows)]
        one = 4 * layers * (math.prod(state) + math.prod(conv))
        self._most = max(BUDGET // rows // max(one, 1), 2)

    @property
    def nbytes(self) -> int:
        checkpoints = sum(item.state.nbytes + item.conv.nbytes for row in self._checkpoints for item in row)
        return self._state.nbytes + self._conv.nbytes + checkpoints

    def bind(self, binding: Any, first: int, rows: int) -> None:
        """Bind the states of some rows as past and present of a call, which changes them in place."""
        self._lengths[first : first + rows] = [_UNKNOWN] * rows  # until the call is done
        self._past = self._conv[:, first : first + rows].copy()
        shape = (rows, *self._state.shape[2:])
        narrow = (rows, *self._conv.shape[2:])
        for layer in range(self.layers):
            state = self._state[layer, first].ctypes.data
            conv, past = self._conv[layer, first].ctypes.data, self._past[layer].ctypes.data
            binding.bind_input(f"past_state.{layer}", "cpu", 0, np.float32, shape, state)
            binding.bind_output(f"present_state.{layer}", "cpu", 0, np.float32, shape, state)
            binding.bind_input(f"past_state_conv.{layer}", "cpu", 0, np.float32, narrow, past)
            binding.bind_output(f"present_state_conv.{layer}", "cpu", 0, np.float32, narrow, conv)

    def note(self, first: int, totals: Sequence[int], count: int) -> None:
        """Note that a call has appended ``count`` tokens to some rows, which have ``totals`` now."""
        for row, total in enumerate(totals, first):
            if count > 1 or total % INTERVAL == 0:
                self._keep(row, total)
            self._lengths[row] = total

    def is_at(self, row: int, length: int) -> bool:
        """Return whether the state of a row is that behind ``length`` tokens."""
        return self._lengths[row] == length

    def checkpoint_before(self, row: int, length: int) -> int:
        """Return the place of the last checkpoint of a row that is not behind ``length``; 0 is always one."""
        return max((item.length for item in self._checkpoints[row] if item.length <= length), default=0)

    def restore(self, row: int, length: int) -> int:
        """Return to the last checkpoint that is not behind ``length``; return its place."""
        self._lengths[row] = _UNKNOWN
        place = self.checkpoint_before(row, length)
        self._load(row, self._find(row, place))
        self._lengths[row] = place
        return place

    def forget(self, row: int, length: int) -> None:
        """Drop the checkpoints behind ``length``: other tokens may come there."""
        self._checkpoints[row] = [item for item in self._checkpoints[row] if item.length <= length]
        if self._lengths[row] > length:
            self._lengths[row] = _UNKNOWN

    def copy(self, source: RecurrentStates, source_row: int, row: int, length: int) -> None:
        """Make the state of a row that of another, behind ``length`` tokens.

        Where the other has no checkpoint there, and does not stand there, the state is of no use, and
        :meth:`restore` begins at an earlier one.
        """
        self._lengths[row] = _UNKNOWN
        checkpoints = [item for item in source._checkpoints[source_row] if item.length <= length]
        checkpoint, known = source._find(source_row, length), True
        if checkpoint is not None or length == 0:  # first: another thread may be going on with its state
            self._load(row, checkpoint)
        elif source.is_at(source_row, length):
            self._state[:, row] = source._state[:, source_row]
            self._conv[:, row] = source._conv[:, source_row]
        else:
            known = False
        self._checkpoints[row] = checkpoints[-self._most :]
        if known:
            self._lengths[row] = length

    def _find(self, row: int, place: int) -> _Checkpoint | None:
        return next((item for item in self._checkpoints[row] if item.length == place), None)

    def _load(self, row: int, checkpoint: _Checkpoint | None) -> None:
        self._state[:, row] = 0 if checkpoint is None else checkpoint.state
        self._conv[:, row] = 0 if checkpoint is None else checkpoint.conv

    def _keep(self, row: int, length: int) -> None:
        """Take a checkpoint; of too many, drop the one that is nearest to its neighbors, but not the last."""
        items = [item for item in self._checkpoints[row] if item.length != length]
        items.append(_Checkpoint(length, self._state[:, row].copy(), self._conv[:, row].copy()))
        items.sort(key=lambda item: item.length)
        while len(items) > self._most:
            places = [0, *(item.length for item in items)]
            gaps = [places[n + 2] - places[n] for n in range(len(items) - 1)]
            del items[gaps.index(min(gaps))]
        self._checkpoints[row] = items
