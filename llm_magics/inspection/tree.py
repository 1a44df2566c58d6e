"""What else it could have said: many samples of one prompt, laid over each other as a tree."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import progress, validation
from ..core.format import percent
from ..core.options import SamplingOptions
from ..core.records import Generation, ModelInfo
from ..engine.answer import token_texts
from ..engine.batch import Batch, Request
from ..engine.runtime import Runtime
from ..errors import Interrupted, LLMMagicsError
from ..views.inspection_record import InspectionRecord, Stored, table
from . import figures
from .reading.tokenized_text import TokenizedText, token_labels, visible_token

MOST, ALTERNATIVES = 512, 5
ROWS, MEMORY = 32, 160 << 20  # at a time, and bytes of their KV caches


class SampleTree(InspectionRecord):
    """Samples of one prompt. Made by :meth:`Model.tree`.

    ``head["samples"]``: of each its ``seed``, how many ``tokens`` it has, and why it ended (``end``). In
    ``arrays``, of all tokens one after the other: ``token``, ``logprob`` (nats, under the model itself),
    ``entropy``; ``other_ids`` and ``other_logprobs`` (tokens, 5): the likeliest there.
    """

    kind = "tree"
    figure = figures.sample_tree
    storage: ClassVar[Stored] = {
        "token": ("u4", 1),
        "logprob": ("u2", -1 / 1024),
        "entropy": ("u2", 1 / 4096),
        "other_ids": ("u4", 1),
        "other_logprobs": ("u2", -1 / 1024),
    }

    @property
    def texts(self) -> list[str]:
        """Return what each sample says."""
        return ["".join(item["texts"]) for item in self.head["samples"]]

    def _paths(self) -> list[list[tuple[int, str, float]]]:
        begin, result = 0, []
        for item in self.head["samples"]:
            part = slice(begin, begin + len(item["texts"]))
            ids, logprobs = self.arrays["token"][part].tolist(), self.arrays["logprob"][part].tolist()
            result.append(list(zip(ids, item["texts"], logprobs, strict=True)))
            begin = part.stop
        return result

    def to_text(self) -> str:
        """Return the tree, a fork a line; single ways are cut short."""
        paths = self._paths()
        options = self.head["options"]
        first = Counter(path[0][0] for path in paths if path)
        lines = [
            f"{len(paths)} samples at temperature {options['temperature']:g}, "
            f"{len(set(self.texts))} different, {len(first)} first tokens"
        ]

        def walk(some: list[list[tuple[int, str, float]]], depth: int) -> None:
            groups: dict[int, list[list[tuple[int, str, float]]]] = {}
            for path in some:
                if path:
                    groups.setdefault(path[0][0], []).append(path)
            for group in sorted(groups.values(), key=len, reverse=True):
                text, p, cut = "", math.exp(group[0][0][2]), 0
                while len({path[cut][0] if cut < len(path) else None for path in group}) == 1 and cut < len(
                    group[0]
                ):
                    text += group[0][cut][1]
                    cut += 1
                if len(lines) < 60:
                    word = visible_token(text)[:60] + ("…" if len(text) > 60 else "")
                    lines.append(f"{'  ' * depth}{len(group):>3}×  {percent(p):>6}  {word}")
                if len(group) > 1 and cut:
                    walk([path[cut:] for path in group], depth + 1)

        walk(paths, 0)
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """Return one row a sample."""
        paths = self._paths()
        sums = np.array([sum(p for _, _, p in path) for path in paths])
        counts = np.array([len(path) for path in paths])
        return table(
            {
                "text": self.texts,
                "seed": [item["seed"] for item in self.head["samples"]],
                "tokens": counts,
                "logprob": sums,
                "perplexity": np.exp(-sums / np.maximum(counts, 1)),
                "end": [item["end"] for item in self.head["samples"]],
            }
        )


def sample_tree(
    runtime: Runtime,
    info: ModelInfo,
    pieces: TokenizedText,
    options: SamplingOptions,
    *,
    samples: int,
    extend_from: SampleTree | None = None,
) -> SampleTree:
    """Sample side by side, seed after seed; an interrupt keeps what there is.

    Args:
        runtime: engine, tokenizer and cache pool.
        info: the model in the record.
        pieces: the tokenized prompt.
        options: the sampling options.
        samples: the number of samples.
        extend_from: samples that there are already, with the first seeds.

    Raises:
        UsageError: there are too many or no samples. ContextOverflow: the prompt is too long.
    """
    many = validation.require_int(samples, "samples", 1, MOST, hint="Use for example 32.")
    if extend_from is not None:
        validation.require_instance(
            extend_from, SampleTree, "extend_from", hint="Pass a tree of the same prompt."
        )
    first = len(extend_from.head["samples"]) if extend_from else 0
    seeds = range(options.seed + first, options.seed + many)
    requests = [
        Request(pieces.ids, "", replace(options, seed=seed, alternatives=ALTERNATIVES)) for seed in seeds
    ]
    output: dict[int, Generation] = {}
    with progress.progress_bar("sampling", len(requests) * options.max_tokens, unit="token") as step:
        batch = Batch(runtime, requests, model=info, rows=ROWS, memory=MEMORY, step=step)
        try:
            for _ in batch:
                pass
        except (KeyboardInterrupt, Interrupted):
            batch.close()
        for index, result in batch.results.items():
            if isinstance(result, LLMMagicsError):
                raise result
            output[index] = result
    if not output and not extend_from:
        raise Interrupted("stopped before the first token")
    return _build_tree(
        runtime, info, pieces, options, [output[n] for n in sorted(output)], seeds, extend_from
    )


def _build_tree(
    runtime: Runtime,
    info: ModelInfo,
    pieces: TokenizedText,
    options: SamplingOptions,
    answers: list[Generation],
    seeds: range,
    previous: SampleTree | None,
) -> SampleTree:
    tokens = [token for item in answers for token in item.tokens]
    a: dict[str, NDArray[Any]] = {
        "token": np.array([token.id for token in tokens], np.uint32),
        "logprob": np.array([token.logprob for token in tokens], np.float32),
        "entropy": np.array([token.entropy for token in tokens], np.float32),
        "other_ids": np.array(
            [[other.id for other in token.alternatives] for token in tokens], np.uint32
        ).reshape(-1, ALTERNATIVES),
        "other_logprobs": np.array(
            [[other.logprob for other in token.alternatives] for token in tokens], np.float32
        ).reshape(-1, ALTERNATIVES),
    }
    samples = [
        {"seed": seed, "texts": list(_texts(runtime, item)), "end": item.stop_reason}
        for seed, item in zip(seeds, answers, strict=False)
    ]
    if previous:
        a = {name: np.concatenate([previous.arrays[name], array]) for name, array in a.items()}
        samples = [*previous.head["samples"], *samples]
    known = {*a["other_ids"].reshape(-1).tolist(), *a["token"].tolist()}
    head = {
        **pieces.head(),
        "samples": samples,
        "words": token_labels(runtime.tokenizer, known),
        "options": options.to_dict(),
    }
    return SampleTree(info, head, a)


def _texts(runtime: Runtime, answer: Generation) -> tuple[str, ...]:
    """Return what each token adds; an end token, which adds nothing, as it is written."""
    ids = [token.id for token in answer.tokens]
    return tuple(
        token.text or (text if token.id in runtime.tokenizer.eos_ids else "")
        for token, text in zip(answer.tokens, token_texts(runtime.tokenizer, ids), strict=True)
    )
