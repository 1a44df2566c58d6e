"""Run the quickstart notebook headlessly and print what its cells answered. Called by ``make demo``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from llm_magics.views.bundle import read_output
from llm_magics.views.mime import GENERATION_MIME

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    notebook = nbformat.read(ROOT / "notebooks" / "00_quickstart.ipynb", as_version=4)
    # This environment's own kernel, whatever "python3" is registered elsewhere on the machine.
    os.environ["JUPYTER_PATH"] = str(Path(sys.prefix) / "share" / "jupyter")
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],  # not its warning about a local port
        resources={"metadata": {"path": str(ROOT / "notebooks")}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        target = ROOT / "build" / "00_quickstart.ipynb"
        target.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, target)
    speeds = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if data.get(GENERATION_MIME, {}).get("kind") == "generation":
                generation = read_output(data)
                speeds.append(generation.timing.decode_tokens_per_s)
                print(f"\n{cell.source.strip()}\n  ⟶ " + data["text/plain"].strip().replace("\n", "\n    "))
    if not speeds:
        print("no cell answered", file=sys.stderr)
        return 1
    print(f"\n{max(speeds):.0f} tokens per second. The notebook with its answers: {target}")
    print("Open JupyterLab with: make lab")
    return 0


if __name__ == "__main__":
    sys.exit(main())
