"""Every script of ``benchmarks/`` runs; with ``--quick`` its figures mean nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path.stem for path in BENCHMARKS.glob("*.py") if path.stem != "environments")


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_runs(name: str, default_gguf: Path) -> None:
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(BENCHMARKS / f"{name}.py"), "--quick"],
        capture_output=True,
        text=True,
        timeout=500,
        env=env,
        cwd=BENCHMARKS.parent,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert any(letter.isdigit() for letter in done.stdout), "it printed no figure"


def test_quick_runs_leave_no_results() -> None:
    changed = subprocess.run(
        ["git", "status", "--porcelain", "benchmarks/results"],
        capture_output=True,
        text=True,
        cwd=BENCHMARKS.parent,
    )
    assert changed.stdout == "" or changed.returncode != 0
