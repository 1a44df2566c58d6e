"""A run from its rows to its end: what it plans, when it stops, and that nothing is lost on the way."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import llm_magics
from llm_magics import Model, ModelFileError, StoreError, UsageError
from llm_magics.models.adapters.lora import load_adapter
from llm_magics.models.origin import Origin
from llm_magics.sources import adapters, store
from llm_magics.tuning import training_loop
from llm_magics.tuning.checkpoint import PARAMETERS, STATE, Checkpoint
from llm_magics.tuning.dataset import read_rows
from llm_magics.tuning.evaluation import completion_nll, longest_verbatim_match, perplexity
from llm_magics.tuning.options import TuneOptions, tune_options
from llm_magics.tuning.plan import Tier, steps_for, tier_for
from llm_magics.tuning.run import TuneRun, run_to_end
from llm_magics.tuning.training.trainer import Trainer
from llm_magics.tuning.training_loop import CHECKED, REPORTED
from llm_magics.tuning.view_record import view_record
from llm_magics.views.tuning import plain
from tests.support.runs import ROWS, run_of


@pytest.fixture
def model(home: Path, tiny_gguf: Path) -> Model:
    return llm_magics.load(str(tiny_gguf))


def test_from_rows_to_an_adapter(model: Model) -> None:
    run = run_to_end(run_of(model, learning_rate=0.01))
    assert run.state in ("done", "stopped") and run.message and run.plan and "as asked" in run.plan.reason
    assert [step.step for step in run.history] == list(range(1, len(run.history) + 1))
    assert run.heldout_losses[run.best] < run.heldout_losses[0] and run.adapter_step == run.best
    assert len(run.split.train) == 18 and len(run.split.validation) == len(run.split.test) == 3
    assert run.perplexity.after < run.perplexity.before and run.perplexity.rows == 3
    low, high = run.perplexity.after_interval
    assert low <= run.perplexity.after <= high
    # Questions of rows that are held out are asked, before and after.
    aside = {example.row for example in (*run.split.validation, *run.split.test)}
    assert {ROWS.index((p, a)) + 1 for p, a in ROWS if p in run.base_answers} <= aside and len(
        run.base_answers
    ) == 3
    assert run.samples[-1].step == run.best
    pair = run.compare("what is 3")
    assert pair.base.text == model.generate("what is 3", temperature=0, max_tokens=6).text
    assert pair.tuned.model.name == f"{model.name} + tuned"
    run.strength = 0
    assert run.compare("what is 3").tuned.text == pair.base.text
    with pytest.raises(UsageError):
        run.strength = 9
        run.tuned_model  # noqa: B018
    assert run.memory["weights"] > 0 and run.memory["limit"] > 0


def test_it_stops_when_the_held_out_loss_has_turned(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([5.0, 4.0, 3.0, 3.5, 3.6, 3.7, 3.8, 3.9])
    monkeypatch.setattr(Trainer, "loss", lambda *_: next(losses))
    run, seen = run_of(model, steps=24), []
    run_to_end(run, lambda run: seen.append(run.loss_rising))
    assert run.state == "done" and run.best == 6 and run.step == 12 and "rose after it" in run.message
    assert True in seen and run.adapter_step == 6 and run.samples[-1].step == 6


def test_more_steps_and_back(model: Model) -> None:
    run = run_to_end(run_of(model))
    run.resume(more=5)
    assert run.step >= 17 and run.state == "done"
    run.revert_to_best()
    assert run.adapter_step == run.best
    with pytest.raises(UsageError):
        run.extend(0)
    with pytest.raises(UsageError):
        run_of(model).extend(3)


def test_orders_are_followed(model: Model) -> None:
    run, states = run_of(model, steps=200), []

    def watch(run: TuneRun) -> None:
        states.append(run.state)
        if run.step == 5 and "paused" not in states:
            run.pause()
        elif states.count("paused") == 3:
            run.pause(False)
        if run.step == 9:
            run.stop()

    run_to_end(run, watch)
    assert states.count("paused") == 3 and run.step == 9 and run.state == "stopped"
    assert run.adapter_step == 9  # what is kept is what was there


def test_an_interrupt_loses_nothing(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every moment there is: afterwards the run goes on, and ends where it would have."""
    plain = run_to_end(run_of(model, prompts=("hello",)))
    moments = sum(1 for _ in run_of(model, prompts=("hello",)).train_steps())
    for at in sorted({*range(1, moments + 1, 3), moments - 3, moments - 2}):
        run = run_of(model, prompts=("hello",))
        moment = run.train_steps()
        for _ in range(at):
            next(moment)
        with pytest.raises(KeyboardInterrupt):
            moment.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
        assert run.state == "interrupted"
        assert not run.history or run.adapter.nbytes
        run.resume()
        assert run.state == plain.state and run.adapter_step == plain.adapter_step
        losses = [[step.loss for step in each.history] for each in (run, plain)]
        assert np.allclose(*losses, atol=1e-5)


