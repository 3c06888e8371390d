"""Per-pair records of real runs: whose numbers they are, on two processes, and after kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import torch
import yaml
from peft import PeftModel
from polars.testing import assert_frame_equal
from transformers import AutoModelForCausalLM

from prefalign.config import Data, RunConfig
from prefalign.progress import Silence
from prefalign.records.pair_log import SCHEMA, PairLog
from prefalign.run import train
from prefalign.tokenise import tokenise
from prefdata.errors import ConfigError
from prefdata.scores import read_scores
from prefdata.stats.cartography import cartography
from prefdata.tokens import load_tokenizer
from tests.command import prefdata
from tests.prefalign.toys import write_toy_pairs

TRAIN = [sys.executable, "-m", "prefalign", "train", "run.yaml"]
TWO_PROCESSES = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1",
    "--num_processes", "2", "--mixed_precision", "no", "--dynamo_backend", "no",
    "--main_process_port", "0", "-m", "prefalign", "train", "run.yaml",
]  # fmt: skip


@pytest.fixture
def settings(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two passes over 19 pairs: five steps, of 8, 8, 3, 8 and 8 pairs."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    return {
        "data": {
            "train": str(write_toy_pairs(tmp_path / "train.parquet", 19)),
            "test": str(write_toy_pairs(tmp_path / "test.parquet", 6, first=100)),
        },
        "model": {"name": str(tiny_model), "lora": {"r": 4}},
        "method": {"name": "dpo"},
        "optim": {"learning_rate": 5e-3, "max_steps": 5, "warmup_ratio": 0.0},
        "batch": {"global_batch_size": 8, "micro_batch_size": 3},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "eval": {"every_steps": 2},
        "output": {"dir": str(tmp_path / "run"), "record_train": True, "log_every_steps": 4},
    }


def plain_logps(model: Any, row: dict[str, Any], side: str) -> float:
    """The summed log-prob of a completion, of its sequence alone."""
    ids = torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]])
    with torch.no_grad():
        logps = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    taken = logps.gather(-1, ids[0, 1:, None])[-len(row[f"{side}_ids"]) :]
    return float(taken.double().sum())


def trained_on(frame: pl.DataFrame, step: int) -> list[str]:
    return sorted(frame.filter(pl.col("step") == step)["id"])


def test_rows_are_what_the_policy_said_before_its_step(
    settings: dict[str, Any], tiny_model: Path
) -> None:
    settings["output"] |= {"save_every_steps": 3}
    config = RunConfig.model_validate(settings)
    train(config, Silence())
    frame = pl.read_parquet(config.output.dir / "pairs-train.parquet")
    assert frame["step"].value_counts().sort("step").rows() == [
        (1, 8),
        (2, 8),
        (3, 3),
        (4, 8),
        (5, 8),
    ]
    assert frame.select("step", "epoch").unique().sort("step")["epoch"].to_list() == [0, 0, 0, 1, 1]
    first_pass = sorted(i for step in (1, 2, 3) for i in trained_on(frame, step))
    assert first_pass == sorted(pl.read_parquet(config.data.train)["id"])

    base = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    rows = {row["id"]: row for row in pairs_of(config).to_pylist()}
    policy = PeftModel.from_pretrained(base, str(config.output.dir / "checkpoint-3"))
    for seen in frame.filter(pl.col("step") == 4).iter_rows(named=True):
        row = rows[seen["id"]]
        for side in ("chosen", "rejected"):
            assert seen[f"{side}_logps"] == pytest.approx(plain_logps(policy, row, side), abs=1e-4)
            with policy.disable_adapter():
                want = plain_logps(policy, row, side)
            assert seen[f"ref_{side}_logps"] == pytest.approx(want, abs=1e-4)
            assert seen[f"{side}_tokens"] == len(row[f"{side}_ids"])


def pairs_of(config: RunConfig) -> pa.Table:
    pairs = pl.read_parquet(config.data.train)
    return tokenise(pairs, load_tokenizer(config.model.name), Data(train="")).table


def test_every_evaluation_is_there_and_the_data_tool_reads_it(settings: dict[str, Any]) -> None:
    config = RunConfig.model_validate(settings)
    train(config, Silence())
    directory = config.output.dir
    every = pl.read_parquet(directory / "pairs-eval.parquet")
    assert every["step"].value_counts().sort("step").rows() == [(2, 6), (4, 6), (5, 6)]
    last = pl.read_parquet(directory / "pairs.parquet")
    common = [name for name in last.columns if name in every.columns]
    assert_frame_equal(every.filter(pl.col("step") == 5).select(common), last.select(common))
    for name, passes in (("pairs-eval.parquet", {3}), ("pairs-train.parquet", {1, 2})):
        found = cartography(read_scores(directory / name), beta=0.1)
        assert set(found["evaluations"]) == passes
    ran = prefdata(
        "check", config.data.test or "", "--scores", directory / "pairs-eval.parquet",
        "--select", "too-easy,never-learned",
    )  # fmt: skip
    assert ran.returncode in (0, 1), ran.stderr


def test_orpo_has_a_reference_in_its_record(settings: dict[str, Any]) -> None:
    settings["method"] = {"name": "orpo"}
    config = RunConfig.model_validate(settings)
    record = train(config, Silence())
    assert record.cost.reference_flops > 0
    frame = pl.read_parquet(config.output.dir / "pairs-train.parquet")
    first = frame.filter(pl.col("step") == 1)
    assert first["chosen_logps"].to_list() == pytest.approx(first["ref_chosen_logps"].to_list())
    assert frame.null_count().sum_horizontal().item() == 0


def run_in(folder: Path, command: list[str], **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, cwd=folder, text=True, stderr=subprocess.PIPE,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "PYTHONPATH": os.pathsep.join(sys.path)} | options,
    )  # fmt: skip


def record_of(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(folder / "pairs-train.parquet").sort("step", "id").select(SCHEMA.names)


@pytest.mark.slow
def test_two_processes_write_what_one_does(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
    process = run_in(tmp_path, [*TWO_PROCESSES, "--set", "output.dir=two"])
    assert process.wait(200) == 0, process.stderr and process.stderr.read()
    train(RunConfig.model_validate(settings), Silence())
    one, two = (record_of(tmp_path / name, name) for name in ("run", "two"))
    assert_frame_equal(one, two, abs_tol=1e-4)


@pytest.mark.slow
def test_after_kill_9_every_row_is_there_once(settings: dict[str, Any], tmp_path: Path) -> None:
    settings["optim"]["max_steps"] = 40
    settings["output"] |= {"save_every_steps": 7, "log_every_steps": 3}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings))
    command = [*TRAIN, "--set", "output.dir=killed"]
    process = run_in(
        tmp_path, command, ACCELERATE_DYNAMO_BACKEND="no"
    )  # so it is the worker itself
    killed = tmp_path / "killed"
    while process.poll() is None and not list(killed.glob("checkpoint-14/trainer_state.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    assert (killed / "pairs-train.arrows").exists()
    assert not (killed / "pairs-train.parquet").exists()
    with (killed / "pairs-train.arrows").open("ab") as stream:
        stream.write(b"\xff\xff\xff\xff\x40")  # as if killed while it wrote

    again = run_in(tmp_path, [*command, "--resume"], ACCELERATE_DYNAMO_BACKEND="no")
    assert again.wait(200) == 0, again.stderr and again.stderr.read()
    train(RunConfig.model_validate(settings), Silence())
    whole = record_of(tmp_path / "run", "run")
    assert_frame_equal(record_of(killed, "killed"), whole, check_exact=True)
    assert len(whole) == 40 // 3 * 19 + 8
    evaluations = [pl.read_parquet(f / "pairs-eval.parquet") for f in (killed, tmp_path / "run")]
    assert_frame_equal(*evaluations, check_exact=True)
    assert not list(killed.glob("*.arrows"))


def test_rows_are_dropped_after_the_checkpoint_and_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "pairs-train.parquet"

    def rows(step: int, name: str) -> pa.Table:
        columns: dict[str, Any] = {key: [1] for key in SCHEMA.names}
        return pa.table(columns | {"id": [name], "step": [step]})

    log = PairLog(path)
    for step in (2, 4, 6):
        log.write(rows(step, "first"))
    resumed = PairLog(path, after=4)  # the first one was killed
    resumed.write(rows(4, "again"))  # evaluated once more at the step of the checkpoint
    resumed.write(rows(6, "again"))
    resumed.close()
    assert pl.read_parquet(path).select("step", "id").rows() == [
        (2, "first"), (4, "first"), (6, "again"),
    ]  # fmt: skip
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    finished = PairLog(path, after=2)  # the file of a run that was killed just before its end
    finished.close()
    assert pl.read_parquet(path)["step"].to_list() == [2]
    PairLog(path).close()
    assert pl.read_parquet(path).height == 0


def test_trl_records_no_training_pairs(settings: dict[str, Any]) -> None:
    from prefalign.config import load_run

    path = Path(settings["output"]["dir"]).with_suffix(".yaml")
    path.write_text(yaml.safe_dump(settings | {"engine": "trl"}))
    with pytest.raises(ConfigError, match=r"output\.record_train: TRL's trainers do not say"):
        load_run(path)
