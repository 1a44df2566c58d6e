"""Make .venvs/lab44: JupyterLab 4.4, the oldest that is supported, with the extension of this checkout.

Its kernel is the one of .venv.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".venvs" / "lab44"
PYTHON = FOLDER / "bin" / "python"
EXTENSIONS = FOLDER / "share" / "jupyter" / "labextensions"


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True)  # noqa: S603  # pip and ipykernel alone


def main() -> None:
    done = FOLDER / ".installed"
    if done.exists():
        return
    print("installing JupyterLab 4.4 …", flush=True)
    run(sys.executable, "-m", "venv", FOLDER)
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "jupyterlab>=4.4,<4.5")
    kernel = [sys.executable, "-m", "ipykernel", "install", "--prefix", FOLDER, "--name", "python3"]
    run(*kernel, "--display-name", "Python 3")
    EXTENSIONS.mkdir(parents=True, exist_ok=True)
    link = EXTENSIONS / "open-llm-magics"
    if not link.is_symlink():
        link.symlink_to(ROOT / "llm_magics" / "labextension", target_is_directory=True)
    done.touch()


if __name__ == "__main__":
    main()
