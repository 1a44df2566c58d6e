"""Tuning: ours next to transformers + PEFT, on the same rows, rank and targets; fresh processes, in turns.

    python benchmarks/tune.py [--rounds 3] [--minute]

Tokens a second are those of the rows as they are (a shared beginning counted for each row, padding never), so
that both sides are paid for the same work. ``--minute``: the held-out loss that each reaches in a minute of
steps, by its own best schedule.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SIDES = (
    "ours full",
    "ours last 8",
    "peft bf16 full",
    "peft fp32 full",
    "peft bf16 last 8",
    "peft fp32 last 8",
)
STEPS, SKIP = 8, 2


def measured(side: str, seconds: float, steps: int = STEPS, skip: int = SKIP) -> dict[str, float]:
    worker = ROOT / "benchmarks" / "workers" / "tune.py"
    command = [sys.executable, "-W", "ignore", str(worker), side, str(steps), str(skip), str(seconds)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if ran.returncode:
        raise SystemExit(f"{side}: {ran.stderr[-2000:]}")
    values: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return values


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minute", action="store_true")
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        return print(measured("ours last 8", 0, 2, 1))
    results: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for n in range(args.rounds):
        for side in (*SIDES[n % len(SIDES) :], *SIDES[: n % len(SIDES)]):
            results[side].append(measured(side, 0))
    print(f"{'':<18}{'tok/s':>8}{'s/step':>8}{'peak MB':>9}")
    speed = {}
    for side, runs in results.items():
        speed[side] = statistics.median(run["tokens_per_s"] for run in runs)
        step, peak = (statistics.median(run[name] for run in runs) for name in ("step_s", "peak_mb"))
        print(f"{side:<18}{speed[side]:>8.0f}{step:>8.2f}{peak:>9.0f}")
    for ours in ("full", "last 8"):
        for kind in ("bf16", "fp32"):
            print(
                f"ours {ours} / peft {kind} full: {speed[f'ours {ours}'] / speed[f'peft {kind} full']:.1f} x"
            )
    if args.minute:
        for side in ("ours full", "ours last 8", "peft bf16 full", "peft fp32 full"):
            run = measured(side, 60)
            print(
                f"{side}: held-out {run['begun']:.3f} -> {run['held_out']:.3f} nats, {run['steps']:.0f} steps"
            )


if __name__ == "__main__":
    main()
