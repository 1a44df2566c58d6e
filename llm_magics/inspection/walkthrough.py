"""One token's way through the model, with its real numbers.

Pieces, vectors, attention, layers, scores, cuts and dice.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress
from ..core.format import percent
from ..core.options import SamplingOptions
from ..core.records import Generation, ModelInfo, Token
from ..engine.generate import Stream
from ..engine.runtime import Runtime
from ..errors import UnsupportedModel, UsageError
from ..views.inspection_record import InspectionRecord, Stored, table
from .reading.distributions import DistributionReader
from .reading.instrumented import InstrumentedDecoder
from .reading.tokenized_text import (
    TokenizedText,
    previous_occurrences,
    token_labels,
    tokenize_text,
    visible_token,
)
from .replay import CANDIDATES, Replay, check_rules, replay, step_of

Floats = NDArray[np.float32]
MOST_TOKENS, MOST_TEXT = 16, 512
TOPS, BINS, THROWS, VECTORS, COLUMNS = 5, 48, 100, 6, 600


class Walkthrough(InspectionRecord):
    """A few tokens, each with its way. Made by :meth:`Model.walk`.

    Of each token (first axis) in ``arrays``:

    - what a replay has: ``cand_ids``, ``logprobs``, ``seen``, ``u``, ``log_total``;
    - ``scores``: how many of all logits lie in each of 48 bins, between the two ``bounds``;
    - ``looks`` (tokens, layers, heads, text): where the place before it looks;
    - ``adds`` (tokens, layers, heads): what each head adds to its logit directly, through the last norm and
      against the mean token;
    - ``lens_ids``, ``lens_logprobs`` (tokens, layers, 5) and ``lens_rank`` (tokens, layers): what each layer
      would have said, and where the token stood;
    - ``alike`` (tokens, layers + 1): cosine of the stream at the last place and at the newest earlier copy of
      its token, NaN where there is none;
    - ``throws`` (tokens, 100): the random number of seeds 0 to 99;
    - ``warm``: log Σ e^(logit / temperature), of all tokens.

    ``vectors`` (places, columns): the newest places' embeddings.
    """

    kind = "walk"
    storage: ClassVar[Stored] = {
        **CANDIDATES,
        "scores": ("u4", 1),
        "bounds": ("f4", 1),
        "looks": ("u2", 1 / 65535),
        "adds": ("f4", 1),
        "lens_ids": ("u4", 1),
        "lens_logprobs": ("u2", -1 / 1024),
        "lens_rank": ("u4", 1),
        "alike": ("f4", 1),
        "throws": ("f4", 1),
        "warm": ("f4", 1),
        "vectors": ("f4", 1),
    }

    @property
    def options(self) -> SamplingOptions:
        return SamplingOptions.from_dict(self.head["options"])

    @property
    def answer(self) -> Generation:
        """Return the tokens that were walked, as an answer that can be replayed."""
        h = self.head
        tokens = tuple(
            Token(item["id"], item["text"], 0.0, 0.0, 0, u=None if np.isnan(u) else float(u))
            for item, u in zip(h["tokens"], self.arrays["u"], strict=True)
        )
        prompt_ids = tuple(h["ids"][: h["prompt"]])
        return Generation(
            "".join(token.text for token in tokens),
            tokens,
            "length",
            "".join(h["texts"][: h["prompt"]]),
            self.options,
            model=self.model,
            prompt_ids=prompt_ids,
            vocab_size=h["vocab"],
            prompt_texts=tuple(h["texts"][: h["prompt"]]),
        )

    def best_head(self, n: int) -> tuple[int, int]:
        """Return layer and head, from 0.

        What adds most to the score, of those that look most at neither the first token nor the last one
        itself.
        """
        looks, adds = self.arrays["looks"][n], self.arrays["adds"][n]
        last = self.head["prompt"] + n - 1
        most = looks[..., : last + 1].argmax(-1)
        good = (most != 0) & (most != last)
        result = np.where(good, adds, -np.inf) if good.any() else adds
        layer, head = np.unravel_index(int(result.argmax()), result.shape)
        return int(layer), int(head)

    def to_text(self) -> str:
        """Return the seven steps of the first token."""
        h, a, options = self.head, self.arrays, self.options
        prompt, word = h["prompt"], h["words"]
        token = h["tokens"][0]
        name = visible_token(token["text"])
        layer, head = self.best_head(0)
        looks = a["looks"][0, layer, head]
        at = int(looks.argmax())
        rank = a["lens_rank"][0]
        leads = len(rank) - int(np.argmax(np.append(rank[::-1] > 0, True))) + 1
        probabilities = np.exp(a["logprobs"][0].astype(np.float64))
        step = step_of(a, 0, options)
        own = list(a["cand_ids"][0]).index(token["id"])
        left = int((step.probabilities > 0).sum())
        vector = " ".join(f"{x:+.3f}" for x in h["numbers"][:5])
        cut = "│".join(map(visible_token, h["texts"][:prompt][-12:]))
        lines = [
            f"1 pieces     {prompt} pieces of {h['vocab']:,}: {cut}",
            f"2 vectors    {visible_token(h['texts'][prompt - 1])} is row {h['ids'][prompt - 1]}: "
            f"{vector} … {h['hidden']} numbers",
            f"3 attention  layer {layer + 1}, head {head + 1} looks at {visible_token(h['texts'][at])} "
            f"({percent(looks[at])}) and adds {a['adds'][0, layer, head]:+.2f} to the score of {name}",
        ]
        for n in sorted({0, len(rank) // 3, 2 * len(rank) // 3, len(rank) - 1}):
            best = visible_token(word[str(int(a["lens_ids"][0, n, 0]))])
            p = percent(np.exp(a["lens_logprobs"][0, n, 0]))
            start = "4 layers     " if n == 0 else "             "
            lines.append(f"{start}after layer {n + 1}: {best} {p}; {name} is {int(rank[n]) + 1:,}.")
        lines += [
            f"             {name} leads from layer {leads}",
            f"5 scores     {name} has {a['logprobs'][0, own] + a['log_total'][0]:.2f}, "
            f"a share of {percent(probabilities[own])}",
            f"6 cut        temperature {options.temperature:g}, top-k {options.top_k}, "
            f"top-p {options.top_p:g}, min-p {options.min_p:g} leave {left} of {h['vocab']:,}",
        ]
        u = a["u"][0]
        fell = "none: the likeliest is taken" if np.isnan(u) else f"{u:.3f} falls on {name}"
        lines.append(f"7 dice       {fell}")
        answer_text = "".join(item["text"] for item in h["tokens"])
        return "\n".join([*lines, f"so it goes on: {visible_token(answer_text)}"])

    def to_pandas(self) -> Any:
        """Return one row a token."""
        steps = range(len(self.head["tokens"]))
        heads = [self.best_head(n) for n in steps]
        return table(
            {
                "token": [item["text"] for item in self.head["tokens"]],
                "u": self.arrays["u"],
                "best_layer": [layer + 1 for layer, _ in heads],
                "best_head": [head + 1 for _, head in heads],
                "adds": [float(self.arrays["adds"][n][where]) for n, where in zip(steps, heads, strict=True)],
                "last_rank": self.arrays["lens_rank"][:, -1],
            }
        )


def walkthrough(
    runtime: Runtime,
    tapped: InstrumentedDecoder,
    info: ModelInfo,
    prompt: TokenizedText,
    options: SamplingOptions,
) -> Walkthrough:
    """Sample a few tokens behind the prompt, then read each one's way.

    Raises:
        UsageError: there are too many tokens, or the text is too long for a walk.
    """
    check_rules(options)
    _check_lengths(options.max_tokens, len(prompt.ids))
    if len(tapped.spec.attention_layers) < tapped.spec.layers:
        other = "convolutions" if tapped.spec.conv_layers else "linear attention"
        raise UnsupportedModel(
            f"the walkthrough needs attention in every layer, and {info.name} has {other}",
            hint="Use %llm logit_lens, attention, probe or attribution.",
        )
    stream = Stream(runtime, prompt.ids, options, prompt="".join(prompt.texts), model=info, speculate=False)
    for _ in stream:
        pass
    answer = stream.generation
    again = replay(runtime, info, answer)
    whole = tokenize_text(runtime, answer)
    ids, count, first = list(whole.ids), len(answer.tokens), len(prompt.ids) - 1
    places = range(first, first + count)
    spec = tapped.spec
    a = _empty_arrays(again, count, spec.layers, spec.heads, len(ids))
    reader = DistributionReader(spec.vocab, top_k=TOPS)
    streams: dict[int, Floats] = {}
    chosen = [token.id for token in answer.tokens]
    copies = previous_occurrences(ids)
    wanted = {*places, *(copies[place] for place in places)}
    newest = list(range(max(0, first + 1 - VECTORS), first + count))
    vectors: dict[int, Floats] = {}
    heads: list[Floats] = []
    with progress.progress_bar("walking", len(ids) - 1, unit="token") as step:
        for part in tapped.read(
            ids[: first + count], residuals=True, attention=range(spec.layers), heads=True, logits=True
        ):
            for place in range(part.begin, part.end):
                row = place - part.begin
                if place in newest:
                    vectors[place] = part.residuals[0, row].copy()
                if place in wanted:
                    streams[place] = part.residuals[:, row].copy()
                if place in places:
                    n = place - first
                    a["looks"][n, :, :, : place + 1] = part.attention[:, :, row, : place + 1]
                    heads.append(part.heads[:, row].copy())
                    _scores(part.logits[row], options.temperature or 1.0, a, n)
            step(part.end - part.begin)
    tapped.release()  # what follows opens other graphs
    for n, place in enumerate(places):
        a["adds"][n] = direct_logit_attribution(tapped, heads[n], streams[place][-1], chosen[n])
        _lens(tapped, reader, streams[place][1:], chosen[n], a, n)
    for place in places:
        if copies[place] >= 0:
            a["alike"][place - first] = _cosines(streams[place], streams[copies[place]])
    a["vectors"] = np.stack([vectors[place] for place in newest])[:, :: max(1, -(-spec.hidden // COLUMNS))]
    known = {*np.unique(a["cand_ids"]).tolist(), *np.unique(a["lens_ids"]).tolist(), *chosen}
    head = {
        **whole.head(),
        "tokens": [
            {"id": id, "text": text} for id, text in zip(chosen, whole.texts[first + 1 :], strict=True)
        ],
        "numbers": [float(x) for x in vectors[first][:7]],
        "places": newest,
        **{name: getattr(spec, name) for name in ("vocab", "hidden", "layers", "heads")},
        "options": options.to_dict(),
        "words": token_labels(runtime.tokenizer, known),
        "ends": sorted(set(chosen) & runtime.tokenizer.eos_ids),
    }
    return Walkthrough(info, head, a)


def _check_lengths(new: int, prompt: int) -> None:
    if new > MOST_TOKENS:
        raise UsageError(
            f"a walkthrough has at most {MOST_TOKENS} tokens", hint=f"Pass max_tokens={MOST_TOKENS}."
        )
    if prompt > MOST_TEXT:
        raise UsageError(
            f"{prompt:,} tokens are too many for a walkthrough", hint=f"Use at most {MOST_TEXT}."
        )


def direct_logit_attribution(tapped: InstrumentedDecoder, heads: Floats, last: Floats, id: int) -> Floats:
    """Return what each head adds to the logit of ``id`` directly, in logits against the mean of all tokens.

    Direct logit attribution (Elhage et al. 2021): the norms keep the scale that the whole stream gives them,
    so that the parts can be summed. What later layers make of it is not in it.

    Args:
        tapped: the decoder with taps.
        heads: (layers, heads · head_dim), what they gave at one place.
        last: (hidden,), the stream there after the last layer.
        id: the token id.

    Returns:
        (layers, heads) float32.
    """
    spec = tapped.spec
    apart = np.zeros((spec.layers, spec.heads, heads.shape[1]), np.float32)
    for layer in range(spec.layers):
        dim = spec.head_dim_in(layer)
        for head in range(spec.heads):
            part = slice(head * dim, (head + 1) * dim)
            apart[layer, head, part] = heads[layer, part]
    written = tapped.head_outputs(apart)  # (layers, heads, hidden)
    for layer in range(spec.layers):
        behind = tapped.weights.get(f"attn_post_norm.{layer}")
        if behind is not None:
            written[layer] = _scaled_by_norm(written[layer], written[layer].sum(0), behind, spec)
    scale = np.ones(1, np.float32)
    for layer in reversed(range(spec.layers)):  # the stream is scaled at the end of this layer and later ones
        scale = scale * tapped.weights.get(f"layer_scale.{layer}", 1)
        written[layer] *= scale
    vectors = _scaled_by_norm(written.reshape(-1, spec.hidden), last, tapped.weights["final_norm.0"], spec)
    rows = np.concatenate([vectors, np.zeros((1, spec.hidden), np.float32)])
    result = np.concatenate(
        [_lead_over_mean(tapped.head_projections(rows[at : at + 64]), id) for at in range(0, len(rows), 64)]
    )
    parts: Floats = (result[:-1] - result[-1]).reshape(spec.layers, spec.heads).astype(np.float32)
    return parts


def _lead_over_mean(products: Floats, id: int) -> Floats:
    """Return the logit of a token minus the mean logit."""
    ahead: Floats = products[:, id] - products.mean(1)
    return ahead


def _scaled_by_norm(parts: Floats, whole: Floats, weight: Floats, spec: Any) -> Floats:
    """Return a norm of the parts of a vector, with the scale that the whole vector has."""
    if spec.norm == "layer":
        parts, whole = parts - parts.mean(-1, keepdims=True), whole - whole.mean()
    scale = 1 / np.sqrt(np.square(whole).mean() + spec.norm_eps)
    scaled: Floats = (parts * scale * weight).astype(np.float32)
    return scaled


def _empty_arrays(again: Replay, count: int, layers: int, heads: int, text: int) -> dict[str, NDArray[Any]]:
    arrays = {name: again.arrays[name] for name in CANDIDATES}
    seeds = [np.random.Generator(np.random.PCG64(seed)).random(count) for seed in range(THROWS)]
    return {
        **arrays,
        "scores": np.zeros((count, BINS), np.uint32),
        "bounds": np.zeros((count, 2), np.float32),
        "looks": np.zeros((count, layers, heads, text), np.float32),
        "adds": np.zeros((count, layers, heads), np.float32),
        "lens_ids": np.zeros((count, layers, TOPS), np.uint32),
        "lens_logprobs": np.zeros((count, layers, TOPS), np.float32),
        "lens_rank": np.zeros((count, layers), np.uint32),
        "alike": np.full((count, layers + 1), np.nan, np.float32),
        "throws": np.stack(seeds, axis=1).astype(np.float32),
        "warm": np.zeros(count, np.float32),
    }


def _lens(
    tapped: InstrumentedDecoder,
    reader: DistributionReader,
    residuals: Floats,
    id: int,
    a: dict[str, NDArray[Any]],
    n: int,
) -> None:
    for at in range(0, len(residuals), 16):
        rows = residuals[at : at + 16]
        result = reader.read(tapped.logits_of(rows), np.full(len(rows), id))
        here = slice(at, at + len(rows))
        a["lens_ids"][n, here], a["lens_logprobs"][n, here] = result.top_ids, result.top_logprobs
        a["lens_rank"][n, here] = result.rank


def _scores(logits: Floats, temperature: float, a: dict[str, NDArray[Any]], n: int) -> None:
    most = float(logits.max())
    a["warm"][n] = most / temperature + np.log(np.exp((logits - most) / temperature).sum(dtype=np.float64))
    a["bounds"][n] = logits.min(), logits.max()
    a["scores"][n] = np.histogram(logits, BINS, range=tuple(a["bounds"][n].tolist()))[0]


def _cosines(one: Floats, other: Floats) -> Floats:
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    result: Floats = (np.einsum("ij,ij->i", one, other) / np.maximum(lengths, 1e-9)).astype(np.float32)
    return result
