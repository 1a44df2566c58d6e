"""Rows a second of two workers of Dask with one thread, against one of them."""

from __future__ import annotations

import argparse
import time
from statistics import median

from distributed import LocalCluster

import llm_magics as lm

ROWS = [f"Write one sentence about the number {n}." for n in range(2000)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of a few rows")
    args = parser.parse_args()
    rounds, count, tokens = (1, 4, 4) if args.quick else (args.rounds, args.rows, 40)
    model = lm.load(threads=1)
    options = {"max_tokens": tokens, "temperature": 0, "progress": False, "keep": False}
    speeds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, speed in speeds.items():
            with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster:
                model.map(ROWS[-2 * workers :], **options, on=cluster)  # each worker opens the model
                began = time.perf_counter()
                answers = model.map(ROWS[:count], **options, on=cluster)
                assert not answers.errors, answers.errors
                speed.append(count / (time.perf_counter() - began))
            print(f"{workers} worker(s): {speed[-1]:.1f} rows/s", flush=True)
    ratios = [two / one for one, two in zip(speeds[1], speeds[2], strict=True)]
    print(f"two against one: {median(ratios):.2f} × ({min(ratios):.2f}–{max(ratios):.2f})")


if __name__ == "__main__":
    main()
