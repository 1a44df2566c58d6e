"""The trainable parameters: one A for each product, and one B for all the roles that it stacks.

LoRA: Hu et al. 2021, arXiv:2106.09685. A shared A learns as well as one each, and costs one product less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...decoder.spec import DecoderSpec
from ...models.adapters.lora import Adapter, LoraPair
from ...models.adapters.roles import roles_by_matmul, roles_in_layer, shape_of
from ...models.adapters.targets import to_modules

if TYPE_CHECKING:
    from torch import Tensor, device

State = Mapping[str, np.ndarray]


class LoraParameters:
    """Parameters of an adapter in training, in float32.

    Args:
        spec: of the model.
        layers: that learn; roles: of models/adapters/targets.py.
        rank, alpha: what is added is alpha / rank · B A x.
        seed: A begins as PEFT's does, uniform in ±1/√in; B as zero, so that nothing is changed yet.
        device: where the parameters lie; None is the CPU. They begin with the same numbers on each.
    """

    def __init__(
        self,
        spec: DecoderSpec,
        layers: Iterable[int],
        roles: tuple[str, ...],
        *,
        rank: int,
        alpha: float,
        seed: int,
        device: device | None = None,
    ) -> None:
        import torch

        self.spec, self.rank, self.alpha = spec, rank, alpha
        self.roles = {
            product: chosen
            for product, stacked in roles_by_matmul(spec).items()
            if (chosen := tuple(role for role in stacked if role in roles))
        }
        output = torch.Generator().manual_seed(seed)
        self.a: dict[tuple[int, str], Tensor] = {}
        self.b: dict[tuple[int, str], Tensor] = {}
        for layer in layers:
            for product in roles_in_layer(spec, layer).keys() & self.roles.keys():
                names = self.roles[product]
                width = shape_of(spec, layer, names[0])[1]
                a = (torch.rand(rank, width, generator=output) * 2 - 1) / math.sqrt(width)
                b = torch.zeros(sum(shape_of(spec, layer, role)[0] for role in names), rank)
                a, b = a.to(device), b.to(device)
                self.a[layer, product], self.b[layer, product] = a.requires_grad_(), b.requires_grad_()

    def __iter__(self) -> Iterator[Tensor]:
        """Iterate over all parameters in a fixed order."""
        for place in self.a:
            yield self.a[place]
            yield self.b[place]

    @property
    def count(self) -> int:
        """Return how many numbers are learnt."""
        return sum(parameter.numel() for parameter in self)

    def apply(self, layer: int, product: str, x: Tensor, out: Tensor) -> Tensor:
        """Return out (N, out) with what the adapter adds for x (N, in)."""
        import torch

        place = layer, product
        if place not in self.a:
            return out
        b = self.b[place].to(x.dtype)
        stacked = roles_by_matmul(self.spec)[product]
        if len(self.roles[product]) < len(stacked):
            b = self._expand_roles(b, layer, product)
        inner = torch.nn.functional.linear(x, self.a[place].to(x.dtype))
        return out.addmm_(inner, b.T, alpha=self.alpha / self.rank)

    def _expand_roles(self, b: Tensor, layer: int, product: str) -> Tensor:
        """Expand B with zero rows for the roles that are not trained."""
        import torch

        trained, begin, rows = self.roles[product], 0, []
        for role in roles_by_matmul(self.spec)[product]:
            size = shape_of(self.spec, layer, role)[0]
            rows.append(b[begin : begin + size] if role in trained else b.new_zeros(size, self.rank))
            begin += size if role in trained else 0
        return torch.cat(rows)

    def adapter(self, base: str = "") -> Adapter:
        """Return a copy of the current parameters as an adapter."""
        pairs: dict[tuple[int, str], LoraPair] = {}
        for (layer, product), a in self.a.items():
            one, begin = a.detach().cpu().numpy().copy(), 0
            rows = self.b[layer, product].detach().cpu().numpy()
            for role in self.roles[product]:
                size = shape_of(self.spec, layer, role)[0]
                pairs[layer, role] = LoraPair(one, rows[begin : begin + size].copy())
                begin += size
        return Adapter(to_modules(self.spec, pairs), self.alpha, base)

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all parameters by name."""
        return {
            f"{layer}.{product}.{side}": matrices[layer, product].detach().cpu().numpy().copy()
            for layer, product in self.a
            for side, matrices in (("a", self.a), ("b", self.b))
        }

    def restore(self, state: State) -> None:
        """Set all parameters to what :meth:`state` gave."""
        import torch

        with torch.no_grad():
            for layer, product in self.a:
                for side, matrices in (("a", self.a), ("b", self.b)):
                    matrices[layer, product].copy_(torch.from_numpy(state[f"{layer}.{product}.{side}"]))
