"""Many prompts: `Model.map`, a loop over `Model.generate`, and llama.cpp's server with parallel slots.

    python benchmarks/rows.py [--prompts 256] [--rounds 3] [--slots 32]

The three run in turns, each alone: the server is started for its turn. All answer the same prompts, greedily,
with the same chat template; a shared prefix is computed once by map and by each slot. The loop answers a
quarter of the prompts. The figures are generated tokens a second.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from speed import SHORT

import llm_magics as lm

SERVER = Path(__file__).parent / "workers" / "llamacpp_server.py"
TOKENS = 40


def ours(model: lm.Model, prompts: list[str], tokens: int) -> float:
    start = time.perf_counter()
    answers = model.map(prompts, max_tokens=tokens, temperature=0, progress=False)
    return sum(len(answer.tokens) for answer in answers) / (time.perf_counter() - start)


def loop(model: lm.Model, prompts: list[str], tokens: int) -> float:
    start = time.perf_counter()
    count = sum(len(model.generate(prompt, max_tokens=tokens, temperature=0).tokens) for prompt in prompts)
    return count / (time.perf_counter() - start)


def llamacpp(file: str, prompts: list[list[int]], tokens: int, slots: int) -> float:
    longest = max(map(len, prompts)) + tokens + 16
    command = [sys.executable, str(SERVER), file, str(slots), str(longest), str(os.cpu_count() or 1)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(line.split()[1] for line in process.stdout if line.startswith("ready"))

            def ask(ids: list[int]) -> int:
                body = {"prompt": ids, "n_predict": tokens, "temperature": 0, "cache_prompt": True}
                request = urllib.request.Request(
                    f"{address}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"}
                )
                with urllib.request.urlopen(request, timeout=600) as reply:
                    return int(json.load(reply)["tokens_predicted"])

            ask(prompts[0])
            start = time.perf_counter()
            with ThreadPoolExecutor(slots) as pool:
                count = sum(pool.map(ask, prompts))
            return count / (time.perf_counter() - start)
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    count, rounds, tokens = (4, 1, 3) if args.quick else (args.prompts, args.rounds, TOKENS)
    model = lm.load()
    assert model.origin.source is not None
    file = str(model.origin.source())
    prompts = [f"{SHORT[number % len(SHORT)]} ({number})" for number in range(count)]
    rendered = [list(model.generate(prompt, max_tokens=1).prompt_ids) for prompt in prompts]
    integers = lm.load(precision="w8a8")
    speeds: dict[str, list[float]] = {"map": [], "map, w8a8": [], "loop": [], "llama.cpp": []}
    for _ in range(rounds):
        speeds["map"].append(ours(model, prompts, tokens))
        model.pool.clear()
        speeds["map, w8a8"].append(ours(integers, prompts, tokens))
        integers.pool.clear()
        speeds["loop"].append(loop(model, prompts[: max(count // 4, 1)], tokens))
        model.pool.clear()
        speeds["llama.cpp"].append(llamacpp(file, rendered, tokens, args.slots))
    print(f"{count} prompts of {len(rendered[0])} tokens, {tokens} tokens each, {args.slots} slots")
    for name, values in speeds.items():
        print(f"{name:10} {median(values):7.0f} tokens/s")
    for name in ("map", "map, w8a8"):
        ratios = [
            f"{median(a / b for a, b in zip(speeds[name], speeds[other], strict=True)):.2f} × {other}"
            for other in ("loop", "llama.cpp")
        ]
        print(f"{name}: {', '.join(ratios)}")


if __name__ == "__main__":
    main()
