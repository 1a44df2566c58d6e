"""What Binder would do, without Docker: its steps in a clean environment, then every notebook under 2 GB.

The steps are those that repo2docker takes from the files in binder/: install the requirements from the root
of the repository, run postBuild, and start sessions through start. Called by ``make binder-check``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / "binder"
LIMIT, FIRST_S = 2_000_000_000, 5.0

SESSION = """
import sys, time
from pathlib import Path
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], as_version=4)
for cell in notebook.cells:
    if cell.cell_type == "code":
        cell.outputs = []
began, first, peak = time.monotonic(), [], [0]

def look(cell, cell_index, execute_reply):
    if not first and any(word in cell.source for word in ("%%llm", ".generate(")):
        first.append(time.monotonic() - began)
    pid = client.km.provisioner.process.pid
    peak[0] = int(next(row.split()[1] for row in open(f"/proc/{pid}/status") if row.startswith("VmHWM")))

where = {"metadata": {"path": str(Path(sys.argv[1]).parent)}}
client = NotebookClient(notebook, timeout=600, kernel_name="python3", on_cell_executed=look, resources=where)
client.execute()
said = f"first answer {first[0]:.2f} s after the kernel was asked for" if first else "no answer"
print(f"{said}, peak {peak[0] / 1000:.0f} MB")
"""


# torch, and weights in fp32, map more addresses than they use: here the memory that is really used counts.
BY_USE = ("04_inside.ipynb", "05_teach_it.ipynb")


def main() -> int:
    shutil.rmtree(PLACE, ignore_errors=True)
    venv.create(PLACE / "venv", with_pip=True)
    binaries = PLACE / "venv" / "bin"
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    env |= {
        "PATH": f"{binaries}{os.pathsep}{env['PATH']}",
        "LLM_MAGICS_HOME": str(PLACE / "home"),
        "JUPYTER_PATH": str(PLACE / "venv" / "share" / "jupyter"),
    }

    def run(*command: str, **more: object) -> str:
        print("$", " ".join(command).splitlines()[0][:100], flush=True)
        options: dict[str, Any] = {"cwd": ROOT, "env": env, "text": True, "stdout": subprocess.PIPE, **more}
        ran = subprocess.run(command, check=True, **options)  # noqa: S603  the commands below
        return str(ran.stdout)

    began = time.monotonic()
    # Where the index of torch's CPU builds cannot be reached, the other one must have such a build.
    env["PIP_RETRIES"] = "0"
    run("python", "-m", "pip", "install", "--quiet", "--no-cache-dir", "-r", "binder/requirements.txt")
    size = sum(path.stat().st_size for path in (PLACE / "venv").rglob("*") if path.is_file())
    print(f"installed in {time.monotonic() - began:.0f} s: {size / 1e9:.2f} GB")
    if "nvidia" in run("python", "-m", "pip", "list"):
        print("torch is not the CPU build: it does not fit a session", file=sys.stderr)
        return 1
    if "open-llm-magics" not in run("jupyter", "labextension", "list", stderr=subprocess.STDOUT):
        print("the live views were not built", file=sys.stderr)
        return 1
    began = time.monotonic()
    print(run("binder/postBuild").strip(), f"({time.monotonic() - began:.0f} s)")
    # From here on as a session: nothing may be fetched, and memory is limited.
    env["LLM_MAGICS_INDEX_URL"] = "http://127.0.0.1:9"
    failed = False
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        session = f"exec binder/start python -c {shlex.quote(SESSION)} {shlex.quote(str(notebook))}"
        by_use = notebook.name in BY_USE
        limited = session if by_use else f"ulimit -v {LIMIT // 1000}; {session}"
        said = run("bash", "-c", limited, stderr=subprocess.DEVNULL).strip()
        found = re.search(r"first answer ([\d.]+) s", said)
        peak = re.search(r"peak (\d+) MB", said)
        failed |= peak is None or int(peak[1]) * 1e6 > LIMIT
        if not by_use:
            failed |= found is None or float(found[1]) > FIRST_S
        print(f"{notebook.name}: {said}, under {LIMIT / 1e9:.0f} GB{'' if by_use else ' of address space'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
