"""Make .venvs/transformers5: the packages of this environment, and transformers 5 in place of its
transformers.

The tests save tiny checkpoints there, as users of today's transformers do, and read them here.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

VERSION = "5.24.0"
FOLDER = Path(__file__).parents[1] / ".venvs" / "transformers5"


def main() -> None:
    python = FOLDER / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = FOLDER / f".transformers-{VERSION}"
    if done.is_file():
        return
    print(f"installing transformers {VERSION} next to the other …", flush=True)
    venv.create(FOLDER, clear=True)
    place = sysconfig.get_path("purelib", vars={"base": str(FOLDER), "platbase": str(FOLDER)})
    (Path(place) / "usual.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python), "install"]
    quiet = ["--quiet", "--no-warn-script-location", "--no-warn-conflicts"]
    subprocess.run([*pip, *quiet, f"transformers=={VERSION}"], check=True)  # noqa: S603  # pip alone
    done.touch()


if __name__ == "__main__":
    main()
