"""The cache folder: atomic, locked, checked, healed. Real processes, really killed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from llm_magics import StoreError
from llm_magics.sources import store

BUILD = """
import sys, time
from pathlib import Path
from llm_magics.sources import store
def build(folder):
    with open(Path(sys.argv[1]) / "builds", "a") as log: log.write("x")
    (folder / "half").write_text("half made")
    time.sleep(float(sys.argv[2]))
    (folder / "data").write_text("whole")
print(store.ensure("m/key", build).joinpath("data").read_text())
"""


def child(tmp_path: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(tmp_path), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def make(folder: Path) -> None:
    (folder / "data").write_text("whole")


def test_built_once_and_found_again(home: Path) -> None:
    calls = []

    def build(folder: Path) -> None:
        calls.append(folder)
        make(folder)

    path = store.ensure("m/key", build)
    assert store.ensure("m/key", build) == path and len(calls) == 1
    assert store.cached().keys() == {"m/key"}
    store.remove("m/key")
    assert store.cached() == {} and not path.exists()


@pytest.mark.parametrize("damage", ["shorter", "other", "missing", "manifest", "touched"])
def test_damage_heals(home: Path, damage: str) -> None:
    path = store.ensure("m/key", make)
    data = path / "data"
    if damage == "shorter":
        data.write_text("whol")
    elif damage == "other":
        data.write_text("hwole")
    elif damage == "missing":
        data.unlink()
    elif damage == "manifest":
        (path / store.MANIFEST).write_text("{")
    else:
        os.utime(data)
    builds = []
    store.ensure("m/key", lambda folder: (builds.append(1), make(folder))[1])
    assert data.read_text() == "whole" and store.is_intact(path)
    assert len(builds) == (0 if damage == "touched" else 1)  # the same bytes with another time are sound


def test_a_new_time_on_the_same_bytes_is_summed_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.ensure("m/key", make)
    os.utime(path / "data")
    assert store.is_intact(path)
    monkeypatch.setattr(store, "sha256", lambda _: pytest.fail("summed again"))
    assert store.is_intact(path)


def test_folders_inside_an_entry_are_checked_too(home: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "onnx").mkdir()
        make(folder / "onnx")

    path = store.ensure("m/key", build)
    assert store.is_intact(path) and store.cached()["m/key"] > 5
    (path / "onnx" / "data").unlink()
    assert not store.is_intact(path)


def test_another_key_in_the_making_is_left_alone(home: Path) -> None:
    """Two threads of one process make two precisions of one model."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(folder: Path) -> None:
        make(folder)
        begun.set()
        assert go_on.wait(20)

    made = []
    thread = threading.Thread(target=lambda: made.append(store.ensure("m/slow", slow)))
    thread.start()
    assert begun.wait(20)
    store.ensure("m/fast", make)
    go_on.set()
    thread.join()
    assert made and store.is_intact(made[0])


def test_a_failing_build_leaves_nothing(home: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.ensure("m/key", fail)
    assert list((home / "models" / "m").iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is POSIX")
def test_killed_while_building_heals(home: Path, tmp_path: Path) -> None:
    process = child(tmp_path, 60)
    wait_for(tmp_path / "builds")
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [p.name.startswith(".making-") for p in (home / "models" / "m").iterdir()] == [True]
    assert store.ensure("m/key", make).joinpath("data").read_text() == "whole"
    assert [p.name for p in (home / "models" / "m").iterdir()] == ["key"]


def test_two_at_once_build_once(home: Path, tmp_path: Path) -> None:
    first = child(tmp_path, 1)
    wait_for(tmp_path / "builds")
    second = child(tmp_path, 1)
    for process in (first, second):
        out, err = process.communicate(timeout=30)
        assert out == "whole\n", err
    assert "waiting" in err
    assert (tmp_path / "builds").read_text() == "x"


@pytest.mark.skipif(os.name == "nt", reason="limits are POSIX")
def test_a_real_write_limit_is_a_clear_error(home: Path) -> None:
    code = """
import resource, signal
from llm_magics.sources import store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
try: store.ensure("m/key", lambda folder: (folder / "data").write_bytes(bytes(1 << 20)))
except store.StoreError as error: print(error)
print([p.name for p in (store.home() / "models" / "m").iterdir()])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "the disk is full" in out and "LLM_MAGICS_HOME" in out and out.endswith("[]\n")


def test_a_full_disk_is_a_clear_error(home: Path) -> None:
    def full(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match=r"disk is full.*MB free"):
        store.ensure("m/key", full)
    assert list((home / "models" / "m").iterdir()) == []


def test_too_little_room_is_said_beforehand(home: Path) -> None:
    with pytest.raises(StoreError, match="needs 1,000,000,000 MB"):
        store.require_room(home / "x", 10**15)


def test_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LLM_MAGICS_HOME", "~/x")
    assert store.home() == Path.home() / "x"
    monkeypatch.delenv("LLM_MAGICS_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert store.home() == tmp_path / "llm-magics"


def test_the_manifest_lists_every_file(home: Path) -> None:
    path = store.ensure("m/key", make)
    files = json.loads((path / store.MANIFEST).read_text())["files"]
    assert files["data"][0] == 5 and files["data"][2] == store.sha256(path / "data")


def test_an_entry_appears_in_one_step(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is there for others when it is complete, and never before: the last step is a rename."""
    moved: list[tuple[Path, Path]] = []
    rename = os.rename

    def watched(one: Path, other: Path) -> None:
        assert (Path(one) / store.MANIFEST).is_file() and not Path(other).exists()
        moved.append((Path(one), Path(other)))
        rename(one, other)

    monkeypatch.setattr(os, "rename", watched)

    def build(folder: Path) -> None:
        (folder / "a").write_text("x" * 1000)
        assert not (home / "models" / "m" / "k").exists()

    path = store.ensure("m/k", build)
    assert [target for _, target in moved] == [path] and (path / "a").read_text() == "x" * 1000


def test_a_file_elsewhere_is_summed_once(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    really = store.sha256
    monkeypatch.setattr(store, "sha256", lambda path: read.append(path) or really(path))
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    first = store.cached_sha256(file)
    assert store.cached_sha256(file) == first == really(file) and len(read) == 1
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert store.cached_sha256(file) == really(file) != first and len(read) == 2
    (note,) = (home / "sums").iterdir()
    note.write_text("{")
    assert store.cached_sha256(file) == really(file) and len(read) == 3
