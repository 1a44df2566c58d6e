"""Attention of a flat batch (see batch.py): rows of one length by index, masks for what is not there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...decoder.spec import DecoderSpec
from .batch import Batch

if TYPE_CHECKING:
    from torch import Tensor

# Scores of a layer that are kept for the way back. Above, a kernel that makes them again is used.
MOST_SCORES = 1 << 21
Masks = dict[tuple[str, bool], "Tensor"]


def attention(
    spec: DecoderSpec,
    layer: int,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    batch: Batch,
    masks: Masks,
    slopes: Tensor | None,
    sinks: Tensor | None = None,
) -> Tensor:
    """Compute causal attention within each example of a batch → (N, heads · head_dim).

    Args:
        spec: the decoder.
        layer: the layer.
        q: queries (N, heads, head_dim).
        k: keys (N, KV heads, head_dim).
        v: values (N, KV heads, head_dim).
        batch: the batch.
        masks: of this batch, filled as they are needed: layers share them.
        slopes: ALiBi's, (heads,), or None.
        sinks: a logit of each head that gives nothing, (heads,), or None.
    """
    import torch

    from . import autograd_ops

    slides = spec.slides(layer)
    (q0, q1), (k0, k1), (v0, v1) = (
        autograd_ops.gather_rows(part, batch, keys) for part, keys in ((q, False), (k, True), (v, True))
    )
    if ("rows", slides) not in masks:
        places = batch.places[batch.keys]
        masks["rows", slides] = _mask(spec, batch.distance, places, q.dtype, slides, slopes)
        if batch.shared:
            own = torch.arange(batch.shared, device=q.device)
            among = (own[:, None] - own[None])[None]
            masks["shared", slides] = _mask(spec, among, own[None], q.dtype, slides, slopes)
    rows = _attended(spec, q1, k1, v1, masks["rows", slides], sinks)
    first = _attended(spec, q0, k0, v0, masks["shared", slides], sinks) if batch.shared else q0.flatten(2)
    return autograd_ops.scatter_rows(first, rows, batch)  # type: ignore[no-any-return]


def _attended(
    spec: DecoderSpec, q: Tensor, k: Tensor, v: Tensor, mask: Tensor, sinks: Tensor | None
) -> Tensor:
    """Compute attention of q (R, T, heads, D) over k and v (R, S, KV heads, D) → (R, T, heads · D)."""
    import torch

    rows, length = q.shape[:2]
    # (R · KV heads, heads each · T, D): heads that share their keys are one longer row of queries.
    q = q.view(rows, length, spec.kv_heads, -1, spec.head_dim).permute(0, 2, 3, 1, 4)
    q = q.reshape(rows * spec.kv_heads, -1, spec.head_dim)
    k, v = (part.transpose(1, 2).reshape(rows * spec.kv_heads, -1, spec.head_dim) for part in (k, v))
    if mask.numel() > MOST_SCORES and not spec.softcap and sinks is None:
        out = torch.nn.functional.scaled_dot_product_attention(
            q[None], k[None], v[None], mask[None], scale=spec.attention_scale
        )[0]
    else:
        if spec.softcap:
            scores = torch.bmm(q, k.transpose(1, 2)) * spec.attention_scale
            scores = spec.softcap * torch.tanh(scores / spec.softcap) + mask
        else:
            scores = torch.baddbmm(mask, q, k.transpose(1, 2), alpha=spec.attention_scale)
        if sinks is not None:
            column = sinks.view(spec.kv_heads, -1, 1).expand(-1, -1, length).reshape(spec.kv_heads, -1, 1)
            scores = torch.cat([scores, column.repeat(rows, 1, 1).to(scores.dtype)], dim=-1)
        shares = torch.softmax(scores, dim=-1)
        out = torch.bmm(shares if sinks is None else shares[..., :-1], v)
    out = out.view(rows, spec.kv_heads, -1, length, spec.head_dim).permute(0, 3, 1, 2, 4)
    return out.reshape(rows, length, -1)


def _mask(
    spec: DecoderSpec, distance: Tensor, places: Tensor, kind: object, slides: bool, slopes: Tensor | None
) -> Tensor:
    """Return the mask, 0 or −∞ plus ALiBi's bias: (R · KV heads, heads per KV head · T, S)."""
    import torch

    hidden = distance < 0
    if slides:
        hidden = hidden | (distance >= spec.window)
    mask = torch.zeros(distance.shape, dtype=torch.float32, device=distance.device).masked_fill_(
        hidden, -math.inf
    )
    item = spec.heads // spec.kv_heads
    wide = mask[:, None, None].expand(-1, spec.kv_heads, item, -1, -1)
    if slopes is not None:
        # As Falcon was trained: slope times place of the key, rounded to bfloat16; then scaled like a score.
        at = places.to(torch.bfloat16)[:, None, :]
        bias = (slopes.to(torch.bfloat16)[None, :, None] * at).float() * spec.attention_scale
        wide = wide + bias.view(len(mask), spec.kv_heads, item, 1, -1)
    return wide.reshape(len(mask) * spec.kv_heads, item * mask.shape[1], -1).to(kind)  # type: ignore[call-overload,no-any-return]
