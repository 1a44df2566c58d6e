"""Rows that are kept on the disk: nothing is computed twice, and nothing is lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from llm_magics import Generation, StoreError
from llm_magics.models.rows.journal import Journal
from tests.unit.test_structured import Noise, noise

ROOT = Path(__file__).parents[2]


def test_finished_rows_are_taken_from_the_journal(tmp_path: Path) -> None:
    path, prompts = tmp_path / "rows.sqlite", ["a", "b", "a", "c"]
    first = noise(1)
    answers = first.map(prompts, raw=True, progress=False, max_tokens=5, keep=path)
    assert isinstance(first.engine, Noise)
    plain = noise(1).map(prompts, raw=True, progress=False, max_tokens=5)
    assert answers.texts == plain.texts and answers.texts[0] == answers.texts[2]
    again, told = noise(1), []
    kept = again.map(
        prompts, raw=True, progress=False, max_tokens=5, keep=path, seen=lambda n, result: told.append(n)
    )
    assert kept.texts == answers.texts and sorted(told) == [0, 1, 2, 3]
    assert isinstance(again.engine, Noise) and again.engine.calls == 0
    assert [row.options for row in kept if isinstance(row, Generation)] == [
        row.options for row in answers if isinstance(row, Generation)
    ]
    other = noise(1)
    other.map(prompts, raw=True, progress=False, max_tokens=6, keep=path)
    assert isinstance(other.engine, Noise) and other.engine.calls > 0, "another option is another request"


def test_a_request_that_stands_twice_is_computed_once(tmp_path: Path) -> None:
    one, many = noise(1), noise(1)
    one.map(["a"], raw=True, progress=False, max_tokens=5)
    many.map(["a"] * 50, raw=True, progress=False, max_tokens=5, keep=tmp_path / "x.sqlite")
    assert isinstance(one.engine, Noise) and isinstance(many.engine, Noise)
    assert many.engine.calls == one.engine.calls


def test_a_damaged_row_is_computed_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    text = noise(1).map(["a"], raw=True, progress=False, max_tokens=5, keep=path).texts
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE rows SET value = replace(value, 'data', 'dada')")
    assert noise(1).map(["a"], raw=True, progress=False, max_tokens=5, keep=path).texts == text
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="cannot be used"):
        noise(1).map(["a"], raw=True, progress=False, keep=broken)


def test_errors_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    noise(1).map(["a", "y" * 5000, None], raw=True, progress=False, max_tokens=5, keep=path)
    with Journal(path) as journal:
        (count,) = journal._connection.execute("SELECT count(*) FROM rows").fetchone()
    assert count == 1


def test_what_was_finished_survives_the_end_of_the_process(tmp_path: Path) -> None:
    """SIGKILL in the middle of a run; the next one computes what is missing, in order, and nothing twice."""
    path = tmp_path / "rows.sqlite"
    code = f"""
        import sys, time
        sys.path.insert(0, {str(ROOT)!r})
        from tests.unit.test_structured import Noise, noise
        model = noise(1)
        row = model.engine.row
        model.engine.row = lambda ids: (time.sleep(0.01), row(ids))[1]
        model.map([f"row {{n}}" for n in range(200)], raw=True, progress=False, max_tokens=5, rows=4,
                  keep={str(path)!r}, seen=lambda n, result: print(n, flush=True))
    """
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for _ in range(20):
        assert child.stdout.readline()
    child.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
    child.wait(timeout=20)
    with Journal(path) as journal:
        (kept,) = journal._connection.execute("SELECT count(*) FROM rows").fetchone()
    assert 20 <= kept < 200
    prompts, computed = [f"row {n}" for n in range(200)], noise(1)
    answers = computed.map(prompts, raw=True, progress=False, max_tokens=5, keep=path)
    whole = noise(1)
    assert answers.texts == whole.map(prompts, raw=True, progress=False, max_tokens=5).texts
    assert isinstance(computed.engine, Noise) and isinstance(whole.engine, Noise)
    assert computed.engine.calls <= whole.engine.calls * (200 - kept) / 200 + 60
    with Journal(path) as journal:
        (count,) = journal._connection.execute("SELECT count(*) FROM rows").fetchone()
    assert count == 200


def test_two_processes_share_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    with Journal(path) as one, Journal(path) as other:
        for n in range(50):
            (one if n % 2 else other).add(f"key {n}", {"n": n})
        assert one.find("key 0") == {"n": 0} and other.find("key 1") == {"n": 1}
        began = time.monotonic()
        assert one.find("nothing") is None and time.monotonic() - began < 1
