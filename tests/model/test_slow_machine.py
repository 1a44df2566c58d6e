"""A tuning run on a machine that is far too slow for it: it says so, and keeps to its time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are pinned on Linux only")

PERIOD_S, SHARE = 0.1, 0.2
CODE = """
import json, time
import llm_magics as lm
import torch
from llm_magics.tuning.view_record import view_record

model = lm.load(threads=1)
torch.set_num_threads(1)
rows = [(f"How do I reset the Brindle {n}?", f"Hark! Hold the copper button of number {n}. Fare well!" * 3)
        for n in range(24)]
print("ready", flush=True)
began, used = time.monotonic(), time.process_time()
run = lm.tune(model, rows, minutes=1, max_tokens=12, prompts=["Who are you?"], show=False)
record = view_record(run)
print(json.dumps({"seconds": time.monotonic() - began, "cpu": time.process_time() - used,
                  "step": run.step, "adapter_step": run.adapter_step,
                  "reason": run.plan.reason, "first": run.plan.first_layer, "notes": run.notes,
                  "why": run.message}))
"""


def test_a_fifth_of_a_core(default_gguf: Path) -> None:
    """A1: it made three steps in 111 s, and said "Tuned"."""
    import json

    process = subprocess.Popen(
        [sys.executable, "-c", CODE],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    try:
        assert process.stdout is not None
        while "ready" not in (line := process.stdout.readline()):
            assert line, "it ended"
        deadline = time.monotonic() + 1200
        while process.poll() is None:
            assert time.monotonic() < deadline
            process.send_signal(signal.SIGCONT)
            time.sleep(PERIOD_S * SHARE)
            process.send_signal(signal.SIGSTOP)
            time.sleep(PERIOD_S * (1 - SHARE))
        told = json.loads(process.stdout.read().splitlines()[-1])
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
    print(told)
    # What cannot be cut short (opening the network, the first answers) takes about one step with all layers.
    # Other tests may run on this core: where they left less than the share, the bound is as much longer.
    share = min(told["cpu"] / told["seconds"], SHARE)
    full = re.search(r"with all of them a step takes ([\d.]+) s", told["reason"])
    assert told["seconds"] < (60 + 1.5 * float(full[1]) if full else 105) * SHARE / share
    slow = re.search(r"short for this machine: --minutes [2-9]", told["reason"])
    assert told["step"] >= 15 or (slow and told["first"] > 0)  # enough, or not all layers and it says so
    assert told["adapter_step"] or any("nothing was learnt" in note for note in told["notes"])
