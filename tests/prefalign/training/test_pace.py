"""Speed in the logs of real runs, useful work against the plan's count, and trackers."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tensorboardX.proto.event_pb2 import Event
from transformers import TrainerCallback
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from prefalign.config import RunConfig
from prefalign.data.batches import global_batches, pair_tokens
from prefalign.data.dataset import PairDataset
from prefalign.data.pair_set import read_set
from prefalign.plan.flops import training
from prefalign.plan.schedule import training_passes
from prefalign.plan.shape import read_shape
from prefalign.progress import Silence
from prefalign.run import train
from prefalign.trainer import training_arguments
from prefalign.training.pace import Pace, UsefulWork
from prefdata.errors import PrefError
from tests.command import prefalign
from tests.prefalign.listener import Listener
from tests.prefalign.toys import write_toy_pairs


@pytest.fixture
def settings(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Three steps of DPO on 19 pairs: 8, 8 and 3 of them."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    return {
        "data": {
            "train": str(write_toy_pairs(tmp_path / "train.parquet", 19)),
            "test": str(write_toy_pairs(tmp_path / "test.parquet", 6, first=100)),
        },
        "model": {"name": str(tiny_model)},
        "method": {"name": "dpo"},
        "batch": {"global_batch_size": 8, "micro_batch_size": 3},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "eval": {"every_steps": 2},
        "output": {"dir": str(tmp_path / "run")},
    }


def test_every_log_line_says_how_fast(settings: dict[str, Any]) -> None:
    config = RunConfig.model_validate(settings)
    train(config, Silence())
    text = (config.output.dir / "metrics.jsonl").read_text()
    lines = [line for line in map(json.loads, text.splitlines()) if line["kind"] == "train"]
    data = PairDataset(read_set(config.data.train, config).store.table)
    tokens = pair_tokens(data)
    for line, share in zip(lines, global_batches(config, data), strict=True):
        places = np.concatenate([micro.pairs for micro in share])
        seconds = len(places) / line["pairs_per_second"]
        assert 0 < seconds < 60
        assert line["tokens_per_second"] * seconds == pytest.approx(tokens[places].sum())
        assert "mfu" not in line  # nobody knows the peak of this CPU


def test_pauses_are_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    pace = Pace()
    pace.begin(40)  # resumed
    now[0] += 6
    pace.pause(2)
    assert pace.take(42) == (40, 4)
    now[0] += 50  # a checkpoint
    pace.restart()
    now[0] += 3
    assert pace.take(43) == (42, 3)


@pytest.mark.parametrize("lora", [None, {"r": 4}])
@pytest.mark.parametrize("layout", ["shared", "padded"])
def test_useful_work_is_what_a_plan_counts_whatever_the_layout(
    settings: dict[str, Any], lora: Any, layout: Any
) -> None:
    settings["model"]["lora"] = lora
    config = RunConfig.model_validate(settings)
    shape, _ = read_shape(config.model)
    shared = PairDataset(read_set(config.data.train, config).store.table, layout="shared")
    passes = training_passes(config, shared, 1)
    planned = sum(training(shape, one.reads, checkpointing=False).total for one in passes)

    data = PairDataset(read_set(config.data.train, config).store.table, layout=layout)
    work = UsefulWork(shape, data, peak=1e9)
    for share in global_batches(config, shared):
        for batch in data.__getitems__(share):
            work.add(batch)
    assert work.utilisation(2.0) == pytest.approx(planned / 2e9)
    assert work.utilisation(2.0) == 0


def test_no_peak_is_guessed(settings: dict[str, Any]) -> None:
    config = RunConfig.model_validate(settings)
    data = PairDataset(read_set(config.data.train, config).store.table)
    known = UsefulWork.of_run(config.model, data, "NVIDIA H200", "bf16")
    assert known is not None
    assert known.peak == 989e12
    for device, precision in (
        ("NVIDIA H200", "fp32"),
        ("NVIDIA H100 PCIe", "bf16"),
        ("cpu", "bf16"),
    ):
        assert UsefulWork.of_run(config.model, data, device, precision) is None  # type: ignore[arg-type]


def events(folder: Path) -> Iterator[Event]:
    """The records of TensorBoard's files: length, checksum, event, checksum."""
    for path in folder.rglob("events.out.tfevents.*"):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (length,) = struct.unpack_from("<Q", data, place)
            yield Event.FromString(data[place + 12 : place + 12 + length])
            place += 16 + length


