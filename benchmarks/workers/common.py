"""What every worker shares: the request on argv, the peak memory, the answer on stdout. Standard library
only.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def request() -> dict[str, Any]:
    """gguf, threads, prompt (ids), long (ids), new (tokens to decode), prose (ids), logits (path or None),
    cache (folder).
    """
    return json.loads(sys.argv[1])


def peak_mb() -> float:
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else 0.0


def answer(**values: Any) -> None:
    print("\n" + json.dumps({**values, "peak_mb": peak_mb()}), flush=True)


def greedy(
    step: Callable[[list[int], Any], tuple[int, Any]], prompt: list[int], new: int
) -> tuple[float, float, list[int]]:
    """Time a greedy loop: (time to first token in s, decode tokens/s, tokens). ``step(ids, state)`` → (next
    id, state).
    """
    start = time.perf_counter()
    token, state = step(prompt, None)
    first = time.perf_counter()
    tokens = [token]
    for _ in range(new - 1):
        token, state = step([token], state)
        tokens.append(token)
    return first - start, (new - 1) / (time.perf_counter() - first), tokens
