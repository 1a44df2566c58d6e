"""Rows on the processes of a Dask cluster: the same texts, and nothing lost whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask
import pytest
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import WorkerPlugin

import llm_magics as lm
from llm_magics.models.cluster import dask_workers
from llm_magics.models.rows.journal import Journal
from tests.support.adapters import made

ROOT = Path(__file__).parents[2]
OPTIONS = {"raw": True, "progress": False, "max_tokens": 40}
ROWS = [f"row {n} of many" for n in range(110)]
posix = pytest.mark.skipif(os.name != "posix", reason="SIGKILL")


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("home of workers")
    monkeypatch.setenv("LLM_MAGICS_HOME", str(folder))
    return folder


@pytest.fixture
def model(tiny_gguf: Path, home: Path) -> lm.Model:
    return lm.load(tiny_gguf, threads=1)


@pytest.fixture
def cluster(home: Path) -> Iterator[LocalCluster]:
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), _local(2) as cluster:
        yield cluster


def _local(workers: int) -> LocalCluster:
    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)


def kept(answers: lm.BatchAnswers) -> list[Any]:
    return [
        (a.text, a.prompt, a.prompt_ids, [(t.id, t.logprob, t.rank) for t in a.tokens], a.model, a.options)
        for a in answers
    ]


def slow_workers(client: Client) -> None:
    """Let each token of the workers take a while, so that something can be done in the middle."""

    class Slow(WorkerPlugin):
        name = "slow"

        def setup(self, worker: Any) -> None:
            import time as clock

            from llm_magics.engine.batch import Batch

            read = Batch._read_prompt

            def slowly(self, *rest):  # type: ignore[no-untyped-def]
                clock.sleep(0.05)
                return read(self, *rest)

            Batch._read_prompt = slowly

    client.register_plugin(Slow())


def test_the_answers_are_those_of_one_machine(model: lm.Model, cluster: LocalCluster, tmp_path: Path) -> None:
    plain = model.map([*ROWS, "ü" * 40], **OPTIONS, temperature=0.8)
    seen: list[int] = []
    rows = [*ROWS, "ü" * 40, None, "y" * 9000, *ROWS[:3]]
    there = model.map(
        rows,
        **OPTIONS,
        temperature=0.8,
        on=cluster,
        keep=tmp_path / "x.sqlite",
        seen=lambda n, _: seen.append(n),
    )
    count = len(plain)
    assert kept(there[:count]) == kept(plain) and kept(there[-3:]) == kept(plain[:3])
    assert sorted(seen) == list(range(len(rows)))
    assert sorted(there.errors) == [count, count + 1]
    assert isinstance(there[count + 1], lm.ContextOverflow) and there[count + 1].over > 0
    # The journal serves this process as well, with nothing computed.
    alone = model.map(ROWS, **OPTIONS, temperature=0.8, keep=tmp_path / "x.sqlite")
    assert alone.texts == plain.texts[: len(ROWS)]
    schema = {"schema": "age int, ok bool", "max_tokens": 100, "raw": True, "progress": False}
    values = model.map(ROWS[:6], **schema, on=cluster.scheduler_address).values
    assert values == model.map(ROWS[:6], **schema).values and all(isinstance(v["age"], int) for v in values)
    with Client(cluster) as client:
        labels = dict(model.choose_rows([*ROWS[:20], None], ["a", "b"], raw=True, on=client))
        assert client.status == "running", "a client of the caller stays open"
    here = dict(model.choose_rows(ROWS[:20], ["a", "b"], raw=True))
    assert isinstance(labels.pop(20), lm.UsageError)
    assert {n: c.probabilities for n, c in labels.items()} == {n: c.probabilities for n, c in here.items()}


def test_an_adapter_travels_by_its_folder(model: lm.Model, cluster: LocalCluster, tmp_path: Path) -> None:
    adapter = made(model.lora_sessions.spec, ("q", "v"), shared=False)
    adapter.save(tmp_path / "pirate")
    tuned = model.with_adapter(f"{tmp_path / 'pirate'}:0.7")
    there = tuned.map(ROWS[:9], **OPTIONS, on=cluster)
    assert kept(there) == kept(tuned.map(ROWS[:9], **OPTIONS))
    assert there.texts != model.map(ROWS[:9], **OPTIONS).texts
    with pytest.raises(lm.UsageError, match="cannot open"):
        model.with_adapter(adapter).map(ROWS[:9], **OPTIONS, on=cluster)


def test_other_weights_and_other_versions_are_refused(
    model: lm.Model, cluster: LocalCluster, tiny_gguf: Path
) -> None:
    spec = model.spec
    assert spec is not None
    model.spec = replace(spec, info=replace(spec.info, fingerprint="0" * 64))
    with pytest.raises(lm.ClusterError, match="other weights on a worker"):
        model.map(ROWS[:9], **OPTIONS, on=cluster)
    model.spec = replace(spec, name=str(tiny_gguf.with_name("gone.gguf")))
    with pytest.raises(lm.ClusterError, match=r"cannot run the model: .*gone"):
        model.map(ROWS[:9], **OPTIONS, on=cluster)
    model.spec = spec
    with Client(cluster) as client:

        def upgrade() -> None:
            import llm_magics.models.cluster.worker as worker

            vars(worker)["versions"] = lambda: ("9.9", "1.0")

        client.run(upgrade)
    with pytest.raises(lm.ClusterError, match=r"a worker has llm_magics and onnxruntime 9\.9 and 1\.0"):
        model.map(ROWS[:9], **OPTIONS, on=cluster)
    assert model.map(ROWS[:2], **OPTIONS, keep=False).errors == {}


@posix
def test_workers_that_are_killed_lose_nothing(model: lm.Model, cluster: LocalCluster) -> None:
    plain = model.map(ROWS, **OPTIONS)
    with Client(cluster) as client:
        slow_workers(client)
        seen: list[int] = []

        def kill(number: int, result: Any) -> None:
            seen.append(number)
            if len(seen) in (12, 45):  # twice, both workers
                for pid in client.run(os.getpid).values():
                    os.kill(pid, signal.SIGKILL)

        there = model.map(ROWS, **OPTIONS, on=client, keep=False, seen=kill)
    assert kept(there) == kept(plain) and sorted(seen) == list(range(len(ROWS)))


@posix
def test_a_row_that_kills_its_worker_is_the_only_error(model: lm.Model, home: Path) -> None:
    class Poison(WorkerPlugin):
        name = "poison"

        def setup(self, worker: Any) -> None:
            import os as system

            from llm_magics.engine.batch import Batch

            read = Batch._read_prompt

            def poisoned(self, slots, row, answer):  # type: ignore[no-untyped-def]
                if len(answer.ids) < 10:  # of the row "poison"
                    system._exit(9)
                return read(self, slots, row, answer)

            Batch._read_prompt = poisoned

    rows = [*ROWS[:21], "poison", *ROWS[21:30]]
    strict = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    with strict, _local(2) as cluster, Client(cluster) as client:
        client.register_plugin(Poison())
        there = model.map(rows, **OPTIONS, on=client, keep=False)
    assert list(there.errors) == [21] and "workers that had this row died" in str(there[21])
    del there[21]
    assert kept(there) == kept(model.map(ROWS[:30], **OPTIONS))


def test_a_worker_that_joins_late_takes_part(model: lm.Model, home: Path) -> None:
    def has_model() -> bool:
        import llm_magics.models.cluster.worker as worker

        return bool(worker._opened)

    with _local(1) as cluster, Client(cluster) as client:
        slow_workers(client)
        seen: list[int] = []

        def grow(number: int, result: Any) -> None:
            seen.append(number)
            if len(seen) == 10:
                cluster.scale(2)

        there = model.map(ROWS, **OPTIONS, on=client, keep=False, seen=grow)
        assert sorted(client.run(has_model).values()) == [True, True]
    assert there.texts == model.map(ROWS, **OPTIONS).texts


def test_an_interrupt_reaches_the_workers(model: lm.Model, cluster: LocalCluster) -> None:
    def executing(dask_worker: Any) -> int:
        return len(dask_worker.state.executing)

    def stop(number: int, result: Any) -> None:
        raise KeyboardInterrupt

    with Client(cluster) as client:
        with pytest.raises(KeyboardInterrupt):
            model.map(ROWS, raw=True, progress=False, max_tokens=200, on=client, keep=False, seen=stop)
        until = time.monotonic() + 10
        while any(client.run(executing).values()):
            assert time.monotonic() < until, "the workers go on with rows that nobody waits for"
            time.sleep(0.05)
        assert any(isinstance(a, lm.Generation) for a in model.last_map)
        assert model.map(ROWS[:4], **OPTIONS, on=client, keep=False).errors == {}


@posix
def test_the_end_of_the_scheduler_keeps_what_is_done(
    model: lm.Model, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = """
        import sys, time
        from distributed import LocalCluster
        if __name__ == "__main__":
            cluster = LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
            print(cluster.scheduler_address, flush=True)
            time.sleep(120)
    """
    script = tmp_path / "cluster.py"
    script.write_text(textwrap.dedent(code), "utf-8")
    journal, seen = tmp_path / "rows.sqlite", []
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()

        def kill(number: int, result: Any) -> None:
            seen.append(number)
            if len(seen) == 10:
                process.kill()

        with pytest.raises(lm.ClusterError, match="connection to the Dask scheduler was lost"):
            model.map(ROWS, raw=True, progress=False, max_tokens=120, on=address, keep=journal, seen=kill)
    finally:
        process.kill()
        process.wait(10)
    assert 10 <= len(seen) < len(ROWS)
    computed: list[int] = []
    monkeypatch.setattr(Journal, "add", lambda self, key, value: computed.append(1))
    again = model.map(ROWS, raw=True, progress=False, max_tokens=120, keep=journal)
    assert again.errors == {} and len(computed) == len(ROWS) - len(seen)


@posix
def test_a_client_that_is_killed_goes_on(model: lm.Model, cluster: LocalCluster, tmp_path: Path) -> None:
    journal = tmp_path / "rows.sqlite"
    code = f"""
        import sys
        import llm_magics as lm
        model = lm.load({model.spec.name!r}, threads=1)
        model.map({ROWS!r}, raw=True, progress=False, max_tokens=40, on={cluster.scheduler_address!r},
                  keep={str(journal)!r}, seen=lambda n, _: print(n, flush=True))
    """
    with Client(cluster) as client:
        slow_workers(client)
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(10):
            assert child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=20)
        fresh: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            add = Journal.add
            patch.setattr(Journal, "add", lambda self, key, value: (fresh.append(key), add(self, key, value)))
            there = model.map(ROWS, **OPTIONS, on=client, keep=journal)
    assert kept(there) == kept(model.map(ROWS, **OPTIONS))
    assert 0 < len(fresh) <= len(ROWS) - 10 and len(set(fresh)) == len(fresh)


def test_a_cluster_without_workers_is_told(
    model: lm.Model, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_workers, "NO_WORKERS_S", 0.5)
    with _local(0) as cluster, pytest.raises(lm.ClusterError, match="has no workers"):
        model.map(ROWS[:4], **OPTIONS, on=cluster, keep=False)


def test_an_asynchronous_client_is_refused(model: lm.Model, cluster: LocalCluster) -> None:
    import asyncio

    async def run() -> None:
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            with pytest.raises(lm.UsageError, match="asynchronous"):
                model.map(ROWS[:4], **OPTIONS, on=client, keep=False)

    asyncio.run(run())
