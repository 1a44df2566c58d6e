"""The peers' own virtual environments, under .venvs/: their pins clash with each other's and with ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "llamacpp": [["xllamacpp"]],
    "views": [["torch==2.13.0"], ["bertviz==1.4.1", "circuitsvis==1.43.3", "guidance==0.3.1"]],
    # torch first and pinned, or optimum would bring another one.
    "optimum": [
        ["torch==2.13.0"],
        ["optimum-onnx==0.1.0", "transformers<4.58", "onnxruntime", "gguf", "accelerate"],
    ],
}


def python_of(name: str, *, quick: bool = False) -> str:
    """The interpreter of a peer's environment, made when it is not there; ``quick``: the one that runs."""
    if quick:
        return sys.executable
    folder = ROOT / ".venvs" / name
    python, done = folder / "bin" / "python", folder / ".installed"
    if not done.exists():
        print(f"installing {name} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for packages in PACKAGES[name]:
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        done.touch()
    return str(python)


def checkpoint(gguf: Path) -> Path:
    """The file's weights for transformers and optimum, made once under .cache/bench/."""
    folder = ROOT / ".cache" / "bench" / gguf.stem
    if not (Path(f"{folder}-onnx") / "model.onnx").exists():
        print("preparing the peers' checkpoints …", file=sys.stderr)
        subprocess.run(
            [python_of("optimum"), ROOT / "benchmarks" / "workers" / "prepare.py", gguf, folder], check=True
        )
    return folder
