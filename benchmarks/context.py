"""Decoding behind long contexts: with a KV cache of floats, one of int8, and llama.cpp (float16), in turns.

    python benchmarks/context.py [--lengths 50 2048 8000] [--rounds 3]

Each round starts every peer afresh. The figures are tokens a second over 64 tokens behind a prompt of that
length, and the last as a share of the first.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import llm_magics as lm
from llm_magics.models.fidelity import sample_text

HERE = Path(__file__).parent
PEERS = {
    "ours, float32 cache": ("ours", {}),
    "ours, int8 cache": ("ours", {"kv_cache": "int8"}),
    "llama.cpp": ("llamacpp", {"n_ctx": 8192}),
}


def measure(worker: str, asked: dict[str, object]) -> dict[str, float]:
    command = [sys.executable, str(HERE / "workers" / f"{worker}.py"), json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return {**told["long"], "peak_mb": told["peak_mb"]}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lengths", type=int, nargs="+", default=[50, 2048, 8000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    lengths, rounds = (args.lengths, args.rounds) if not args.quick else ([10, 100], 1)
    model = lm.load()
    lm.load(kv_cache="int8")  # its scales are measured once
    assert model.origin.source is not None
    ids = model.tokenizer.encode(sample_text(), special=False)
    asked = {
        "gguf": str(model.origin.source()),
        "threads": os.cpu_count() or 1,
        "prompt": ids[:50],
        "new": 16,
        "long": [(ids * 20)[:length] for length in lengths],
        "logits": None,
        "prose": [],
    }
    results: dict[str, list[dict[str, float]]] = {name: [] for name in PEERS}
    for number in range(rounds):
        order = [*PEERS][number % len(PEERS) :] + [*PEERS][: number % len(PEERS)]
        for name in order:
            worker, more = PEERS[name]
            results[name].append(measure(worker, {**asked, **more}))
    print("| | " + " | ".join(f"behind {length:,}" for length in lengths) + " | last / first | peak MB |")
    print("|---" * (len(lengths) + 3) + "|")
    for name, rounds_of in results.items():
        speeds = [statistics.median(item[f"at_{length}"] for item in rounds_of) for length in lengths]
        peak = statistics.median(item["peak_mb"] for item in rounds_of)
        cells = " | ".join(f"{speed:.0f}" for speed in speeds)
        print(f"| {name} | {cells} | {speeds[-1] / speeds[0]:.2f} | {peak:,.0f} |")


if __name__ == "__main__":
    main()
