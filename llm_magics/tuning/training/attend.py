"""Attention of a flat batch (see batch.py): rows of one length by index, masks for what is not there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ...decoder.spec import DecoderSpec
from .batch import Batch, Group

if TYPE_CHECKING:
    from torch import Tensor

# Scores of a layer that are kept for the way back. Above, a kernel that makes them again is used.
MOST_SCORES = 1 << 21


def attend(
    spec: DecoderSpec,
    layer: int,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    batch: Batch,
    masks: dict[tuple[int, bool], Tensor],
    slopes: Tensor | None,
) -> Tensor:
    """(N, heads, head_dim) of q and (N, KV heads, head_dim) of k and v → (N, heads · head_dim).

    Args:
        masks: of this batch, filled as they are needed: layers share them.
        slopes: ALiBi's, (heads,), or None.
    """
    import torch

    slides = spec.slides(layer)
    found = []
    for index, group in enumerate(batch.groups):
        mask = masks.get((index, slides))
        if mask is None:
            mask = masks[index, slides] = _mask(spec, group, q.dtype, slides, slopes)
        rows, length = group.queries.shape
        # (R, KV heads, heads each · T, dim): heads that share their keys are one longer row of queries.
        asked = q[group.queries].view(rows, length, spec.kv_heads, -1, spec.head_dim)
        asked = asked.permute(0, 2, 3, 1, 4).reshape(rows * spec.kv_heads, -1, spec.head_dim)
        keys = k[group.keys].transpose(1, 2).reshape(rows * spec.kv_heads, -1, spec.head_dim)
        values = v[group.keys].transpose(1, 2).reshape(rows * spec.kv_heads, -1, spec.head_dim)
        if mask.numel() > MOST_SCORES and not spec.softcap:
            out = torch.nn.functional.scaled_dot_product_attention(
                asked[None], keys[None], values[None], mask[None], scale=spec.attention_scale
            )[0]
        else:
            if spec.softcap:
                scores = torch.bmm(asked, keys.transpose(1, 2)) * spec.attention_scale
                scores = spec.softcap * torch.tanh(scores / spec.softcap) + mask
            else:
                scores = torch.baddbmm(mask, asked, keys.transpose(1, 2), alpha=spec.attention_scale)
            out = torch.bmm(torch.softmax(scores, dim=-1), values)
        out = out.view(rows, spec.kv_heads, -1, length, spec.head_dim).permute(0, 3, 1, 2, 4)
        found.append(out.reshape(rows * length, -1))
    return (found[0] if len(found) == 1 else torch.cat(found)).index_select(0, batch.back)


def _mask(spec: DecoderSpec, group: Group, kind: object, slides: bool, slopes: Tensor | None) -> Tensor:
    """(R · KV heads, heads each · T, S): 0 or −∞, with ALiBi's bias."""
    import torch

    distance = group.distance
    hidden = distance < 0
    if slides:
        hidden = hidden | (distance >= spec.window)
    mask = torch.zeros(distance.shape, dtype=torch.float32).masked_fill_(hidden, -math.inf)
    each = spec.heads // spec.kv_heads
    wide = mask[:, None, None].expand(-1, spec.kv_heads, each, -1, -1)
    if slopes is not None:
        # As Falcon was trained: slope times place of the key, rounded to bfloat16; then scaled like a score.
        places = group.key_places.to(torch.bfloat16)[:, None, :]
        bias = (slopes.to(torch.bfloat16)[None, :, None] * places).float() * spec.attention_scale
        wide = wide + bias.view(len(mask), spec.kv_heads, each, 1, -1)
    return wide.reshape(len(mask) * spec.kv_heads, each * mask.shape[1], -1).to(kind)  # type: ignore[call-overload,no-any-return]
