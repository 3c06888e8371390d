"""`prefalign status` of a run that goes on, is killed, is resumed, and has come to its end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from prefalign.config import load_run
from prefalign.progress import Silence
from prefalign.run import train
from prefalign.status import status
from prefalign.status.curve import curve
from prefalign.survival.started import Started
from tests.command import prefalign
from tests.prefalign.toys import write_toy_pairs

STEPS = 1000  # 250 epochs of 4


@pytest.fixture
def run_file(tmp_path: Path, tiny_model: Path) -> Path:
    settings = {
        "data": {
            "train": str(write_toy_pairs(tmp_path / "train.parquet", 32)),
            "test": str(write_toy_pairs(tmp_path / "test.parquet", 5, first=100)),
        },
        "model": {"name": str(tiny_model)},
        "method": {"name": "dpo"},
        "optim": {
            "learning_rate": 1e-3,
            "scheduler": "constant",
            "warmup_ratio": 0.0,
            "epochs": STEPS / 4,
        },
        "batch": {"global_batch_size": 8, "micro_batch_size": 8},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "eval": {"every_steps": 4},
        "output": {"dir": "out", "save_every_steps": 4},
    }
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def shown(directory: Path) -> dict[str, Any]:
    """What `prefalign status out --json` says."""
    ran = prefalign("status", "out", "--json", cwd=directory)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.slow
def test_a_run_from_start_to_kill_to_end(run_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = run_file.parent
    monkeypatch.chdir(place)
    monkeypatch.setenv("PREFALIGN_CACHE", str(place / "cache"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "prefalign", "train", "run.yaml", "--set", "optim.seed=3"],
        cwd=place, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not (place / "out" / "checkpoint-4").exists():
        time.sleep(0.05)
    running = shown(place)
    assert (running["state"], running["steps"], running["method"]) == ("running", STEPS, "dpo")
    assert 4 <= running["step"] < STEPS
    assert running["pairs_per_second"] > 0
    assert running["seconds_left"] > 0
    assert [process["alive"] for process in running["processes"]] == [True]
    assert running["resume"] is None

    os.kill(running["processes"][0]["pid"], signal.SIGKILL)
    assert process.wait(60) != 0
    metrics = place / "out" / "metrics.jsonl"
    metrics.write_text(metrics.read_text()[:-7])  # as if killed while it wrote
    killed = shown(place)
    assert (killed["state"], killed["seconds_left"]) == ("stopped", None)
    assert killed["message"].startswith("process 0 of the run was killed by SIGKILL")
    assert killed["step"] >= running["step"] - 1
    assert killed["held_out"]["accuracy"] is not None
    assert Path(killed["checkpoint"]).name.startswith("checkpoint-")
    assert killed["resume"] == "prefalign train run.yaml --set optim.seed=3"
    text = prefalign("status", "out", cwd=place).stdout
    assert text.startswith(f"out: dpo on {killed['model']}, stopped early")
    assert f"go on with: {killed['resume']}" in text
    elsewhere = prefalign("status", place / "out", cwd=place.parent).stdout
    assert f"go on with: cd {place} && prefalign" in elsewhere

    steps = int(killed["checkpoint"].rpartition("-")[2]) + 2
    config = load_run(run_file, ["optim.seed=3", f"optim.max_steps={steps}"])
    train(config, Silence(), resume=True)
    finished = shown(place)
    assert (finished["state"], finished["step"], finished["steps"]) == ("finished", steps, steps)
    assert [step for step, _ in finished["losses"]] == list(range(1, steps + 1))
    assert finished["resume"] is None


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_no_run(tmp_path: Path, name: str) -> None:
    ran = prefalign("status", name, cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stdout == ""
    said = {"nowhere": "nowhere: no such directory", ".": ".: holds no run"}[name]
    assert ran.stderr == (f"error: {said}\nhint: give the output.dir of a run that has started\n")


def started(**changes: Any) -> Started:
    """This process, as a run would have written it down."""
    import socket

    import psutil

    facts = {
        "rank": 0, "pid": os.getpid(), "host": socket.gethostname(), "directory": str(Path.cwd()),
        "started": psutil.Process().create_time(), "command": "prefalign train run.yaml",
        "config": {"method": {"name": "orpo"}, "model": {"name": "m"},
                   "optim": {"max_steps": None, "epochs": 1.5}},
    }  # fmt: skip
    return Started.model_validate(facts | changes)


def test_a_number_given_to_another_process_is_not_ours() -> None:
    assert started().is_alive
    assert not started(started=1.0).is_alive
    assert not started(host="elsewhere").is_alive


def leave(directory: Path, process: Started, *lines: dict[str, Any]) -> None:
    (directory / "logs").mkdir()
    (directory / "logs" / "rank-0.json").write_text(process.model_dump_json())
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (directory / "metrics.jsonl").write_text(text)


def test_speed_and_time_left(tmp_path: Path) -> None:
    begun = started().started
    # before it was resumed: an hour ago
    early = {
        "kind": "train",
        "time": begun - 3600,
        "step": 0,
        "epoch": 0.0,
        "pairs_seen": 0,
        "loss": 1.0,
    }
    lines = [
        {"kind": "train", "time": begun + 2 * step, "step": step, "epoch": step / 20,
         "pairs_seen": 8 * step, "loss": 1.0, "accuracy_mean": 0.75}
        for step in range(1, 6)
    ]  # fmt: skip
    leave(tmp_path, started(), early, *lines)
    found = status(tmp_path)
    assert (found.state, found.step, found.steps) == ("running", 5, 30)
    assert (found.pairs_per_second, found.seconds_left) == (pytest.approx(4), pytest.approx(50))
    assert found.train is not None
    assert (found.train.accuracy, found.train.margin) == (0.75, None)


def test_a_run_of_a_release_that_wrote_less(tmp_path: Path) -> None:
    line = {"kind": "train", "step": 1, "epoch": 0.5, "pairs_seen": 8, "loss": 1.0}
    (tmp_path / "metrics.jsonl").write_text(
        json.dumps(line) + "\n" + json.dumps(line | {"step": 2}) + "\n"
    )
    found = status(tmp_path)
    assert (found.state, found.step, found.pairs_per_second) == ("dead", 2, None)
    assert (found.processes, found.resume) == ([], None)


def test_before_the_first_step_and_on_another_machine(tmp_path: Path) -> None:
    leave(tmp_path, started(host="node-7"))
    found = status(tmp_path)
    assert (found.state, found.step, found.steps, found.train) == ("elsewhere", 0, None, None)


def test_what_ended_it_is_said_unless_it_was_started_again_since(tmp_path: Path) -> None:
    ended = started(pid=2**22 + 1, started=time.time() - 100)
    leave(tmp_path, ended)
    outcome = tmp_path / "logs" / "outcome.json"
    outcome.write_text(json.dumps({"exit_code": 4, "message": "loss is nan", "hint": None}))
    assert (status(tmp_path).state, status(tmp_path).message) == ("stopped", "loss is nan")
    os.utime(outcome, (1, 1))
    assert (status(tmp_path).state, status(tmp_path).message) == ("dead", None)


def test_a_launcher_keeps_its_arguments() -> None:
    command = "prefalign train run.yaml --overwrite -- --config_file fsdp2.yaml"
    line = "prefalign train run.yaml -- --config_file fsdp2.yaml"
    assert started(command=command).to_resume == line


def test_a_falling_curve() -> None:
    assert curve([8 - i for i in range(8)], height=2) == ["8 ⠑⢄⠀⠀", "1 ⠀⠀⠑⢄"]


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300),
    st.integers(1, 40),
    st.integers(2, 10),
)
def test_a_curve_keeps_to_its_size(values: list[float], width: int, height: int) -> None:
    drawn = curve(values, width=width, height=height)
    assert len(drawn) == height
    braille = [sum(0x2800 <= ord(letter) <= 0x28FF for letter in line) for line in drawn]
    assert max(braille) <= width
    assert any(0x2800 < ord(letter) <= 0x28FF for letter in "".join(drawn))
