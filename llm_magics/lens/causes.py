"""Which tokens of the prompt moved the next one: each is left out in turn, and the change is measured.

Leave-one-out (occlusion, Zeiler & Fergus 2014, arXiv:1311.2901; Li et al. 2016, arXiv:1612.08220): the text
is read without the token, and what comes behind it moves up. With a token to contrast (Yin & Neubig 2022,
arXiv:2202.10419) it is the difference of both that is measured: "why this and not that". It says what the
model's answer hangs on, not why; of two tokens that say the same, each may seem needless.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress
from ..core.records import ModelInfo
from ..engine.base import check_fits
from ..engine.generate import Runtime, read
from ..errors import Interrupted
from ..views.picture import Picture, Stored, table
from . import figures
from .reading.pieces import Pieces, percent, shown, words
from .reading.rows import log_softmax


class Causes(Picture):
    """How much each token of a text speaks for what follows. Made by :meth:`Model.attribute`.

    ``effect`` (tokens,) in ``arrays``: by how many nats the target's logprob (or its lead over ``against``)
    falls when the token is left out; above 0 it speaks for the target. NaN where it was not read. ``head``:
    ``target`` and ``against`` (ids, or None), the ``logprob`` of both, the ``method``, and the ``likeliest``
    token instead, without each one.
    """

    kind = "causes"
    figure = figures.causes
    stored: ClassVar[Stored] = {"effect": ("f4", 1)}

    def plain(self) -> str:
        """The tokens that matter most."""
        h, effect = self.head, self.arrays["effect"] / np.log(2)
        word = h["words"]
        target = shown(word[str(h["target"])])
        why = f"why {target!r}" + (
            "" if h["against"] is None else f" and not {shown(word[str(h['against'])])!r}"
        )
        lines = [f"{why}: {percent(np.exp(h['logprob']))}; each token left out in turn, in bits"]
        known = np.flatnonzero(np.isfinite(effect))
        for n in known[np.argsort(-np.abs(effect[known]), kind="stable")][:10].tolist():
            bar = ("+" if effect[n] > 0 else "−") * min(round(abs(float(effect[n])) * 2), 40)
            instead = h["likeliest"][n]
            said = "" if instead in (h["target"], -1) else f"  without it: {shown(word[str(instead)])!r}"
            lines.append(f"  {n + 1:4} {shown(h['texts'][n]):<16} {effect[n]:+7.2f} {bar}{said}")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """One row a token."""
        word = self.head["words"]
        instead = [word.get(str(id), "") for id in self.head["likeliest"]]
        return table(
            {"token": list(self.head["texts"]), "effect": self.arrays["effect"], "without_it": instead}
        )


def causes(
    runtime: Runtime, info: ModelInfo, pieces: Pieces, *, target: int | None, against: int | None
) -> Causes:
    """Leave out each token in turn, from the last to the first: what stands before it is computed once.

    An interrupt keeps what there is.

    Args:
        target: the token that is explained; None: the likeliest.
        against: the token that it is compared with.

    Raises:
        ContextOverflow: the text does not fit.
    """
    ids = list(pieces.ids)
    check_fits(len(ids) + 1, runtime.engine.context_length, what="the text", hint="shorten it")
    lease = runtime.pool.lease(ids)
    effect = np.full(len(ids), np.nan, np.float32)
    likeliest = [-1] * len(ids)
    try:
        logits = read(lease, ids)
        assert logits is not None  # nobody closes it
        whole = log_softmax(logits[:1].copy())[0]
        target = int(whole.argmax()) if target is None else target
        score = _score(whole, target, against)
        special = {n for n, each in enumerate(pieces.special) if each}
        with progress.bar("leaving out each token", len(ids), unit="token") as step:
            for place in range(len(ids) - 1, -1, -1):
                rest = ids[place + 1 :]
                if place not in special and (place or rest):
                    lease.rewind(place)
                    if not rest:
                        lease.rewind(place - 1)  # the token before is read once more, for its logits
                    out = read(lease, [*ids[:place], *rest])
                    assert out is not None
                    found = log_softmax(out[:1].copy())[0]
                    effect[place] = score - _score(found, target, against)
                    likeliest[place] = int(found.argmax())
                step(1)
    except (KeyboardInterrupt, Interrupted):
        if np.isnan(effect).all():
            raise
    finally:
        lease.rewind(0)
        lease.release()
    known = {target, *(id for id in likeliest if id >= 0), *(() if against is None else (against,))}
    head = {
        **pieces.head(),
        "target": target,
        "against": against,
        "logprob": float(whole[target]),
        "logprob_against": None if against is None else float(whole[against]),
        "likeliest": likeliest,
        "method": "leave-one-out" if against is None else "contrastive leave-one-out",
        "words": words(runtime.tokenizer, known),
    }
    return Causes(info, head, {"effect": effect})


def _score(logprobs: NDArray[np.float32], target: int, against: int | None) -> float:
    return float(logprobs[target]) - (0.0 if against is None else float(logprobs[against]))
