"""From the start of a kernel to the first token in a cell, with a warm cache, and what the process weighs:
medians of five.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from statistics import median

from jupyter_client.manager import start_new_kernel

import llm_magics as lm


def once() -> tuple[float, float]:
    """(seconds from the kernel's start to the first shown text, peak memory in MB after the answer)."""
    start = time.perf_counter()
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        client.execute("%load_ext llm_magics")
        asked = client.execute("%%llm -t 0\nWhat is the capital of France?")
        first, pid = 0.0, manager.provisioner.process.pid  # type: ignore[union-attr]
        while True:
            message = client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "display_data" and not first:
                first = time.perf_counter() - start
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        return first, int(peak[1]) / 1024 if peak else 0.0
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="try the script: its figures mean nothing")
    quick = parser.parse_args().quick
    lm.load()  # the cache is warm
    runs = [once() for _ in range(1 if quick else 5)]
    print(
        f"kernel start to first token {median(run[0] for run in runs):.2f} s, peak "
        f"{median(run[1] for run in runs):.0f} MB"
    )


if __name__ == "__main__":
    main()
