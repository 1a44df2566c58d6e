"""The front end as a whole: which folder imports which, and what the protocol has in common with Python."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from llm_magics.views import mime

SOURCE = Path(__file__).parents[2] / "labextension" / "src"
# Messages and records; controls; the features; what joins them; the applications that show them.
ALLOWED: dict[str, set[str]] = {
    "protocol": set(),
    "ui": {"protocol"},
    "errors": {"ui"},
    "strip": {"protocol", "ui"},
    "tuning": {"protocol", "ui"},
    "inspect": {"protocol", "ui"},
    "panel": {"protocol", "ui"},
    "playground": {"protocol", "ui", "strip", "tuning", "inspect"},
    "jupyterlab": {"protocol", "ui", "errors", "strip", "tuning", "inspect", "panel", "playground"},
    "hosts": {"protocol", "ui", "strip", "tuning", "inspect", "playground"},
}
FILES = sorted(SOURCE.rglob("*.ts"))


def imports(path: Path) -> set[Path]:
    """The files of the front end that a file imports, those for types counted in."""
    found = re.findall(r"(?:from|import|import\()\s*'(\.[^']+)'", path.read_text("utf-8"))
    return {Path(os.path.normpath(path.parent / name)).with_suffix(".ts") for name in found}


def test_every_folder_is_known() -> None:
    assert {path.name for path in SOURCE.iterdir()} == set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_a_folder_imports_only_what_is_below_it(path: Path) -> None:
    folder = path.relative_to(SOURCE).parts[0]
    targets = {target.relative_to(SOURCE).parts[0] for target in imports(path)} - {folder}
    assert targets <= ALLOWED[folder], f"{path} imports {targets - ALLOWED[folder]}"


def test_no_files_import_each_other() -> None:
    arrows = {path: imports(path) - {path} for path in FILES}
    assert all(targets <= arrows.keys() for targets in arrows.values())
    while leaves := {path for path, targets in arrows.items() if not targets & arrows.keys()}:
        arrows = {path: targets for path, targets in arrows.items() if path not in leaves}
    assert not arrows, f"these import one another: {sorted(arrows)}"


def test_no_folder_is_crowded() -> None:
    """At most 14 files, a view and its style sheet counted as one."""
    for folder in {path.parent for path in FILES}:
        files = [path for path in folder.glob("*.ts") if not path.name.endswith(".css.ts")]
        assert len(files) <= 14, f"{folder} has {len(files)} files"


def test_style_sheets_stand_beside_their_views() -> None:
    """A style sheet with no view is one that several views share."""
    for path in FILES:
        if path.name.endswith(".css.ts"):
            view = path.with_name(path.name.replace(".css.ts", ".ts"))
            users = [other for other in FILES if path in imports(other)]
            assert view.exists() or len(users) > 1, path
        elif path.name != "css.ts":
            assert "css`" not in path.read_text("utf-8"), path


def test_every_file_of_the_protocol_names_its_twin() -> None:
    package = Path(mime.__file__).parents[1]
    for path in (SOURCE / "protocol").glob("*.ts"):
        comment = re.match(r"/\*\*.*?\*/", path.read_text("utf-8"), re.DOTALL)
        twins = re.findall(r"[\w/]+\.py", comment[0] if comment else "")
        assert twins and all((package / twin).exists() for twin in twins), (path.name, twins)


def test_the_mime_types_are_the_same_on_both_sides() -> None:
    text = (SOURCE / "protocol" / "mime.ts").read_text("utf-8")
    theirs = dict(re.findall(r"export const (\w+) = '([^']+)';", text))
    assert theirs == {name: value for name, value in vars(mime).items() if name.endswith("_MIME")}
