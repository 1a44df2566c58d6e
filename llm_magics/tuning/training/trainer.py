"""Training itself: batches, gradients, AdamW, the held-out loss, and the best that was seen."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.interrupt import delay_interrupt
from ..examples import Example, Split
from .batch import Batch, batch_of, places_of, shared_by, tokens_of
from .lora import LoraParameters, State
from .model import TrainableModel

if TYPE_CHECKING:
    from torch import Tensor

TOKENS = 1024  # of a part of a batch: what the way back remembers grows with it
WARM_UP, LAST_RATE = 10, 0.05  # steps, and the share of the learning rate that is left at the end
BETAS, CLIP = (0.9, 0.99), 1.0


class Trainer:
    """One adapter, one network, one row of steps.

    Args:
        network: frozen; holds the layers from ``lora``'s first on.
        lora: what learns.
        split: the examples.
        rate: the highest learning rate.
        batch: examples a step.
        seed: of their order.

    Attributes:
        step: how many were made.
        total: how many there will be: the learning rate falls towards it.
    """

    def __init__(
        self,
        network: TrainableModel,
        lora: LoraParameters,
        split: Split,
        *,
        rate: float,
        batch: int,
        seed: int,
        total: int = 0,
    ) -> None:
        import torch

        self.network, self.lora, self.split = network, lora, split
        self.rate, self.batch, self.seed = rate, batch, seed
        self.step, self.total = 0, total
        self.first = min(layer for layer, _ in lora.a)
        self._kept: dict[int, Tensor] = {}  # by row: what comes into the first layer that learns
        self._optimizer = torch.optim.AdamW(list(lora), lr=rate, betas=BETAS, weight_decay=0.0)

    def freeze(self, on_batch: Callable[[range], Any] = iter) -> None:
        """Compute the layers that do not learn once for every example, and forget them."""
        import torch

        everything = [*self.split.train, *self.split.validation]
        parts = _parts(everything)
        batches = [batch_of(part).to(self.network.device) for part in parts]
        with torch.no_grad():
            states = [self.network.embed(batch) for batch in batches]
            for i in on_batch(range(self.first)):
                self.network.load_layer(i)
                states = [self.network.run(x, batch, [i]) for x, batch in zip(states, batches, strict=True)]
                self.network.drop_layers(i + 1)
        for part, x in zip(parts, states, strict=True):
            for example, places in zip(part, places_of(part), strict=True):
                self._kept[example.row] = x[places.to(x.device)]

    def advance(self, done: Callable[[float, int], None] = lambda loss, tokens: None) -> tuple[float, int]:
        """Train one step; return its batch's mean loss before it, in nats per token, and its token count.

        What is not finite changes nothing: the loss is given, and the parameters stay. An interrupt leaves
        the parameters as they were, or comes when they, :attr:`step` and what ``done`` notes are new.
        """
        import torch

        examples = self._next()
        count = sum(example.completions for example in examples)
        total, tokens = 0.0, 0
        self._optimizer.zero_grad(set_to_none=True)
        for part in _parts(examples):
            batch = batch_of(part).to(self.network.device)
            losses = self._losses(part, batch)
            loss = losses.sum() / count
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
            tokens += tokens_of(part)
        norm = float(torch.nn.utils.clip_grad_norm_(list(self.lora), CLIP))
        if not (math.isfinite(total) and math.isfinite(norm)):
            return math.nan, tokens
        for group in self._optimizer.param_groups:
            group["lr"] = self.rate * self._schedule()
        with delay_interrupt():
            self._optimizer.step()
            self.step += 1
            done(total, tokens)
        return total, tokens

    def loss(self, examples: Sequence[Example]) -> float:
        """Return mean −ln p of the completions as the adapter is now, in nats a token."""
        import torch

        total = 0.0
        with torch.no_grad():
            for part in _parts(examples):
                total += float(self._losses(part, batch_of(part).to(self.network.device)).sum())
        return total / max(sum(example.completions for example in examples), 1)

    def state(self) -> dict[str, np.ndarray]:
        """Return everything that going on needs besides the rows.

        Parameters, and the optimiser's two means.
        """
        result = {f"lora.{name}": array for name, array in self.lora.state().items()}
        for index, parameter in enumerate(self.lora):
            moments = self._optimizer.state.get(parameter, {})
            for name in ("exp_avg", "exp_avg_sq"):
                if name in moments:
                    result[f"{name}.{index}"] = moments[name].cpu().numpy().copy()
        return result

    def restore(self, state: State, step: int) -> None:
        """Go on from what :meth:`state` gave at that step."""
        import torch

        def moment(name: str) -> Tensor:
            return torch.from_numpy(state[name].copy()).to(self.network.device)

        self.lora.restore({name[5:]: array for name, array in state.items() if name.startswith("lora.")})
        for index, parameter in enumerate(self.lora):
            if f"exp_avg.{index}" in state:
                self._optimizer.state[parameter] = {
                    "step": torch.tensor(float(step)),
                    "exp_avg": moment(f"exp_avg.{index}"),
                    "exp_avg_sq": moment(f"exp_avg_sq.{index}"),
                }
        self.step = step

    def _losses(self, examples: Sequence[Example], batch: Batch) -> Tensor:
        import torch

        network, spec = self.network, self.network.spec
        if all(example.row in self._kept for example in examples):
            x = self._gathered(examples, len(batch.ids))
        else:
            with torch.no_grad():
                x = network.run(network.embed(batch), batch, range(self.first))
        x = network.run(x, batch, range(self.first, spec.layers), self.lora.apply)
        return network.token_losses(x, batch)

    def _gathered(self, examples: Sequence[Example], size: int) -> Tensor:
        """Return the batch of what was kept: as batch.py lays out the tokens."""
        import torch

        shared = shared_by(examples)
        result = [self._kept[examples[0].row][:shared]]
        result += [self._kept[example.row][shared:] for example in examples]
        x = torch.cat(result)
        return torch.nn.functional.pad(x, (0, 0, 0, size - len(x)))

    def _next(self) -> list[Example]:
        """Return the examples of this step: every epoch has an order of its own."""
        rows, result = self.split.train, []
        size = min(self.batch, len(rows))
        for n in range(self.step * size, (self.step + 1) * size):
            epoch, place = divmod(n, len(rows))
            order = list(range(len(rows)))
            random.Random(self.seed * 1_000_003 + epoch).shuffle(order)  # noqa: S311  # no secret
            result.append(rows[order[place]])
        return result

    def _schedule(self) -> float:
        """Return the share of the learning rate at this step: it rises, then falls in a line."""
        if self.step < WARM_UP:
            return (self.step + 1) / WARM_UP
        left = max(self.total - self.step, 0) / max(self.total - WARM_UP, 1)
        return LAST_RATE + (1 - LAST_RATE) * left


def _parts(examples: Sequence[Example]) -> list[list[Example]]:
    """Cut so that no part has more tokens than memory should be taken for; an example is never cut."""
    result: list[list[Example]] = []
    room = 0
    for example in examples:
        if not result or len(example.ids) > room:
            result.append([])
            room = TOKENS
        result[-1].append(example)
        room -= len(example.ids)
    return result
