"""Adapters that are kept by name: never overwritten, listed, removed, and safe from odd names and files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from llm_magics import StoreError, UsageError
from llm_magics.sources import adapters


def write(text: str, run: str = "a") -> object:
    def build(folder: Path) -> None:
        (folder / adapters.CONFIG).write_text(json.dumps({"base_model_name_or_path": "tiny"}))
        (folder / adapters.PROVENANCE).write_text(json.dumps({"run": run}))
        (folder / "text").write_text(text)

    return build


def keep(name: str, text: str, run: str) -> str:
    return adapters.save(name, run, write(text, run))[1]  # type: ignore[arg-type]


def text_of(name: str) -> str:
    kept = adapters.find(name)
    assert kept is not None
    return (kept.folder / "text").read_text()


def test_a_name_is_never_overwritten(home: Path) -> None:
    assert adapters.listing().startswith("no adapter is kept")
    assert keep("robot", "one", "a") == ""
    assert keep("robot", "one, with more steps", "a") == ""
    assert keep("robot", "two", "b") == "robot-1"
    assert keep("robot", "three", "c") == "robot-2"
    assert [each.name for each in adapters.entries()] == ["robot", "robot-1", "robot-2"]
    assert [text_of(name) for name in ("robot", "robot-1", "robot-2")] == [
        "three",
        "one, with more steps",
        "two",
    ]
    assert "robot-2" in adapters.listing() and "of tiny" in adapters.listing()
    assert "robot-1 is removed" in adapters.delete("robot-1")
    assert keep("robot", "four", "d") == "robot-1"
    assert not [path for path in (home / "adapters").iterdir() if "." in path.name]


def test_a_build_that_fails_leaves_the_earlier_one(home: Path) -> None:
    keep("robot", "one", "a")

    def full(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise OSError(28, "No space left on device", str(folder))

    for run in ("a", "b"):
        with pytest.raises(StoreError):
            adapters.save("robot", run, full)
        assert text_of("robot") == "one" and len(adapters.entries()) == 1


@pytest.mark.parametrize("name", ["", "..", "a/b", "../x", "a.b", "-x", "a b", "x" * 80, "con\n", "é"])
def test_names_that_are_no_folders_of_ours(home: Path, name: str) -> None:
    assert adapters.find(name) is None
    with pytest.raises(UsageError):
        adapters.folder_of(name)
    with pytest.raises(UsageError, match="unknown adapter"):
        adapters.delete(name)


@pytest.mark.parametrize("odd", ["", "[]", "{", '{"run": [1], "base_model_name_or_path": {"a": 1}}'])
def test_odd_files_are_listed_and_removed(home: Path, odd: str) -> None:
    folder = home / "adapters" / "odd"
    folder.mkdir(parents=True)
    for name in (adapters.CONFIG, adapters.PROVENANCE):
        (folder / name).write_text(odd)
    assert "odd" in adapters.listing() and keep("odd", "new", "a") == "odd-1"
    adapters.delete("odd-1")
    assert text_of("odd") == "new"


def test_what_is_missing_is_said_with_what_there_is(home: Path) -> None:
    assert "%%llm_tune" in (adapters.missing("robot").hint or "")
    keep("pirate", "x", "a")
    assert adapters.missing("robot").hint == "Choose one of pirate, or a folder."


@pytest.mark.parametrize(("run", "cut"), [("a", 1), ("a", 2), ("b", 1), ("b", 2)])
def test_a_kill_in_the_middle_loses_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, run: str, cut: int
) -> None:
    keep("robot", "one", "a")
    real, calls = os.rename, 0

    def rename(source: Path, target: Path) -> None:
        nonlocal calls
        calls += ".making-" not in Path(source).name
        if calls == cut and ".making-" not in Path(source).name:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(adapters.os, "rename", rename)  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        keep("robot", "two", run)
    monkeypatch.undo()
    monkeypatch.setenv("LLM_MAGICS_HOME", str(home))
    names = [each.name for each in adapters.entries()]
    assert len(names) == 1 and text_of(names[0]) == "one"
    keep("robot", "three", run)
    assert text_of("robot") == "three"
