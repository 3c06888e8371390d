"""A run goes on from whatever stopped it, under settings that leave it the same run, and is refused otherwise."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prefalign.config import RunConfig
from prefalign.errors import Interrupted, TrainingFailed
from prefalign.progress import Silence
from prefalign.records.run import read_metrics, read_run
from prefalign.run import train
from prefalign.survival.checkpoints import MANIFEST, damage, newest_checkpoint
from prefalign.survival.identity import (
    Identity,
    read_identity,
    refuse_another_run,
    refuse_other_settings,
    write_identity,
)
from prefalign.survival.stopping import Stopped
from prefdata.errors import PrefError
from tests.prefalign.listener import Listener
from tests.prefalign.toys import write_toy_pairs
from tests.tiny import write_tiny_model


def config(directory: Path, **groups: dict[str, Any]) -> RunConfig:
    """Four steps of DPO with a checkpoint at every second, and a constant learning rate."""
    settings: dict[str, dict[str, Any]] = {
        "data": {
            "train": str(directory / "train.parquet"),
            "test": str(directory / "test.parquet"),
        },
        "model": {"name": str(directory / "model")},
        "method": {"name": "dpo"},
        "optim": {
            "learning_rate": 1e-3, "scheduler": "constant", "warmup_ratio": 0.0, "max_steps": 4
        },
        "batch": {"global_batch_size": 4, "micro_batch_size": 2},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "output": {"dir": str(directory / "run"), "save_every_steps": 2},
    }  # fmt: skip
    merged = {name: settings.get(name, {}) | groups.get(name, {}) for name in settings | groups}
    return RunConfig.model_validate(merged)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """A run that was killed after its third step, and the metrics it would have had."""
    directory = tmp_path_factory.mktemp("stopped")
    write_toy_pairs(directory / "train.parquet", 12)
    write_toy_pairs(directory / "test.parquet", 3, first=100)
    shutil.copytree(tiny_model, directory / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFALIGN_CACHE", str(directory / "cache"))
        train(config(directory), Silence())
    run = directory / "run"
    shutil.copytree(run, directory / "undisturbed")
    for name in ("checkpoint-4", "model"):
        shutil.rmtree(run / name)
    (run / "run.json").unlink()
    return directory


@pytest.fixture
def place(stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, to spoil."""
    shutil.copytree(stopped, tmp_path / "place")
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "place" / "cache"))
    return tmp_path / "place"


def other_model(place: Path) -> None:
    shutil.rmtree(place / "model")
    write_tiny_model(place / "model", seed=1)


def other_data(place: Path) -> None:
    write_toy_pairs(place / "train.parquet", 13)


def other_test(place: Path) -> None:
    write_toy_pairs(place / "test.parquet", 3, first=200)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (other_model, r"model.name: its weights differ \(hash [0-9a-f]{12} then, [0-9a-f]{12} now\)"),
        (other_data, r"data.train: its tokens differ \(hash .*\); 12 pairs then, 13 now"),
        (other_test, r"data.test: its tokens differ"),
    ],
)  # fmt: skip
def test_what_the_files_hold_is_compared(
    place: Path, change: Callable[[Path], None], difference: str
) -> None:
    change(place)
    with pytest.raises(PrefError, match=difference) as refused:
        train(config(place), Silence(), resume=True)
    assert "the run in it was another one" in refused.value.message
    assert "--overwrite" in (refused.value.hint or "")
    assert newest_checkpoint(place / "run") == place / "run" / "checkpoint-2"


@pytest.mark.parametrize(
    ("groups", "difference"),
    [
        ({"optim": {"learning_rate": 2e-3}}, "optim.learning_rate: 0.001 then, 0.002 now"),
        ({"optim": {"seed": 1}}, "optim.seed: 0 then, 1 now"),
        ({"optim": {"scheduler": "linear"}}, "optim.scheduler: constant then, linear now"),
        ({"batch": {"global_batch_size": 6}}, "batch.global_batch_size: 4 then, 6 now"),
        ({"method": {"name": "orpo"}}, "method.name: dpo then, orpo now"),
        ({"method": {"beta": 0.2}}, "method.beta: 0.1 then, 0.2 now"),
        ({"method": {"loss": {"sigmoid": 1, "sft": 0.5}}}, "method.loss: sigmoid then, "),
        ({"model": {"lora": {"r": 4}}}, "model.lora: not set then, {'r': 4"),
        ({"data": {"max_length": 512}}, "data.max_length: 1024 then, 512 now"),
    ],
)
def test_settings_that_make_another_run(
    stopped: Path, groups: dict[str, Any], difference: str
) -> None:
    with pytest.raises(PrefError) as refused:
        refuse_other_settings(config(stopped, **groups))
    assert f"\n  {difference}" in refused.value.message


