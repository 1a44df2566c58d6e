"""Linear attention (Qwen 3.5): a state that cannot be cut goes on from checkpoints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llm_magics.engine.caches import recurrent_state
from llm_magics.engine.caches.cache_pool import Pool
from llm_magics.engine.caches.recurrent_state import RecurrentStates
from llm_magics.engine.ort import OrtCache, OrtEngine
from llm_magics.engine.prefill import chunk_ends
from llm_magics.models.adapters.targets import resolve_targets
from tests.support import families
from tests.support.decoders import checkpoint, engine

IDS = np.random.default_rng(3).integers(3, 290, 200).tolist()
newer = pytest.mark.skipif(families.TRANSFORMERS < 5, reason="transformers 4 has no Qwen 3.5")


@pytest.fixture(scope="module", params=["fp32", "auto"])
def qwen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OrtEngine:
    folder = tmp_path_factory.mktemp("qwen")
    families.make("qwen3.5", folder / "hub")
    return engine(checkpoint(folder / "hub"), folder / "built", request.param)


def read(cache: OrtCache, *pieces: list[int]) -> np.ndarray:
    return np.concatenate([cache.extend(piece, all_logits=True).copy() for piece in pieces])


@newer
def test_a_prefix_is_taken_up_bit_for_bit(qwen: OrtEngine) -> None:
    alone = read(qwen.cache(), IDS[:40], IDS[40:])[40:]
    for end in (40, 60, 100):  # the other cache went on, and is cut or copied
        other = qwen.cache()
        other.extend(IDS[:40])
        other.extend([*reversed(IDS[40:end]), 7, 8])
        for token in (9, 10, 11):
            other.extend([token])
        copied = qwen.cache()
        copied.copy_prefix_from(other, 40)
        other.truncate(40)
        for cache in (other, copied):
            assert np.array_equal(cache.extend(IDS[40:], all_logits=True), alone)


@newer
def test_every_place_of_a_cut_is_a_place_to_go_on_from(qwen: OrtEngine) -> None:
    cache = qwen.cache()
    whole = read(cache, IDS[:5], IDS[5:30])
    for place in (29, 17, 5, 4, 1, 0, 28):
        cache.truncate(min(place, len(cache.cached)))
        if len(cache.cached) < place:
            cache.extend(IDS[len(cache.cached) : place])
        again = cache.extend(IDS[place:30], all_logits=True)
        assert np.abs(again - whole[place:]).max() < 5e-2 * np.abs(whole).max()


@newer
def test_an_interrupt_between_any_two_lines_leaves_a_cache_that_is_right(
    qwen: OrtEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read(qwen.cache(), IDS[:40], IDS[40:60])[40:]
    for name in ("bind", "note", "restore"):
        cache = qwen.cache()
        cache.extend(IDS[:40])
        method = getattr(RecurrentStates, name)

        def interrupted(self: RecurrentStates, *args: object, method: object = method) -> None:
            method(self, *args)  # type: ignore[operator]
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(RecurrentStates, name, interrupted)
            if name == "restore":
                cache.truncate(20)
            cache.extend(IDS[len(cache.cached) : 60])
        cache.truncate(40)
        if len(cache.cached) < 40:
            cache.truncate(0)
            cache.extend(IDS[:40])
        assert np.array_equal(cache.extend(IDS[40:60], all_logits=True), expected)


@newer
def test_answers_from_the_pool_are_as_alone(qwen: OrtEngine) -> None:
    def answer(pool: Pool, ids: list[int], count: int) -> list[np.ndarray]:
        lease = pool.acquire(ids)
        begin = len(lease.cached)
        for end in chunk_ends(begin, len(ids), 64):
            logits = lease.extend(ids[begin:end])
            begin = end
        result = []
        for _ in range(count):
            result.append(logits[0].copy())
            logits = lease.extend([int(logits[0].argmax())])
        lease.release()
        return result

    texts = [IDS[:90], IDS[:120], [*IDS[:70], *IDS[150:]], IDS[:90]]
    alone = [answer(Pool(qwen), ids, 5) for ids in texts]
    pool = Pool(qwen)
    for _ in range(2):
        for ids, expected in zip(texts, alone, strict=True):
            for ours, theirs in zip(answer(pool, ids, 5), expected, strict=True):
                assert np.array_equal(ours, theirs)
    # Two that share a beginning, in turns.
    one, two = pool.acquire(texts[0]), pool.acquire(texts[1])
    assert one.cached_tokens and two.cached_tokens and one._entry is not two._entry


@newer
def test_rows_of_a_batch_are_as_alone(qwen: OrtEngine) -> None:
    texts = [IDS[:5], IDS[10:50], IDS[60:61], IDS[10:50]]

    def stepped(rows: list[list[int]]) -> list[np.ndarray]:
        cache = qwen.batch_cache(len(rows))
        for row, ids in enumerate(rows):
            copied = cache.start_row(row, ids)
            cache.extend_row(row, ids[copied:])
        steps = [cache.step([n + 20] * len(rows)).copy() for n in range(4)]
        return [np.stack([step[row] for step in steps]) for row in range(len(rows))]

    for together, ids in zip(stepped(texts), texts, strict=True):
        assert np.array_equal(together, stepped([ids])[0])
    cache = qwen.batch_cache(3)
    cache.extend_row(0, IDS[:20])
    cache.copy_prefix(0, 2)
    logits = cache.step([5, 6, 5])
    assert np.array_equal(logits[0], logits[2])


@newer
def test_bytes_are_counted_and_targets_found(qwen: OrtEngine, tmp_path: Path) -> None:
    shape = qwen.shape
    assert (len(shape.sizes), shape.state_layers, shape.state_heads) == (1, 4, 4)
    assert shape.state_bytes == 4 * 4 * (4 * 24 * 16 + 3 * (2 * 2 * 16 + 4 * 24))
    assert qwen.cache().nbytes >= shape.state_bytes + 256 * shape.token_bytes
    families.make("qwen3.5", tmp_path)
    spec = checkpoint(tmp_path).spec
    assert {"linear_qkv", "linear_z", "linear_out", "q", "q_gate"} <= set(resolve_targets(spec, "all"))
    assert set(resolve_targets(spec, ["q_proj", "in_proj_z"])) == {"q", "q_gate", "linear_z"}


def states(rows: int = 1) -> RecurrentStates:
    return RecurrentStates(2, (3, 4, 5), (3, 6), rows)


def test_checkpoints_are_kept_thinned_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    one = 4 * 2 * (3 * 4 * 5 + 3 * 6)
    monkeypatch.setattr(recurrent_state, "BUDGET", 4 * one)
    found = states()
    for total in (100, 200, 300, 400, 500, 600):
        found._state[:] = total
        found.note(0, [total], 100)
    places = [item.length for item in found._checkpoints[0]]
    assert len(places) == 4 and places[-1] == 600 and places[0] <= 200
    assert found.nbytes == 5 * one and found.is_at(0, 600)
    assert found.checkpoint_before(0, 599) == places[-2] and found.checkpoint_before(0, 1) == 0
    assert (
        found.restore(0, 599) == places[-2]
        and found._state.max() == places[-2]
        and found.is_at(0, places[-2])
    )
    found.forget(0, places[0])
    assert [item.length for item in found._checkpoints[0]] == places[:1] and not found.is_at(0, places[-2])
    assert found.restore(0, 50) == 0 and not found._state.any()


def test_a_token_of_an_answer_is_no_checkpoint_but_now_and_then() -> None:
    found = states()
    for total in range(1, 2 * recurrent_state.INTERVAL + 1):
        found.note(0, [total], 1)
    assert [item.length for item in found._checkpoints[0]] == [128, 256]


def test_a_copy_of_a_place_that_is_not_known_is_of_no_use() -> None:
    source, target = states(), states(2)
    source._state[:] = 7
    source.note(0, [10], 10)
    source._lengths[0] = 12  # two tokens further
    target.copy(source, 0, 1, 10)
    assert target.is_at(1, 10) and target._state[:, 1].min() == 7 and not target._state[:, 0].any()
    target.copy(source, 0, 1, 11)
    assert not target.is_at(1, 11) and target.restore(1, 11) == 10
    target.copy(source, 0, 1, 12)
    assert target.is_at(1, 12)
