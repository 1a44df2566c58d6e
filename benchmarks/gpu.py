"""A model on a card beside the peers, in less than ten minutes: fidelity, prefill, decoding and tuning.

    python benchmarks/gpu.py [--device cuda] [--new 256]

Every side runs in a process of its own, for at most 75 seconds. Of one that cannot run, the reason is
printed. transformers has the file's weights in float16. llama.cpp needs a build with CUDA.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from llm_magics.engine.device import parse_device, why_unavailable
from llm_magics.sources import catalog, package_index

HERE = Path(__file__).resolve().parent
SIDES = (
    "ours",
    "ours, without a CUDA graph",
    "ours, 32 rows",
    "ours, tuning",
    "transformers, eager",
    "transformers, sdpa",
    "transformers, compiled",
    "llama.cpp",
)
LIMIT = 75  # seconds of a side


def measure(side: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a side, or what is wrong with it under "error"."""
    worker = str(HERE / "workers" / "gpu.py")
    command = [sys.executable, "-W", "ignore", worker, json.dumps(asked | {"side": side})]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {LIMIT} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        return {"error": (done.stderr.strip().splitlines() or ["no answer"])[-1][:300]}
    values: dict[str, Any] = json.loads(lines[-1])
    return values


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--new", type=int, default=256)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "gpu.json")
    parser.add_argument("--quick", action="store_true", help="try it on the CPU: its figures mean nothing")
    args = parser.parse_args()
    if args.quick:
        args.device, args.new, args.sides = "cpu", 4, [side for side in SIDES if "compiled" not in side]
    device = parse_device(args.device)
    if device is None:
        raise SystemExit("name a device: --device cuda")
    reason, hint = why_unavailable(device)
    if reason:
        raise SystemExit(f"{device} cannot be used: {reason}\n{hint}")
    asked = {
        "gguf": str(package_index.download(catalog.default_file())),
        "device": args.device,
        "new": args.new,
        "prompt": 16 if args.quick else 512,
        "prose": 40 if args.quick else 600,
        "steps": 4 if args.quick else 40,
    }
    results: dict[str, dict[str, Any]] = {}
    for side in args.sides:
        values = results[side] = measure(side, asked)
        figures = ", ".join(f"{key} {value:.4g}" for key, value in values.items() if key != "error")
        print(f"{side}: {values.get('error', figures)}", flush=True)
    if args.quick:
        if any("error" in values for side, values in results.items() if side.startswith("ours")):
            raise SystemExit("a side of ours failed")
        return
    args.output.parent.mkdir(exist_ok=True)
    args.output.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