def test_every_difference_is_named_at_once(stopped: Path) -> None:
    changed = config(stopped, optim={"seed": 1}, batch={"global_batch_size": 8})
    with pytest.raises(PrefError) as refused:
        refuse_other_settings(changed)
    assert len(refused.value.message.splitlines()) == 3


def test_more_steps_are_another_run_where_learning_rates_depend_on_their_number(
    tmp_path: Path,
) -> None:
    for scheduler, warmup, same in (("constant", 0.0, True), ("constant", 0.1, False),
                                    ("cosine", 0.0, False)):  # fmt: skip
        optim = {"scheduler": scheduler, "warmup_ratio": warmup}
        write_identity(tmp_path / "run", identity(config(tmp_path, optim=optim)))
        longer = config(tmp_path, optim=optim | {"max_steps": 8})
        if same:
            refuse_other_settings(longer)
        else:
            with pytest.raises(PrefError, match=r"optim\.max_steps: 4 then, 8 now"):
                refuse_other_settings(longer)


def identity(run: RunConfig, **changes: Any) -> Identity:
    facts = {
        "config": run.model_dump(mode="json"), "precision": "fp32", "model": "m", "train_tokens": "t",
        "train_pairs": 1, "test_tokens": None, "division": None,
    }  # fmt: skip
    return Identity.model_validate(facts | changes)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"precision": "bf16"}, "hardware.precision: fp32 then, bf16 now"),
        ({"division": "fsdp2"}, "the model: whole in every process then, fsdp2 now"),
    ],
)
def test_how_it_runs(tmp_path: Path, changes: dict[str, Any], difference: str) -> None:
    run = config(tmp_path)
    write_identity(tmp_path, identity(run))
    refuse_another_run(tmp_path, identity(run))
    with pytest.raises(PrefError, match=difference):
        refuse_another_run(tmp_path, identity(run, **changes))


def test_what_may_change_changes_no_loss(place: Path) -> None:
    shutil.move(place / "train.parquet", place / "moved.parquet")
    shutil.move(place / "model", place / "elsewhere")
    said = Listener()
    changed = config(
        place,
        data={"train": str(place / "moved.parquet")},
        model={"name": str(place / "elsewhere")},
        batch={"micro_batch_size": 3},
        hardware={"gradient_checkpointing": True},
        eval={"every_steps": 3},
        output={"save_every_steps": 1, "log_every_steps": 1},
    )
    train(changed, said, resume=True)
    assert "going on after step 2" in said.lines
    before = [
        line["loss"] for line in read_metrics(place / "undisturbed") if line["kind"] == "train"
    ]
    after = [line["loss"] for line in read_metrics(place / "run") if line["kind"] == "train"]
    assert after == pytest.approx(before, abs=2e-6)
    assert after[:2] == before[:2]
    assert [line["step"] for line in read_metrics(place / "run") if line["kind"] == "eval"] == [
        0,
        3,
        4,
    ]
    assert sorted(path.name for path in (place / "run").glob("checkpoint-*")) == [
        "checkpoint-3", "checkpoint-4"
    ]  # fmt: skip


def test_costs_add_up_over_starts(place: Path) -> None:
    cost = read_run(place / "undisturbed").cost
    train(config(place), Silence(), resume=True)
    whole = read_run(place / "run").cost
    assert (whole.reference_pairs, whole.steps, whole.pairs_seen) == (15, 4, cost.pairs_seen)
    first = (place / "run" / "checkpoint-2" / MANIFEST).read_text()
    assert whole.seconds > float(first.partition('"seconds": ')[2].partition(",")[0])


