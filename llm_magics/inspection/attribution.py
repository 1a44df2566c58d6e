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
from ..core.format import percent
from ..core.records import ModelInfo
from ..core.sampling import log_softmax
from ..engine.base import check_fits
from ..engine.generate import prefill
from ..engine.runtime import Runtime
from ..errors import Interrupted
from ..views.inspection_record import InspectionRecord, Stored, table
from . import figures
from .reading.tokenized_text import TokenizedText, token_labels, visible_token


class Attribution(InspectionRecord):
    """How much each token of a text speaks for what follows. Made by :meth:`Model.attribute`.

    ``effect`` (tokens,) in ``arrays``: by how many nats the target's logprob (or its lead over ``against``)
    falls when the token is left out; above 0 it speaks for the target. NaN where it was not read. ``head``:
    ``target`` and ``against`` (ids, or None), the ``logprob`` of both, the ``method``, and the ``likeliest``
    token instead, without each one.
    """

    kind = "causes"
    figure = figures.attribution
    storage: ClassVar[Stored] = {"effect": ("f4", 1)}

    def to_text(self) -> str:
        """Return the tokens that matter most."""
        h, effect = self.head, self.arrays["effect"] / np.log(2)
        word = h["words"]
        target = visible_token(word[str(h["target"])])
        why = f"why {target!r}" + (
            "" if h["against"] is None else f" and not {visible_token(word[str(h['against'])])!r}"
        )
        lines = [f"{why}: {percent(np.exp(h['logprob']))}; each token left out in turn, in bits"]
        known = np.flatnonzero(np.isfinite(effect))
        for n in known[np.argsort(-np.abs(effect[known]), kind="stable")][:10].tolist():
            bar = ("+" if effect[n] > 0 else "−") * min(round(abs(float(effect[n])) * 2), 40)
            instead = h["likeliest"][n]
            note = (
                "" if instead in (h["target"], -1) else f"  without it: {visible_token(word[str(instead)])!r}"
            )
            lines.append(f"  {n + 1:4} {visible_token(h['texts'][n]):<16} {effect[n]:+7.2f} {bar}{note}")
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """Return one row a token."""
        word = self.head["words"]
        instead = [word.get(str(id), "") for id in self.head["likeliest"]]
        return table(
            {"token": list(self.head["texts"]), "effect": self.arrays["effect"], "without_it": instead}
        )


def attribute(
    runtime: Runtime, info: ModelInfo, pieces: TokenizedText, *, target: int | None, against: int | None
) -> Attribution:
    """Leave out each token in turn, from the last to the first, and measure what changes.

    The tokens before it are computed once. An interrupt keeps the tokens that are done.

    Args:
        runtime: engine, tokenizer and cache pool.
        info: the model in the record.
        pieces: the tokenized text.
        target: the token that is explained; None: the likeliest.
        against: the token that it is compared with.

    Raises:
        ContextOverflow: the text does not fit.
    """
    ids = list(pieces.ids)
    check_fits(len(ids) + 1, runtime.engine.context_length, what="the text", hint="Shorten it.")
    lease = runtime.pool.acquire(ids)
    effect = np.full(len(ids), np.nan, np.float32)
    likeliest = [-1] * len(ids)
    try:
        logits = prefill(lease, ids)
        assert logits is not None  # nobody closes it
        whole = log_softmax(logits[:1])[0]
        target = int(whole.argmax()) if target is None else target
        score = _score(whole, target, against)
        special = {n for n, item in enumerate(pieces.special) if item}
        with progress.progress_bar("leaving out each token", len(ids), unit="token") as step:
            for place in range(len(ids) - 1, -1, -1):
                rest = ids[place + 1 :]
                if place not in special and (place or rest):
                    lease.truncate(place)
                    if not rest:
                        lease.truncate(place - 1)  # the token before is read once more, for its logits
                    out = prefill(lease, [*ids[:place], *rest])
                    assert out is not None
                    result = log_softmax(out[:1])[0]
                    effect[place] = score - _score(result, target, against)
                    likeliest[place] = int(result.argmax())
                step(1)
    except (KeyboardInterrupt, Interrupted):
        if np.isnan(effect).all():
            raise
    finally:
        lease.truncate(0)
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
        "words": token_labels(runtime.tokenizer, known),
    }
    return Attribution(info, head, {"effect": effect})


def _score(logprobs: NDArray[np.float32], target: int, against: int | None) -> float:
    return float(logprobs[target]) - (0.0 if against is None else float(logprobs[against]))
