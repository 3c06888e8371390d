"""Real launches: `prefalign train` and `accelerate launch`, one and two CPU processes, and refusals."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prefalign.config import RunConfig
from prefalign.launch.line import launch_line
from prefalign.launchers.options import asked_in
from prefalign.survival.started import is_worker
from prefdata.frame import pairs_table, to_polars
from prefdata.types import Message, Origin, Pair
from tests.prefalign.workplace import ACCELERATE, TRAIN, Workplace

BY_HAND = [
    *ACCELERATE, "--multi_gpu", "--num_machines", "1", "--num_processes", "2",
    "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0",
    "-m", "prefalign", "train",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "lora", "two_processes"),
    [
        (
            "dpo, loss: [aot, sft], ld_alpha: 0.5",
            "null",
            [*TRAIN, "--set", "hardware.num_processes=2"],
        ),
        ("orpo", "null", BY_HAND),
        ("dpo", "{r: 4, dora: true}", BY_HAND),
        ("orpo", "{r: 4}", [*BY_HAND, "--set", "hardware.compile=true"]),
    ],
)
def test_two_processes_lose_what_one_does(
    workplace: Workplace, method: str, lora: str, two_processes: list[str]
) -> None:
    choose = ["run.yaml", "--set", f"method={{name: {method}}}", "--set", f"model.lora={lora}"]
    one = workplace.run(*TRAIN, *choose)
    assert (one.returncode, one.stdout) == (0, "one\n"), one.stderr
    two = workplace.run(
        *two_processes,
        *choose,
        "--set",
        "output.dir=two",
        "--set",
        "batch.micro_batch_size=auto",
        ACCELERATE_USE_CPU="true",
    )
    assert two.returncode == 0, two.stderr
    assert "not compiled" not in two.stderr
    assert len(workplace.losses("one")) == 5
    assert workplace.losses("two") == pytest.approx(workplace.losses("one"), abs=1e-5)
    record = json.loads((workplace.directory / "two" / "run.json").read_text())
    assert record["cost"]["processes"] == 2
    assert (
        record["config"]["batch"]["micro_batch_size"] == 4
    )  # half of a step: both have found room
    assert (workplace.directory / "two" / "logs" / "rank-1.log").exists()


@pytest.mark.slow
def test_fewer_processes_than_asked_for_are_refused(workplace: Workplace) -> None:
    done = workplace.run(
        *ACCELERATE, "--quiet", "--cpu", "--num_processes", "2", "--num_machines", "1",
        "--mixed_precision", "no", "--dynamo_backend", "no", "-m", "prefalign", "train", "run.yaml",
        "--set", "optim.seed=3",
    )  # fmt: skip
    assert done.returncode != 0
    assert "error: 2 processes were asked for, 1 started" in done.stderr
    assert "hint: ACCELERATE_USE_CPU=true accelerate launch --num_processes 2" in done.stderr
    assert "--multi_gpu -m prefalign train run.yaml --set optim.seed=3" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (workplace.directory / "one").exists()


def test_pairs_that_teach_nothing_are_refused_before_a_model_loads(
    workplace: Workplace, tmp_path: Path
) -> None:
    same = (Message("assistant", "Blue."),)
    pair = Pair(
        prompt=(Message("user", "Colour?"),),
        chosen=same,
        rejected=same,
        origin=Origin("raw", "raw.jsonl", 7),
    )
    to_polars(pairs_table([pair])).write_parquet(tmp_path / "same.parquet")
    done = workplace.run(*TRAIN, "run.yaml", "--set", f"data.train={tmp_path / 'same.parquet'}")
    assert done.returncode == 2
    assert "identical-pair" in done.stderr
    assert "raw.jsonl:7" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (workplace.directory / "one").exists()


def test_a_typo_in_the_run_file(workplace: Workplace) -> None:
    done = workplace.run(*TRAIN, "run.yaml", "--set", "method.bta=0.9")
    assert done.returncode == 2
    assert "beta" in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_a_model_that_is_not_there(workplace: Workplace) -> None:
    done = workplace.run(*TRAIN, "run.yaml", "--set", "model.name=./nowhere")
    assert done.returncode == 2
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_failure_inside_a_worker_is_one_message(workplace: Workplace, tiny_model: Path) -> None:
    # its files are whole, and its weights are not those that its configuration asks for
    broken = workplace.directory / "broken"
    shutil.copytree(tiny_model, broken)
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"hidden_size": 48}))
    done = workplace.run(*TRAIN, "run.yaml", "--set", f"model.name={broken}")
    assert done.returncode == 1
    assert "error: training stopped: RuntimeError: " in done.stderr
    assert "hint: the traceback is in one/logs" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_a_library_s_remark_on_inference_is_not_heard() -> None:
    code = (
        "from prefalign.launch.environment import settle_environment\nsettle_environment()\n"
        "from bitsandbytes.backends.cpu.ops import logger\nlogger.warning('no kernels')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def config(**hardware: Any) -> RunConfig:
    return RunConfig.model_validate(
        {
            "data": {"train": "t"},
            "model": {"name": "m"},
            "method": {"name": "dpo"},
            "output": {"dir": "o"},
            "hardware": {"device": "cpu", **hardware},
        }
    )


def test_several_cpu_processes_need_a_line_that_starts_them() -> None:
    line, variables = launch_line(config(num_processes=2))
    assert "--multi_gpu" in line
    assert "--cpu" not in line
    assert variables == {"ACCELERATE_USE_CPU": "true"}


def test_extra_launch_arguments_replace_ours() -> None:
    line, _ = launch_line(config(num_processes=4), ["--config_file", "fsdp.yaml"])
    assert line == ["--config_file", "fsdp.yaml", "--num_processes", "4"]


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        (["--num_processes", "2", "-m", "prefalign"], 2),
        (["--num_processes=8"], 8),
        (["--cpu", "-m", "prefalign"], None),
    ],
)
def test_what_a_launcher_was_asked_for(line: list[str], asked: int | None) -> None:
    assert asked_in(["python", "accelerate", "launch", *line]).processes == asked


def test_a_launcher_s_config_file_asks_too(tmp_path: Path) -> None:
    file = tmp_path / "accelerate.yaml"
    file.write_text("num_processes: 3\n")
    assert asked_in(["accelerate", "launch", "--config_file", str(file)]).processes == 3


def test_what_accelerate_config_has_written_asks_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "accelerate").mkdir()
    (tmp_path / "accelerate" / "default_config.yaml").write_text("num_processes: 4\n")
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path))
    assert asked_in(["accelerate", "launch", "-m", "prefalign"]).processes == 4
    assert (
        asked_in(["accelerate", "launch", "--num_processes", "2", "-m", "prefalign"]).processes == 2
    )
    assert (
        asked_in(["accelerate", "launch", "--cpu", "-m", "prefalign"]).processes is None
    )  # it is not read then


def test_a_worker_knows_what_it_is() -> None:
    assert is_worker({"LOCAL_RANK": "0"})
    assert is_worker({"ACCELERATE_DYNAMO_BACKEND": "NO", "ACCELERATE_USE_CPU": "true"})
    assert not is_worker({"ACCELERATE_USE_CPU": "true"})
