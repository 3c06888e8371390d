"""Two launchers on this computer, each as the launcher of a machine of its own with one CPU process."""

import signal
import socket
import subprocess
import time

import pytest

from prefalign.config import load_run
from prefalign.progress import Silence
from prefalign.run import train
from prefalign.survival.checkpoints import damage
from tests.prefalign.workplace import ACCELERATE, TRAIN, Workplace

STEPS = 20
CHOSEN = ["--set", f"optim.max_steps={STEPS}", "--set", "model.lora={r: 4}"]


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


def machine(number: int, port: int) -> list[str]:
    """What a launcher has to be told on one of two machines."""
    return [
        "--num_machines", "2", "--machine_rank", str(number), "--num_processes", "2",
        "--main_process_ip", "127.0.0.1", "--main_process_port", str(port),
        "--multi_gpu", "--mixed_precision", "no", "--dynamo_backend", "no",
    ]  # fmt: skip


def by_hand(number: int, port: int, *options: str) -> list[str]:
    train = ["-m", "prefalign", "train", "run.yaml", *CHOSEN, *options]
    return [*ACCELERATE, *machine(number, port), *train]


def by_prefalign(number: int, port: int, *options: str) -> list[str]:
    return [*TRAIN, "run.yaml", *CHOSEN, *options, "--", *machine(number, port)]


def start(workplace: Workplace, *lines: list[str]) -> "list[subprocess.Popen[str]]":
    environment = workplace.environment | {"ACCELERATE_USE_CPU": "true"}
    return [
        subprocess.Popen(
            line, cwd=workplace.directory, env=environment, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for line in lines
    ]  # fmt: skip


def ends(processes: "list[subprocess.Popen[str]]") -> list[tuple[int, str]]:
    """Exit code and standard error of each."""
    said = [process.communicate(timeout=120)[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


def wait_for_step(workplace: Workplace, run: str, step: int) -> None:
    path = workplace.directory / run / "metrics.jsonl"
    while not path.exists() or f'"step": {step},' not in path.read_text():
        time.sleep(0.01)


@pytest.mark.slow
def test_two_machines_stop_together_and_go_on_to_the_losses_of_one(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    machines = start(workplace, by_prefalign(0, port), by_hand(1, port))
    wait_for_step(workplace, "one", 3)
    machines[1].send_signal(signal.SIGTERM)
    (code_0, said_0), (code_1, said_1) = ends(machines)
    assert (code_0, code_1) == (143, 1)  # of accelerate's launchers always 1
    assert "error: stopped after step" in said_0
    assert "hint: go on with: the same command on every machine\n" in said_0
    assert "Traceback" not in said_0
    assert "error:" not in said_1
    directory = workplace.directory / "one"
    (checkpoint,) = directory.glob("checkpoint-*")
    assert damage(checkpoint) is None

    port = free_port()
    machines = start(workplace, by_hand(0, port, "--resume"), by_prefalign(1, port, "--resume"))
    (code_0, said_0), (code_1, said_1) = ends(machines)
    assert (code_0, code_1) == (0, 0), said_0
    assert said_1 == "machine 1 of 2: machine 0 says how it goes\n"
    assert "2 x cpu" in said_0
    assert "going on after step" in said_0
    assert {"rank-0.log", "rank-1.log"} <= {path.name for path in (directory / "logs").iterdir()}

    monkeypatch.chdir(workplace.directory)
    settings = [setting for setting in CHOSEN if setting != "--set"]
    train(load_run("run.yaml", [*settings, "output.dir=alone"]), Silence())
    assert len(workplace.losses("alone")) == STEPS
    assert workplace.losses("one") == pytest.approx(workplace.losses("alone"), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("method.beta=0.5", "method.beta: 0.5, and 0.1 in the first process"),
        ("data.train=test.parquet", "data: process 1 reads other pairs or tokens than the first"),
    ],
)
def test_machines_that_are_of_two_runs_say_so(
    workplace: Workplace, setting: str, said: str
) -> None:
    port = free_port()
    other = by_hand(1, port, "--set", setting)
    (code_0, said_0), (code_1, said_1) = ends(start(workplace, by_hand(0, port), other))
    assert code_0 == code_1 == 1
    assert said_0.count("error: ") == 1
    assert said_0.index("error: ") < said_0.index(said)
    assert said in said_1  # in what its launcher says of its process
    assert "error: " not in said_1
    assert not (workplace.directory / "one" / "metrics.jsonl").exists()
