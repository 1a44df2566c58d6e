"""Do what a license asks of who passes a model on: names, notices, license texts, and a model card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..core import progress
from ..core.records import ModelInfo
from ..sanitize import single_line
from ..sources.catalog import hub_name
from ..sources.select_files import is_license_text
from . import licenses
from .licenses import ADVICE, License

NOTICE = "NOTICE"
CARD = "README.md"


def copy_texts(source: Path, folder: Path) -> None:
    """Copy the license texts of a model's source into a folder.

    Args:
        source: the folder or a file of the source.
        folder: of what is made from it.
    """
    for path in sorted((source if source.is_dir() else source.parent).iterdir()):
        if path.is_file() and is_license_text(path.name, path.stat().st_size):
            shutil.copyfile(path, folder / path.name)


def licensed_path(path: Path, license: str) -> Path:
    """Return the path of a model that was made from another, with the prefix that its license asks for.

    Args:
        path: that the user asked for.
        license: id of the license of the base.
    """
    known = licenses.find(license)
    name = known.derived_name(path.name)
    if name != path.name:
        prefix = known.name_prefix
        progress.warn(f"the folder is named {name}: the {known.name} asks for a name with {prefix}")
    return path.with_name(name)


def write_notice(folder: Path, license: License) -> list[str]:
    """Write the notice that a license asks for into a folder.

    Returns:
        What the folder has of license texts and notices, as sentences.
    """
    texts = sorted(path.name for path in folder.iterdir() if is_license_text(path.name, path.stat().st_size))
    written = [f"{name} is a copy of the source's file" for name in texts]
    if not license.notice:
        return written
    path = folder / NOTICE
    before = path.read_text("utf-8", "replace") if path.exists() else ""
    if license.notice not in before:
        path.write_text(f"{before.rstrip()}\n\n{license.notice}\n".lstrip(), "utf-8")
    return [*written, f"{NOTICE} has the attribution that the license asks for"]


def describe_model(info: ModelInfo, folder: Path, title: str, *, changes: str) -> None:
    """Write the notice and the model card of a converted model into its folder.

    Args:
        info: the model.
        folder: to write into.
        title: the name of what is written.
        changes: what was done to the weights.
    """
    license = licenses.find(info.license)
    base = hub_name(info.name)
    rows = [
        ("base", base),
        ("revision", info.revision),
        ("sha256 of its files", info.fingerprint),
        ("precision", info.precision),
        ("changes", changes),
    ]
    about = [
        f"`{single_line(base)}`, converted with open-llm-magics {__version__}.",
        "`lm.load` opens this folder.",
    ]
    front = {"base_model": base, "license": license.id.lower(), "library_name": "open-llm-magics"}
    text = section(license, changes=changes, written=write_notice(folder, license))
    (folder / CARD).write_text(card(title, front, about, rows, text), "utf-8")


def section(license: License, *, changes: str = "", written: Sequence[str] = ()) -> list[str]:
    """Return the license section of a model card, as lines of Markdown.

    Args:
        license: of the base.
        changes: what was done to the weights; empty where they were not changed.
        written: what :func:`write_notice` returned.
    """
    name = single_line(license.name)
    lines = ["## License", ""]
    if license.built_with:
        lines += [f"**{license.built_with}**", ""]
    if not license.known:
        stated = "Its license is unknown."
        if name != "unknown":
            stated = f"The license of the base is stated as {name}."
        return [*lines, f"{stated} Read what it allows before you pass this on.", ""]
    lines += [f"The base is under the [{name}]({license.url}). It asks you to:", ""]
    lines += [f"- {item}" for item in license.must]
    if license.use_policy:
        policy = license.use_policy
        lines.append(f"- follow its use policy: {policy}")
    if changes:
        lines += ["", f"The weights were changed: {changes}."]
    lines += ["", *(f"{item}." for item in written)] if written else []
    read = f"Read on {license.read}. " if license.read else ""
    return [*lines, "", f"{read}{ADVICE}", ""]


def card(
    title: str,
    front: dict[str, str],
    about: Sequence[str],
    rows: Sequence[tuple[str, str]],
    license: Sequence[str],
) -> str:
    """Return a model card in the Hub's format.

    Args:
        title: the first heading.
        front: the YAML head; values are quoted.
        about: sentences below the heading.
        rows: name and value of a table.
        license: the lines of :func:`section`.
    """
    head = [f"{name}: {json.dumps(single_line(value))}" for name, value in front.items()]
    table = ["| | |", "|---|---|", *(f"| {_cell(name)} | {_cell(value)} |" for name, value in rows)]
    body = [f"# {single_line(title)}", "", *about, "", *table, "", *license]
    return "\n".join(["---", *head, "---", *body])


def _cell(text: str) -> str:
    return single_line(text, most=400).replace("|", "\\|") or "–"