def test_no_number_stops_and_keeps_the_last_good(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    real, count = Trainer.advance, 0

    def advance(self: Trainer, done: Any) -> tuple[float, int]:
        nonlocal count
        count += 1
        return (float("nan"), 0) if count > 7 else real(self, done)

    monkeypatch.setattr(Trainer, "advance", advance)
    run = run_to_end(run_of(model))
    assert run.state == "failed" and "no number at step 8" in run.message and run.step == 7
    assert (
        run.adapter_step == run.best and np.isfinite(run.adapter.pairs[next(iter(run.adapter.pairs))].b).all()
    )
    monkeypatch.setattr(Trainer, "advance", lambda self, done: (float("nan"), 0))
    first = run_to_end(run_of(model))
    assert first.state == "failed" and "step 1" in first.message


@pytest.mark.parametrize("rows", [ROWS[:1], ROWS[:2], ["x" * 100_000], [("a", "b" * 100_000)] * 3])
def test_few_and_long_rows(model: Model, rows: Any) -> None:
    run = run_to_end(run_of(model, rows, steps=3, max_length=64, prompts=("hi",)))
    assert run.state == "done" and run.adapter and run.perplexity is None
    assert any("too few rows" in note for note in run.notes)
    if len(str(rows)) > 1000:
        assert any("cut at 64 tokens" in note for note in run.notes)
    with pytest.raises(UsageError, match="no validation rows"):
        run.revert_to_best()


def test_minutes_are_a_ceiling(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    real, now = Trainer.advance, 0.0

    def slow(self: Trainer, done: Any) -> tuple[float, int]:
        nonlocal now
        now += 0.05 + 0.01 * self.step  # slower and slower
        return real(self, done)

    monkeypatch.setattr(Trainer, "advance", slow)
    # A clock of its own: how busy the machine is does not matter.
    monkeypatch.setattr(training_loop, "time", SimpleNamespace(perf_counter=lambda: now, sleep=time.sleep))
    run = run_to_end(run_of(model, minutes=0.1, steps=1000))
    assert now < 6 and 10 < run.step < 1000 and run.state == "done"
    assert "fit into 0.1 min" in run.plan.reason


def test_a_checkpoint_goes_on(model: Model, tmp_path: Path) -> None:
    whole = run_to_end(run_of(model, steps=16))
    first = run_of(model, steps=16, resume=tmp_path / "kept")
    for _ in first.train_steps():
        if first.step == 11:
            break
    names = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert len(names) == 2 and names[0].endswith(PARAMETERS) and names[1] == STATE
    again = run_of(model, steps=16, resume=tmp_path / "kept")
    run_to_end(again)
    assert again.history[0].seconds == first.history[0].seconds  # it did not begin anew
    ours, theirs = ([step.loss for step in run.history] for run in (again, whole))
    assert np.allclose(ours, theirs, atol=1e-5) and again.heldout_losses.keys() == whole.heldout_losses.keys()
    for other, what in (
        (run_of(model, ROWS[1:], steps=16, resume=tmp_path / "kept"), "rows"),
        (run_of(model, steps=16, rank=4, resume=tmp_path / "kept"), "rank"),
    ):
        with pytest.raises(UsageError, match=f"other {what}"):
            run_to_end(other)
    (tmp_path / "kept" / STATE).write_text(json.dumps({"parameters": "../../etc/passwd"}))
    with pytest.raises(ModelFileError, match="damaged"):
        run_to_end(run_of(model, steps=16, resume=tmp_path / "kept"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="has no checkpoint"):
        Checkpoint(tmp_path / "other")


def test_rows_that_there_is_no_time_to_read_are_left_out(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CI of a slow processor: computing the frozen layers of all rows took twice the minute."""
    monkeypatch.setattr(training_loop, "time", SimpleNamespace(perf_counter=lambda: 0.0))
    loop = training_loop.TrainingLoop(run_of(model, minutes=1), None)
    for _ in loop._prepare():
        pass
    total, loop.end_at, loop._row_s, loop.reserve_s = len(loop.run.split.train), 10.0, 0.5, 0.0
    loop._limit_rows(Tier(0, 2, ""))
    rows = len(loop.run.split.train)
    assert rows + len(loop.run.split.validation) == 12 and len(loop.run.split.validation) <= 3
    assert loop.run.notes[-1].startswith(f"{rows} of {total} rows are trained on")
    monkeypatch.undo()
    # A run that goes on learns from the same rows.
    first = run_of(model, steps=6, resume=tmp_path / "kept")
    for _ in first.train_steps():
        if first.step == 5:
            break
    state = json.loads((tmp_path / "kept" / STATE).read_text())
    assert state["rows"] == total
    (tmp_path / "kept" / STATE).write_text(json.dumps({**state, "rows": rows}))
    again = run_of(model, steps=6, resume=tmp_path / "kept")
    run_to_end(again)
    assert len(again.split.train) == rows and again.step == 6


def test_a_full_disk_stops_no_run(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise StoreError("there is no room", hint="make some")

    run = run_of(model, resume=tmp_path / "kept")
    monkeypatch.setattr(store, "require_room", full)
    run_to_end(run)
    assert run.state == "done" and any("there is no room" in note for note in run.notes)
    assert len([note for note in run.notes if "there is no room" in note]) == 1


def test_what_cannot_be_tuned_is_said(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "origin", Origin(model.folder))
    with pytest.raises(UsageError, match="cannot be tuned"):
        run_to_end(run_of(model))
    for given, what in (
        ({"minutes": 0}, "minutes"),
        ({"steps": 0}, "steps"),
        ({"rank": 1000}, "rank"),
        ({"depth": "deep"}, "depth"),
        ({"learning_rate": 2}, "learning_rate"),
        ({"stepps": 3}, "Did you mean steps"),
        ({"targets": 3}, "targets"),
    ):
        with pytest.raises(UsageError) as error:
            tune_options(given)
        assert what in f"{error.value}{error.value.hint}"


def test_plans() -> None:
    auto = TuneOptions()

    def tier(full_s: float, left_s: float | None, **options: Any) -> Tier:
        return tier_for(tune_options(options), 30, rows=48, full_s=full_s, left_s=left_s)

    assert tier(0.5, 40) == Tier(0, 8, "all 30 layers: a step takes 0.50 s")
    assert tier(2.5, 40) == Tier(
        22, 8, "the last 8 of 30 layers: with all of them a step takes 2.50 s, and only 16 steps would fit"
    )
    # A1: shallower, then fewer rows a step, and never a number below none.
    assert [
        (each.first_layer, each.batch) for each in (tier(6, 40), tier(11, 40), tier(20, 40), tier(99, 40))
    ] == [
        (26, 8),
        (28, 8),
        (28, 4),
        (28, 2),
    ]
    assert tier(17.5, -20).reason.endswith(
        "2 rows a step: with all of them a step takes 17.50 s, and no step would fit"
    )
    assert (tier(17.5, 20, batch=6).first_layer, tier(17.5, 20, batch=6).batch) == (28, 6)
    assert tier(9, 1, depth=3).first_layer == 27 and tier(9, None).first_layer == 0

    def plan(first: int, rows: int, step_s: float, left_s: float | None, options: Any = auto) -> Any:
        return steps_for(options, Tier(first, 8, "all"), rows=rows, step_s=step_s, left_s=left_s, around_s=6)

    short = plan(0, 48, 9, 1).reason
    assert (
        "1 step (0.2 epochs) fits into 1 min, which is short for this machine: --minutes 3 would make"
        in short
    )
    assert plan(0, 48, 0.5, 40).steps == 30 and "short" not in plan(0, 48, 2, 40).reason
    assert plan(22, 48, 4, 40).steps == 10
    assert plan(22, 2000, 0.1, None).steps == 1125
    assert plan(0, 1, 1, None, tune_options({"steps": 7})).steps == 7


def test_held_out_figures(model: Model) -> None:
    run = run_of(model)
    for _ in run.train_steps():
        if run.history:
            break
    examples = run.split.test
    found = completion_nll(model.engine, examples)
    for (total, count), example in zip(found, examples, strict=True):
        cache = model.engine.cache()
        logits = cache.extend(example.ids, all_logits=True).astype(np.float64)
        logprobs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        expected = [
            -logprobs[n - 1, example.ids[n]] for n in range(1, len(example.ids)) if example.loss_mask[n]
        ]
        assert total == pytest.approx(sum(expected), rel=1e-2) and count == len(expected)
    same = perplexity(found, found)
    assert same.change == 1 and same.change_interval == (1, 1) and "that nothing was chosen on" in str(same)
    halved = found * [0.5, 1]
    assert perplexity(found, halved).change < 1 and CHECKED and REPORTED
    taught = [token for token, learnt in zip(examples[0].ids, examples[0].loss_mask, strict=True) if learnt]
    assert longest_verbatim_match([5, *taught[1:4], 5], examples[:1]) == (3, examples[0].row)
    assert longest_verbatim_match([], examples) == (0, 0)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_so_many_steps_as_asked(model: Model, steps: int) -> None:
    """M24: two were asked for, and three were made."""
    run = run_to_end(run_of(model, steps=steps))
    assert len(run.history) == run.step == run.total == steps and f"{steps} step" in run.plan.reason


def test_what_is_said_of_rows_reaches_the_run(model: Model) -> None:
    rows = [*({"prompt": p, "completion": a, "id": 1} for p, a in ROWS), {"prompt": "x"}]
    run = run_to_end(run_of(model, rows, steps=2))
    assert run.notes[0].startswith("left out: row 25") and "not used: id" in run.notes[1]


def test_an_interrupted_check_is_made_again(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A13: the check was lost, and another adapter kept."""
    whole = run_to_end(run_of(model, steps=12))
    real, count = Trainer.loss, 0

    def loss(self: Trainer, examples: Any) -> float:
        nonlocal count
        count += 1
        if count in (2, 4, 5):
            raise KeyboardInterrupt
        return real(self, examples)

    monkeypatch.setattr(Trainer, "loss", loss)
    run = run_of(model, steps=12)
    interrupts = 0
    while run.state not in ("done", "stopped"):
        try:
            run_to_end(run)
        except KeyboardInterrupt:
            interrupts += 1
    assert interrupts == 3 and run.heldout_losses == whole.heldout_losses and run.best == whole.best
    assert [(step.step, step.loss) for step in run.history] == [
        (step.step, step.loss) for step in whole.history
    ]
    assert run.adapter.digest == whole.adapter.digest


def test_an_interrupt_does_not_cut_a_step_in_two(model: Model) -> None:
    """A13: what comes while the parameters are changed is heard when they, and the history, are new."""
    import signal
    import threading

    whole = run_to_end(run_of(model, steps=8))
    run, interrupts = run_of(model, steps=8), 0
    while run.state not in ("done", "stopped"):
        timer = threading.Timer(0.02 + 0.013 * (interrupts % 7), signal.raise_signal, [signal.SIGINT])
        timer.start()
        try:
            run_to_end(run)
        except KeyboardInterrupt:
            interrupts += 1
        finally:
            timer.cancel()
        assert [step.step for step in run.history] == list(range(1, run.step + 1)) and interrupts < 400
        if interrupts == 30:
            break
    if run.state not in ("done", "stopped"):
        run_to_end(run)
    assert [(step.step, step.loss) for step in run.history] == [
        (step.step, step.loss) for step in whole.history
    ]


def test_the_number_format_is_the_processors_and_stays(model: Model, tmp_path: Path) -> None:
    """A20: it was chosen by a timing, so that the same run was another one now and then."""
    from llm_magics.tuning.training import hardware

    first = run_of(model, steps=8, resume=tmp_path / "kept")
    for _ in first.train_steps():
        if first.step == 5:
            break
    state = json.loads((tmp_path / "kept" / STATE).read_text())
    assert state["number_format"] == str(hardware.fastest_dtype()).removeprefix("torch.")
    state["number_format"] = "float32"
    (tmp_path / "kept" / STATE).write_text(json.dumps(state))
    again = run_of(model, steps=8, resume=tmp_path / "kept")
    run_to_end(again)
    assert str(again._loop.trainer.network.kind) == "torch.float32"


def test_folders_that_are_no_checkpoint(model: Model, tmp_path: Path) -> None:
    """A17: what a killed first write leaves. A18: a saved adapter. A25: a file."""
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "0123.parameters.safetensors.partial").write_bytes(b"half")
    assert run_to_end(run_of(model, steps=2, resume=tmp_path / "begun")).state == "done"
    assert not list((tmp_path / "begun").glob("*.partial"))
    run = run_to_end(run_of(model, steps=2))
    run.save(tmp_path / "adapter")
    with pytest.raises(UsageError, match="saved adapter") as error:
        Checkpoint(tmp_path / "adapter")
    assert "remove" not in error.value.hint
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is not a folder"):
        Checkpoint(tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="has no checkpoint"):
        Checkpoint(tmp_path / "other")


@pytest.mark.parametrize(
    "key", ["step", "total", "best", "history", "checks", "plan", "options", "parameters", "model", "rows"]
)
def test_odd_checkpoints_are_errors_in_words(model: Model, tmp_path: Path, key: str) -> None:
    """A25: six kinds ended in raw errors."""
    first = run_of(model, steps=6, resume=tmp_path / "kept")
    for _ in first.train_steps():
        if first.step == 5:
            break
    whole = json.loads((tmp_path / "kept" / STATE).read_text())
    for odd in (None, -1, 1.5, "x", [], {}, [[]], [1], 10**30, {"first": -1}, {"first": 0, "every": 0}, True):
        (tmp_path / "kept" / STATE).write_text(json.dumps({**whole, key: odd}))
        try:
            run_to_end(run_of(model, steps=6, resume=tmp_path / "kept"))
        except llm_magics.LLMMagicsError as error:
            assert "remove the folder" not in error.hint


def test_a_long_history_is_read_again(model: Model, tmp_path: Path) -> None:
    """A14: what was written of 305,000 steps was called damaged."""
    first = run_of(model, steps=6, resume=tmp_path / "kept")
    for _ in first.train_steps():
        if first.step == 5:
            break
    state = json.loads((tmp_path / "kept" / STATE).read_text())
    state["history"] = [[n, 1.23456789012345, 400, 0.123456789] for n in range(1, 400_001)]
    (tmp_path / "kept" / STATE).write_text(json.dumps(state))
    assert (tmp_path / "kept" / STATE).stat().st_size > 16 << 20
    assert Checkpoint(tmp_path / "kept").read() is not None


def test_a_named_run_is_kept_on_the_disk(model: Model, home: Path) -> None:
    """B5: what was taught was lost with the kernel."""

    def new(seed: int, name: str = "robot") -> TuneRun:
        options = tune_options({"max_tokens": 6, "steps": 4, "batch": 4, "seed": seed, "eval_fraction": 0})
        return TuneRun(model, read_rows(ROWS), options, name=name, keep=True)

    run = run_to_end(new(1))
    assert "kept as robot: %%llm -a robot uses it, after a restart too" in run.notes
    again = model.with_adapter("robot")
    assert (
        again.generate("what is 3", temperature=0).text
        == run.tuned_model.generate("what is 3", temperature=0).text
    )
    first = adapters.find("robot")
    assert first is not None and first.run == run.id
    run.resume(more=4)  # the same run: its own adapter is written anew
    assert [each.name for each in adapters.entries()] == ["robot"]
    other = run_to_end(new(2))
    assert any("the earlier adapter of that name is now robot-1" in note for note in other.notes)
    assert [each.name for each in adapters.entries()] == ["robot", "robot-1"]
    unnamed = run_to_end(run_of(model, steps=2))
    assert not any("kept as" in note for note in unnamed.notes) and len(adapters.entries()) == 2
    odd = run_to_end(new(3, "my robot"))
    assert odd.state == "done" and any("is not kept on the disk" in note for note in odd.notes)
    with pytest.raises(UsageError, match="unknown adapter 'ghost'") as error:
        model.with_adapter("ghost")
    assert error.value.hint == "Choose one of robot, robot-1, or a folder."


def test_a_run_is_kept_and_forgotten_on_demand(model: Model, home: Path) -> None:
    """What the view's Save and Delete do."""
    run = run_of(model, steps=3, eval_fraction=0)
    with pytest.raises(UsageError, match="no adapter"):
        run.keep_as("mine")
    run_to_end(run)
    assert not adapters.entries() and view_record(run)["kept"] == ""
    with pytest.raises(UsageError, match="not a valid name"):
        run.keep_as("../mine")
    run.keep_as("mine")
    found = adapters.find("mine")
    assert found is not None and found.run == run.id and view_record(run)["kept"] == "mine"
    run.forget()
    assert not adapters.entries() and view_record(run)["kept"] == ""
    with pytest.raises(UsageError, match="not saved"):
        run.forget()
    run.keep_as("mine")
    other = run_of(model, steps=3, seed=2, eval_fraction=0)
    run_to_end(other)
    other.keep_as("mine")
    with pytest.raises(UsageError, match="not saved"):
        run.forget()  # that name is another run's now
    assert [each.name for each in adapters.entries()] == ["mine", "mine-1"]


def test_an_interrupted_run_is_kept_too(model: Model, home: Path) -> None:
    run = TuneRun(model, read_rows(ROWS), tune_options({"steps": 8, "batch": 4}), name="half", keep=True)
    moments = run.train_steps()
    while run.step < 5:
        next(moments)
    with pytest.raises(KeyboardInterrupt):
        moments.throw(KeyboardInterrupt())  # type: ignore[attr-defined]
    kept = adapters.find("half")
    assert run.state == "interrupted" and kept is not None
    assert any(pair.b.any() for pair in load_adapter(kept.folder).pairs.values())


@pytest.mark.parametrize(
    ("slow_s", "what"),
    [
        (17.5, "a step took 17.5 s; --minutes 5 would make about 15 steps"),
        (0.1, "give more rows, or a lower"),
    ],
)
def test_a_run_that_learnt_nothing_says_so(
    model: Model, monkeypatch: pytest.MonkeyPatch, slow_s: float, what: str
) -> None:
    """A1: on a slow machine it said "Tuned", of three steps that were not kept."""
    real, now = Trainer.advance, 0.0

    def slow(self: Trainer, done: Any) -> tuple[float, int]:
        nonlocal now
        now += slow_s
        return real(self, done)

    monkeypatch.setattr(Trainer, "advance", slow)
    monkeypatch.setattr(Trainer, "loss", lambda self, rows: 2.0 + self.step)
    monkeypatch.setattr(training_loop, "time", SimpleNamespace(perf_counter=lambda: now, sleep=time.sleep))
    run = run_to_end(run_of(model, minutes=1, steps=60, keep=True))
    assert run.state == "done" and run.adapter_step == 0
    assert any(note.startswith("nothing was learnt: ") and what in note for note in run.notes)
    shown = plain(view_record(run))
    assert shown.startswith("Nothing was learnt") and "kept as" not in shown
    monkeypatch.setattr(Trainer, "loss", lambda self, rows: 9.0 - self.step / 100 - (self.step > 0) * 8)
    run.heldout_losses = {}
    run.resume(more=4)  # more steps helped: the note is gone
    assert run.adapter_step and not any("nothing was learnt" in note for note in run.notes)
