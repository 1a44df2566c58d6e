"""What is ours alone: the record's cost, prompt lookup, many prompts. Pairs run in turns in one process;
medians of ratios.

python benchmarks/speed.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from decode import HERE, PROMPT, processor

import llm_magics as lm

TEXT = (
    "The ferry left the quay at ten past six, when the harbour lights were still burning and the gulls had "
    "only begun to "
    "quarrel over the scraps behind the fish market. Marta stood at the rail with her collar turned up and "
    "watched the town "
    "grow small. She had lived there for thirty-one years, in the same narrow house with the green door."
)
REWRITES = [
    f"Rewrite this text with one change: {change}. Give only the text.\n\n{TEXT}"
    for change in ("Marta is called Anna", "the ferry left at seven", "the door is blue")
]
OTHERS = [
    "Write a short story about a dragon and a bicycle.",
    "Why is the sky blue?",
    "Give me advice on learning to cook.",
    "Describe a thunderstorm at sea.",
    "What should I see in Rome?",
    "Explain what a compiler does.",
]
SHORT = [
    f"Write one sentence about {word}."
    for word in (
        "rain",
        "bread",
        "trains",
        "gold",
        "cats",
        "winter",
        "music",
        "salt",
        "moons",
        "shoes",
        "rivers",
        "paper",
        "bees",
        "clocks",
        "bridges",
        "apples",
    )
] * 4


def spent(work: Callable[[], int]) -> float:
    """Tokens a second."""
    start = time.perf_counter()
    tokens = work()
    return tokens / (time.perf_counter() - start)


def pairs(rounds: int, one: Callable[[], int], other: Callable[[], int]) -> dict[str, float]:
    """Tokens per second of both, in turns, and the median of the ratios one / other."""
    runs = []
    for turn in range(rounds):
        if turn % 2:
            second, first = spent(other), spent(one)
        else:
            first, second = spent(one), spent(other)
        runs.append((first, second))
    return {
        "one": median(a for a, _ in runs),
        "other": median(b for _, b in runs),
        "ratio": median(a / b for a, b in runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.rounds = 1
    most = (lambda tokens: 3) if args.quick else (lambda tokens: tokens)
    short = SHORT[:4] if args.quick else SHORT
    model = lm.load()

    def answer(prompt: str, **options: Any) -> int:
        model.pool.clear()
        return len(model.generate(prompt, temperature=0, **options).tokens)

    answer(PROMPT, raw=True, max_tokens=most(40))

    def bare() -> int:
        """The engine and nothing else: greedy, no record, no text."""
        cache = model.engine.cache()
        ids, at = model.tokenizer.encode(PROMPT), 0
        for _ in range(most(200)):
            ids.append(int(cache.extend(ids[at:])[-1].argmax()))
            at = len(ids) - 1
        return most(200)

    rows = {}
    rows["record: the whole record against the bare engine"] = pairs(
        2 * args.rounds, lambda: answer(PROMPT, raw=True, max_tokens=most(200), speculate=False), bare
    )
    rows["record: ten alternatives against none"] = pairs(
        2 * args.rounds,
        lambda: answer(PROMPT, raw=True, max_tokens=most(200), speculate=False),
        lambda: answer(PROMPT, raw=True, max_tokens=most(200), speculate=False, alternatives=0),
    )
    for name, prompts in (("rewrite with one change", REWRITES), ("elsewhere", OTHERS)):
        prompts = prompts[:1] if args.quick else prompts
        by_prompt = {
            prompt: pairs(
                args.rounds,
                lambda prompt=prompt: answer(prompt, max_tokens=most(160)),
                lambda prompt=prompt: answer(prompt, max_tokens=most(160), speculate=False),
            )
            for prompt in prompts
        }
        for prompt, row in by_prompt.items():
            rows[f"speculation, {name}: {prompt[:50]}"] = row
        rows[f"speculation, {name}: median"] = {
            key: median(row[key] for row in by_prompt.values()) for key in ("one", "other", "ratio")
        }
    rows["map: 64 short prompts against a loop"] = pairs(
        3,
        lambda: sum(
            len(row.tokens) for row in model.map(short, max_tokens=most(40), temperature=0, progress=False)
        ),
        lambda: sum(answer(prompt, max_tokens=most(40)) for prompt in short),
    )
    print(f"{processor()}, {os.cpu_count()} cores")
    for name, row in rows.items():
        print(f"{name:75} {row['one']:7.1f} {row['other']:7.1f} tok/s {row['ratio']:6.2f} ×")
    if not args.quick:
        (HERE / "results" / "speed.json").write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
