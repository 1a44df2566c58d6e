"""Autograd functions with custom backward passes, which replace many small operators.

On a processor that multiplies matrices in bfloat16, most time is spent between the matmuls. Frozen weights
have no gradient here. Every function is the plain formula; tests compare the gradients with PEFT's. This
module imports torch, so it is imported inside functions only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .batch import Batch


class Rms(torch.autograd.Function):
    """x · w / √(mean x² + eps) (Zhang and Sennrich 2019, arXiv:1910.07467); x (N, …, D)."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any, eps: float) -> Any:
        size = x.shape[-1]
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        scale = torch.rsqrt(norm * norm / size + eps)
        ctx.save_for_backward(x, weight, scale)
        return (x * scale.to(x.dtype)).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *above: Any) -> Any:
        x, weight, scale = ctx.saved_tensors
        grad = above[0] * weight
        dot = torch.linalg.vecdot(grad, x).unsqueeze(-1).float()
        share = dot * scale**3 / -x.shape[-1]
        return grad.mul_(scale.to(x.dtype)).addcmul_(x, share.to(x.dtype)), None, None


class SwiGlu(torch.autograd.Function):
    """silu(gate) · up of both side by side, (N, 2 · ffn) → (N, ffn) (Shazeer 2020, arXiv:2002.05202)."""

    @staticmethod
    def forward(ctx: Any, both: Any) -> Any:
        ctx.save_for_backward(both)
        gate, up = both.chunk(2, dim=1)
        return torch.nn.functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *above: Any) -> Any:
        (both,) = ctx.saved_tensors
        (grad,) = above
        gate, up = both.chunk(2, dim=1)
        out = torch.empty_like(both)
        to_gate, to_up = out.chunk(2, dim=1)
        torch.mul(grad, torch.nn.functional.silu(gate), out=to_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=to_gate)
        return out


class Rotate(torch.autograd.Function):
    """Rotary embedding of the first dimensions of heads (N, H, D); cos and sin (N, 1, D), sin signed."""

    @staticmethod
    def forward(ctx: Any, x: Any, cos: Any, sin: Any) -> Any:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, *above: Any) -> Any:
        cos, sin = ctx.saved_tensors
        return _turned(above[0], cos, -sin), None, None


class GatherRows(torch.autograd.Function):
    """Gather x (N, …) into the shared prefix (1, P, …) and rows by index (R, S, …). See batch.py.

    Each token is in one row at most, at ``back``; for keys all rows begin with what is shared.
    """

    @staticmethod
    def forward(ctx: Any, x: Any, batch: Batch, keys: bool) -> Any:
        ctx.batch, ctx.keys = batch, keys
        index = batch.keys if keys else batch.queries
        rows = x.index_select(0, index.flatten()).view(*index.shape, *x.shape[1:])
        return x[: batch.shared][None].clone(), rows

    @staticmethod
    def backward(ctx: Any, *above: Any) -> Any:
        batch, (first, rows) = ctx.batch, above
        out = rows.flatten(0, 1).index_select(0, batch.back_keys if ctx.keys else batch.back)
        if batch.shared:
            out[: batch.shared] = first[0] + rows[:, : batch.shared].sum(0) if ctx.keys else first[0]
        out[batch.total :] = 0
        return out, None, None


class ScatterRows(torch.autograd.Function):
    """Scatter rows of queries back: (1, P, …) and (R, T, …) → (N, …)."""

    @staticmethod
    def forward(ctx: Any, first: Any, rows: Any, batch: Batch) -> Any:
        ctx.batch = batch
        out = rows.flatten(0, 1).index_select(0, batch.back)
        if batch.shared:
            out[: batch.shared] = first[0]
        return out

    @staticmethod
    def backward(ctx: Any, *above: Any) -> Any:
        batch, (grad,) = ctx.batch, above
        rows = grad.index_select(0, batch.queries.flatten()).view(*batch.queries.shape, *grad.shape[1:])
        return grad[: batch.shared][None].clone(), rows, None


def _turned(x: Any, cos: Any, sin: Any) -> Any:
    half = cos.shape[-1] // 2
    turned = x[..., : 2 * half]
    swapped = torch.cat([turned[..., half:], turned[..., :half]], dim=-1)
    out = (turned * cos).addcmul_(swapped, sin)
    return out if x.shape[-1] == 2 * half else torch.cat([out, x[..., 2 * half :]], dim=-1)


rms: Any = Rms.apply
swiglu: Any = SwiGlu.apply
rotate: Any = Rotate.apply
gather_rows: Any = GatherRows.apply
scatter_rows: Any = ScatterRows.apply