def test_tensorboard_gets_every_metric(settings: dict[str, Any]) -> None:
    settings["output"]["report_to"] = ["tensorboard"]
    config = RunConfig.model_validate(settings)
    train(config, Silence())
    tags = Counter(
        value.tag for event in events(config.output.dir) for value in event.summary.value
    )
    trained = ("loss", "pairs_per_second", "tokens_per_second", "accuracy_reference", "entropy")
    assert [tags[f"train/{name}"] for name in trained] == [3, 3, 3, 3, 3]
    assert tags["eval/accuracy_reference"] == 3  # before, after step 2, and at the end


class Breaking(TrainerCallback):
    """A tracker whose server goes away after it was told `most` times."""

    most = 2

    def __init__(self) -> None:
        self.told: list[str] = []
        Breaking.last = self

    def on_train_begin(self, *_: Any, **_options: Any) -> None:
        if self.most == 0:
            raise OSError("no server\nat all")

    def on_log(self, *_: Any, **_options: Any) -> None:
        if len(self.told) == self.most:
            raise OSError("the server is gone")
        self.told.append("log")

    def on_train_end(self, *_: Any, **_options: Any) -> None:
        self.told.append("end")


@pytest.fixture
def breaking(settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> type[Breaking]:
    """In the place of a tracker that is installed."""
    settings["output"]["report_to"] = ["tensorboard"]
    monkeypatch.setitem(INTEGRATION_TO_CALLBACK, "tensorboard", Breaking)
    return Breaking


def test_a_tracker_that_fails_ends_no_training(
    settings: dict[str, Any], breaking: type[Breaking]
) -> None:
    listener = Listener()
    record = train(RunConfig.model_validate(settings), listener)
    assert record.cost.steps == 3
    warnings = [line for line in listener.lines if line.startswith("warning")]
    assert warnings == [
        "warning: tensorboard failed and is told nothing more (the server is gone); "
        "training goes on, and metrics.jsonl has everything"
    ]
    assert breaking.last.told == ["log", "log"]


def test_a_tracker_hears_of_the_last_evaluation_before_the_end(
    settings: dict[str, Any], breaking: type[Breaking], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaking, "most", 100)
    train(RunConfig.model_validate(settings), Silence())
    # three steps, evaluations before, between and after them, and transformers' summary
    assert breaking.last.told == [*["log"] * 7, "end"]


def test_a_tracker_that_does_not_start_is_an_error(
    settings: dict[str, Any], breaking: type[Breaking], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaking, "most", 0)
    with pytest.raises(PrefError) as caught:
        train(RunConfig.model_validate(settings), Silence())
    assert caught.value.message == "output.report_to: tensorboard does not start: no server"
    assert caught.value.exit_code == 2


def test_nothing_is_told_to_anybody_unless_asked(settings: dict[str, Any]) -> None:
    assert training_arguments(RunConfig.model_validate(settings), "fp32").report_to == []


def test_a_tracker_that_is_not_there_is_named_before_training(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    settings["output"]["report_to"] = ["wandb", "tensorbord"]
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
    ran = prefalign("train", tmp_path / "run.yaml")
    assert ran.returncode == 2
    assert "output.report_to: wandb is not installed" in ran.stderr
    assert "pip install wandb" in ran.stderr
    assert "output.report_to: 'tensorbord' is no tracker" in ran.stderr
    assert "did you mean 'tensorboard'?" in ran.stderr
    assert not (tmp_path / "run").exists()
