"""What else it could have said: many samples of one prompt, laid over each other as a tree."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core import given, progress
from ..core.options import SamplingOptions
from ..core.records import Generation, ModelInfo
from ..engine.batch import Batch, Request
from ..engine.generate import Runtime
from ..errors import Interrupted, LLMMagicsError
from ..views.picture import Picture, Stored, table
from . import figures
from .reading.pieces import Pieces, percent, shown, texts_of, words

MOST, ALTERNATIVES = 512, 5
ROWS, MEMORY = 32, 160 << 20  # at a time, and bytes of their KV caches


class Tree(Picture):
    """Samples of one prompt. Made by :meth:`Model.tree`.

    ``head["samples"]``: of each its ``seed``, how many ``tokens`` it has, and why it ended (``end``). In
    ``arrays``, of all tokens one after the other: ``token``, ``logprob`` (nats, under the model itself),
    ``entropy``; ``other_ids`` and ``other_logprobs`` (tokens, 5): the likeliest there.
    """

    kind = "tree"
    figure = figures.tree
    stored: ClassVar[Stored] = {
        "token": ("u4", 1),
        "logprob": ("u2", -1 / 1024),
        "entropy": ("u2", 1 / 4096),
        "other_ids": ("u4", 1),
        "other_logprobs": ("u2", -1 / 1024),
    }

    @property
    def texts(self) -> list[str]:
        """What each sample says."""
        return ["".join(each["texts"]) for each in self.head["samples"]]

    def _paths(self) -> list[list[tuple[int, str, float]]]:
        begin, found = 0, []
        for each in self.head["samples"]:
            part = slice(begin, begin + len(each["texts"]))
            ids, logprobs = self.arrays["token"][part].tolist(), self.arrays["logprob"][part].tolist()
            found.append(list(zip(ids, each["texts"], logprobs, strict=True)))
            begin = part.stop
        return found

    def plain(self) -> str:
        """The tree, a fork a line; single ways are cut short."""
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
                    word = shown(text)[:60] + ("…" if len(text) > 60 else "")
                    lines.append(f"{'  ' * depth}{len(group):>3}×  {percent(p):>6}  {word}")
                if len(group) > 1 and cut:
                    walk([path[cut:] for path in group], depth + 1)

        walk(paths, 0)
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """One row a sample."""
        paths = self._paths()
        sums = np.array([sum(p for _, _, p in path) for path in paths])
        counts = np.array([len(path) for path in paths])
        return table(
            {
                "text": self.texts,
                "seed": [each["seed"] for each in self.head["samples"]],
                "tokens": counts,
                "logprob": sums,
                "perplexity": np.exp(-sums / np.maximum(counts, 1)),
                "end": [each["end"] for each in self.head["samples"]],
            }
        )


def tree(
    runtime: Runtime,
    info: ModelInfo,
    pieces: Pieces,
    options: SamplingOptions,
    *,
    samples: int,
    had: Tree | None = None,
) -> Tree:
    """Sample side by side, seed after seed; an interrupt keeps what there is.

    Args:
        had: samples that there are already, with the first seeds.

    Raises:
        UsageError: there are too many or no samples. ContextOverflow: the prompt is too long.
    """
    many = given.whole(samples, "samples", 1, MOST, hint="32 is a good number")
    if had is not None:
        given.one_of(had, Tree, "had", hint="pass what tree gave")
    first = len(had.head["samples"]) if had else 0
    seeds = range(options.seed + first, options.seed + many)
    requests = [
        Request(pieces.ids, "", replace(options, seed=seed, alternatives=ALTERNATIVES)) for seed in seeds
    ]
    made: dict[int, Generation] = {}
    with progress.bar("sampling", len(requests) * options.max_tokens, unit="token") as step:
        batch = Batch(runtime, requests, model=info, rows=ROWS, memory=MEMORY, step=step)
        try:
            for _ in batch:
                pass
        except (KeyboardInterrupt, Interrupted):
            batch.close()
        for index, result in batch.results.items():
            if isinstance(result, LLMMagicsError):
                raise result
            made[index] = result
    if not made and not had:
        raise Interrupted("stopped before the first token")
    return _laid(runtime, info, pieces, options, [made[n] for n in sorted(made)], seeds, had)


def _laid(
    runtime: Runtime,
    info: ModelInfo,
    pieces: Pieces,
    options: SamplingOptions,
    made: list[Generation],
    seeds: range,
    had: Tree | None,
) -> Tree:
    tokens = [token for each in made for token in each.tokens]
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
        {"seed": seed, "texts": list(_texts(runtime, each)), "end": each.stop_reason}
        for seed, each in zip(seeds, made, strict=False)
    ]
    if had:
        a = {name: np.concatenate([had.arrays[name], array]) for name, array in a.items()}
        samples = [*had.head["samples"], *samples]
    known = {*a["other_ids"].reshape(-1).tolist(), *a["token"].tolist()}
    head = {
        **pieces.head(),
        "samples": samples,
        "words": words(runtime.tokenizer, known),
        "options": options.to_dict(),
    }
    return Tree(info, head, a)


def _texts(runtime: Runtime, answer: Generation) -> tuple[str, ...]:
    """What each token adds; an end token, which adds nothing, as it is written."""
    ids = [token.id for token in answer.tokens]
    return tuple(
        token.text or (text if token.id in runtime.tokenizer.eos_ids else "")
        for token, text in zip(answer.tokens, texts_of(runtime.tokenizer, ids), strict=True)
    )
