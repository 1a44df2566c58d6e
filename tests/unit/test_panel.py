"""The panel of models: what it is told, what it may ask for."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_magics import StoreError
from llm_magics.core import progress
from llm_magics.inspection.answers.rows import RowResult, RowsState
from llm_magics.magics.commands import CommandRouter
from llm_magics.sources import cache_listing, store
from tests.support.room import Room, until


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLM_MAGICS_HOME", str(tmp_path))
    return tmp_path


def kept(home: Path, key: str, **facts: Any) -> Path:
    """A converted model, sealed as the store does it."""
    folder = home / "models" / key

    def build(making: Path) -> None:
        (making / "model.json").write_text(json.dumps({"licence": "MIT", **facts}))
        (making / "weights.bin").write_bytes(b"x" * 1000)

    store.ensure(key, build)
    return folder


def test_the_listing_has_names_and_sizes_and_no_paths(home: Path) -> None:
    kept(home, "smollm2-135m-instruct/auto-7-aaaaaaaaaaaaaaaa")
    old = kept(home, "my-model/int4-7-bbbbbbbbbbbbbbbb")
    (old / "weights.bin").write_bytes(b"y" * 999)
    os.utime(old, (5, 5))
    (home / "downloads").mkdir()
    (home / "downloads" / "a.gguf").write_bytes(b"z" * 500)
    listing = cache_listing.listing()
    first, second = listing["models"]
    assert (first["name"], first["precision"], first["damaged"]) == (
        "smollm2-135m-instruct",
        "auto",
        False,
    )
    assert first["title"] == "SmolLM2 135M Instruct" and first["license"] == "MIT" and first["fetch"] > 0
    assert (second["name"], second["precision"], second["damaged"]) == ("my-model", "int4", True)
    assert second["used"] == 5 and second["fetch"] == 0
    assert listing["downloads"] == 500 and listing["free"] > 0
    assert str(home) not in json.dumps(listing)


@pytest.mark.parametrize("key", ["../../etc", "gpt2", "gpt2/..", "", "/etc/passwd", "a/b/c"])
def test_only_what_the_listing_has_is_deleted(home: Path, key: str) -> None:
    kept(home, "gpt2/auto-7-aaaaaaaaaaaaaaaa")
    with pytest.raises(StoreError):
        cache_listing.delete(key)
    assert cache_listing.delete("gpt2/auto-7-aaaaaaaaaaaaaaaa") > 1000
    assert cache_listing.listing()["models"] == []


def test_a_model_that_is_loaded_is_marked_as_used(home: Path) -> None:
    folder = kept(home, "gpt2/auto-7-aaaaaaaaaaaaaaaa")
    os.utime(folder, (5, 5))
    store.mark_used(folder)
    assert time.time() - cache_listing.listing()["models"][0]["used"] < 60
    store.mark_used(folder / "missing")  # what cannot be noted is not noted


class Panel:
    """The kernel's side, without a page."""

    def __init__(self, *answers: str) -> None:
        self.room = Room(*answers)
        self.router = CommandRouter(self.room, self.room.answer_extended)
        self.router.channel.send = self.room.send  # type: ignore[method-assign]

    def ask(self, action: str, **order: Any) -> None:
        self.router.handle({"type": f"panel.{action}", "id": "panel", **order})

    def sent(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.room.sent if message["type"] == kind]

    def state(self) -> Any:
        return until(lambda: self.sent("panel"))[-1]["state"]


@pytest.fixture
def panel(home: Path) -> Any:
    panel = Panel("Hello there.")
    yield panel
    panel.router.panel.close()


def test_the_state_is_told_when_it_changes_and_only_then(panel: Panel) -> None:
    panel.ask("watch")
    assert panel.state()["model"] is None and panel.state()["default"]["bytes"] > 0
    panel.router.panel._feed.wake()
    time.sleep(0.1)
    free = {message["state"]["free"] for message in panel.sent("panel")}
    assert len(panel.sent("panel")) == len(free)  # each tells of another state
    panel.room.use(None)
    panel.room.model.generate("p", raw=True, max_tokens=4, temperature=0)
    panel.router.panel._feed.wake()
    model = until(lambda: panel.sent("panel")[-1]["state"]["model"])
    assert model["name"] == "scripted" and model["context"] == 4096 and model["speed"] > 0
    json.dumps(panel.state())