def test_a_checkpoint_cut_off_since(place: Path) -> None:
    train(config(place, optim={"max_steps": 6}), Silence(), resume=True)  # checkpoints 4 and 6
    (place / "run" / "run.json").unlink()
    os.truncate(place / "run" / "checkpoint-6" / "optimizer.pt", 1000)
    said = Listener()
    train(config(place, optim={"max_steps": 6}), said, resume=True)
    assert any("checkpoint-6/optimizer.pt: has 1,000 bytes" in line for line in said.lines)
    assert "going on after step 4" in said.lines
    losses = [line["loss"] for line in read_metrics(place / "run") if line["kind"] == "train"]
    undisturbed = read_metrics(place / "undisturbed")
    assert losses[:4] == [line["loss"] for line in undisturbed if line["kind"] == "train"]
    assert len(losses) == 6


def test_a_run_that_had_come_to_its_last_step(place: Path) -> None:
    """Killed between its last checkpoint and its record, in the middle of an epoch: no step is added."""
    directory = place / "undisturbed"
    (directory / "run.json").unlink()
    before = read_metrics(directory)
    train(config(place, output={"dir": str(directory)}), Silence(), resume=True)
    assert [line["step"] for line in read_metrics(directory)] == [line["step"] for line in before]
    assert read_run(directory).cost.steps == 4


def test_identity_is_there_from_the_start(stopped: Path) -> None:
    found = read_identity(stopped / "run")
    assert found is not None
    assert found.train_pairs == 12
    assert read_identity(stopped) is None


def evaluations(run: Path) -> list[int]:
    return [line["step"] for line in read_metrics(run) if line["kind"] == "eval"]


def test_an_evaluation_is_not_waited_for_and_made_up_for(place: Path) -> None:
    write_toy_pairs(place / "test.parquet", 40, first=200)
    often: dict[str, Any] = {
        "eval": {"every_steps": 2, "micro_batch_size": 1},
        "output": {"dir": str(place / "often"), "save_every_steps": 100},
    }
    with pytest.raises(Interrupted, match="stopped after step 2 of 4, which is saved") as stopped:
        train(config(place, **often), Listener(signal.SIGINT, 2))
    assert stopped.value.exit_code == 130
    assert evaluations(place / "often") == [0]
    train(config(place, **often), Silence(), resume=True)
    assert evaluations(place / "often") == [0, 2, 4]
    train(config(place, **often | {"output": {"dir": str(place / "whole")}}), Silence())
    stopped_and_resumed, whole = read_metrics(place / "often"), read_metrics(place / "whole")
    for key in ("kind", "step", "loss", "margin_reference"):
        assert [line.get(key) for line in stopped_and_resumed] == [line.get(key) for line in whole]


def test_a_signal_before_training_leaves_nothing_half_done(place: Path) -> None:
    class Early(Silence):
        def say(self, text: str) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Stopped) as stopped:
        train(config(place, output={"dir": str(place / "early")}), Early())
    assert stopped.value.number == signal.SIGTERM
    assert not (place / "early" / "metrics.jsonl").exists()


def test_a_disk_that_fills_costs_nothing_that_was_saved(place: Path, small_disk: Path) -> None:
    run = small_disk / "run"
    there = config(place, optim={"max_steps": 5}, output={"dir": str(run), "save_every_steps": 1})
    with pytest.raises(TrainingFailed, match="checkpoint-3: cannot be written, with ") as stopped:
        train(there, Silence())
    assert stopped.value.exit_code == 1
    assert (stopped.value.hint or "").startswith("make room, then go on from checkpoint-2: ")
    assert [damage(run / f"checkpoint-{step}") for step in (1, 2)] == [None, None]
    assert not (run / ".saving").exists()

    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    listener = Listener()
    train(there, listener, resume=True)
    assert "going on after step 2" in listener.lines
    losses = [line["loss"] for line in read_metrics(run) if line["kind"] == "train"]
    undisturbed = [line for line in read_metrics(place / "undisturbed") if line["kind"] == "train"]
    assert losses[:4] == [line["loss"] for line in undisturbed]
    assert len(losses) == 5
