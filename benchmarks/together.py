"""Three answers of one model: read in turns, and gathered, against one after the other."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from statistics import median

import llm_magics as lm

TEXT = "The ferry left the quay at ten past six. " * 38
PROMPTS = [f"{n} {TEXT} What colour was the {word}?" for n, word in enumerate(("house", "ferry", "sea"))]
OPTIONS = {"max_tokens": 64, "temperature": 0}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.rounds, OPTIONS["max_tokens"] = 1, 3
        PROMPTS[:] = [prompt[-60:] for prompt in PROMPTS]
    model = lm.load(precision=args.precision)

    def after_each_other() -> None:
        for prompt in PROMPTS:
            model.generate(prompt, **OPTIONS)

    def in_turns() -> None:
        going = [model.stream(prompt, **OPTIONS) for prompt in PROMPTS]
        while going:
            going = [stream for stream in going if next(stream, None) is not None]

    def gathered() -> None:
        async def work() -> None:
            await asyncio.gather(*(model.agenerate(prompt, **OPTIONS) for prompt in PROMPTS))

        asyncio.run(work())

    ways: tuple[Callable[[], None], ...] = (after_each_other, in_turns, gathered)
    times: dict[str, list[float]] = {way.__name__: [] for way in ways}
    after_each_other()
    for _ in range(args.rounds):
        for way in ways:
            model.pool.clear()
            began = time.perf_counter()
            way()
            times[way.__name__].append(time.perf_counter() - began)
    for name, spent in times.items():
        ratio = median(a / b for a, b in zip(spent, times["after_each_other"], strict=True))
        print(f"{name:<18} {median(spent):.2f} s, {ratio:.2f} ×")


if __name__ == "__main__":
    main()