def test_jobs_have_progress_and_are_stopped(panel: Panel) -> None:
    jobs = panel.router.panel.jobs
    assert jobs.collect() == []
    stopped: list[str] = []
    live = panel.router.streams.begin("a", 20, lambda: stopped.append("a"))
    live.add(panel.room.model.generate("p", raw=True, max_tokens=5, temperature=0).tokens)
    (answer,) = jobs.collect()
    assert answer.share == 0.25 and answer.detail.startswith("5 of at most 20 tokens")
    panel.ask("stop", job="a")
    assert stopped == ["a"]
    panel.ask("stop", job="gone")  # it has ended meanwhile
    live.end(None)
    jobs.rows = RowsState("df.review", 10, {0: RowResult(0, "x"), 1: RowResult(1, "y", error="bad")})
    (rows,) = jobs.collect()
    assert (rows.title, rows.detail, rows.share) == ("df.review", "2 of 10, 1 error", 0.2)
    assert rows.stop == "interrupt"
    jobs.rows.state = "done"
    assert jobs.collect() == []


def test_tuning_is_paused_and_stopped(panel: Panel) -> None:
    done: list[Any] = []
    run = SimpleNamespace(
        state="training", step=3, total=10, name="pirate", stop=lambda: done.append("stop"), pause=done.append
    )
    panel.router.tuning.add(SimpleNamespace(id="t", run=run))  # type: ignore[arg-type]
    (job,) = panel.router.panel.jobs.collect()
    assert (job.title, job.share, job.paused) == ("pirate", 0.3, False)
    for action in ("pause", "resume", "stop"):
        panel.ask(action, job="t")
    assert done == [True, False, "stop"]


def test_downloads_are_heard_from_any_thread(panel: Panel) -> None:
    panel.ask("watch")
    with progress.quiet(), progress.progress_bar("gpt2", 10_000_000, unit="B") as step:
        step(2_500_000)
        (job,) = panel.router.panel.jobs.collect()
        assert (job.title, job.share) == ("gpt2", 0.25) and job.detail.startswith("2 of 10 MB")
    assert panel.router.panel.jobs.collect() == []


def test_an_adapter_is_set_and_taken_off(panel: Panel) -> None:
    panel.ask("adapter", name="pirate", strength=0.8)
    until(lambda: panel.sent("end"))
    assert panel.room.standing_adapter == ("pirate", 0.8)
    panel.ask("adapter", name=None)
    assert panel.room.standing_adapter is None
    panel.ask("adapter", name="pirate", strength="much")
    assert "strength must be a number" in panel.sent("failed")[-1]["what"]


def test_a_model_is_loaded_that_is_here_and_no_other(panel: Panel, home: Path) -> None:
    panel.ask("use", name="gpt2")
    assert "is not on this machine" in panel.sent("failed")[-1]["what"] and panel.room.loaded is None
    kept(home, "gpt2/auto-7-aaaaaaaaaaaaaaaa")
    panel.ask("use", name="gpt2")
    until(lambda: panel.sent("end"))
    assert panel.room.loaded is panel.room.model


def test_the_cache_is_listed_and_a_model_deleted(panel: Panel, home: Path) -> None:
    kept(home, "gpt2/auto-7-aaaaaaaaaaaaaaaa")
    panel.ask("cache")
    listing = until(lambda: panel.sent("cache"))[-1]["cache"]
    panel.ask("delete", key=listing["models"][0]["key"])
    until(lambda: len(panel.sent("cache")) == 2)
    assert panel.sent("cache")[-1]["cache"]["models"] == []
    panel.ask("delete", key="../x")
    assert "has no such model" in until(lambda: panel.sent("failed"))[-1]["what"]


@pytest.mark.parametrize("order", [{"key": 3}, {"key": None}, {}])
def test_wrong_messages_are_refused(panel: Panel, order: dict[str, Any]) -> None:
    panel.ask("delete", **order)
    assert "key must be a string" in panel.sent("failed")[-1]["what"]
    panel.ask("nonsense")
    assert panel.sent("gone")
