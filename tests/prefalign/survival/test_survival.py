"""Runs that are killed, stopped, damaged and starved of room go on as if nothing had happened."""

import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from prefalign.config import load_run
from prefalign.errors import Interrupted
from prefalign.progress import Silence
from prefalign.run import train
from prefalign.survival.checkpoints import damage
from prefalign.survival.outcome import LAUNCHER_LOG
from prefalign.survival.stopping import ECHO
from tests.prefalign.listener import Listener
from tests.prefalign.toys import write_toy_pairs
from tests.prefalign.workplace import TRAIN, Workplace

STEPS = 60
KILLS = 30
KILLS_OF_A_RUN = 6
PATIENCE = 180  # seconds: nobody who was told to end takes so long, however busy the machine is
TIMES = {"time", "pairs_per_second", "tokens_per_second"}


class Runs(Workplace):
    """A directory with a run file of 60 steps for two processes, and what its runs leave."""

    def __init__(self, directory: Path, model: Path) -> None:
        settings = {
            "data": {
                "train": str(write_toy_pairs(directory / "train.parquet", 35)),
                "test": str(write_toy_pairs(directory / "test.parquet", 5, first=100)),
            },
            "model": {"name": str(model), "lora": {"r": 4, "dropout": 0.1}},
            "method": {"name": "dpo"},
            "optim": {"learning_rate": 1e-2, "warmup_ratio": 0.0, "max_steps": STEPS},
            "batch": {"global_batch_size": 8, "micro_batch_size": 2},
            "hardware": {"device": "cpu", "precision": "fp32", "num_processes": 2},
            "eval": {"every_steps": 7},
            "output": {"dir": "out", "save_every_steps": 5},
        }
        super().__init__(directory, settings)
        self.environment["PYTHONFAULTHANDLER"] = "1"  # SIGABRT then shows where a process was

    def start(self, run: str, *options: str) -> "subprocess.Popen[str]":
        """Starts training in the directory `run`."""
        return subprocess.Popen(
            [*TRAIN, "run.yaml", "--set", f"output.dir={run}", *options], cwd=self.directory,
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def end_of(self, run: str, process: "subprocess.Popen[str]") -> str:
        """Returns what a start of `run` said until its end; fails with the stacks of one that has none."""
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=PATIENCE)[1]
        left = {process.pid: process.cmdline() for process in self.processes()}
        for number in left:
            os.kill(number, signal.SIGABRT)
        said = process.communicate(timeout=PATIENCE)[1]
        log = (self.directory / run / "logs" / LAUNCHER_LOG).read_text()
        raise AssertionError(f"{run} does not end: {left}\n{said}\n{log}")

    def finish(self, run: str, *options: str) -> tuple[int, str]:
        """Trains to the end; returns the exit code and what was said."""
        done = self.run(*TRAIN, "run.yaml", "--set", f"output.dir={run}", *options)
        return done.returncode, done.stderr

    def lines(self, run: str) -> list[dict[str, Any]]:
        """What `metrics.jsonl` holds, without times and speeds."""
        path = self.directory / run / "metrics.jsonl"
        text = path.read_text() if path.exists() else ""
        lines = [json.loads(line) for line in text.split("\n")[:-1]]
        return [{key: line[key] for key in line.keys() - TIMES} for line in lines]

    def processes(self) -> list[psutil.Process]:
        """Everything that was started from here and still runs."""
        found = []
        for process in psutil.process_iter():
            try:
                cache = process.environ().get("PREFALIGN_CACHE")
                ours = cache == self.environment["PREFALIGN_CACHE"]
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def checkpoints(self, run: str) -> list[Path]:
        """All that calls itself a checkpoint."""
        return list((self.directory / run).glob("checkpoint-*"))


def steps_of(lines: list[dict[str, Any]]) -> int:
    return max((line["step"] for line in lines if line["kind"] == "train"), default=0)


def wait_for_step(runs: Runs, run: str, step: int, process: "subprocess.Popen[str]") -> None:
    while steps_of(runs.lines(run)) < step and process.poll() is None:
        time.sleep(0.005)


def wait_until_it_listens(process: "subprocess.Popen[str]") -> None:
    """Returns when Python has been loaded and the program has taken over SIGTERM."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        (caught,) = (line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
        if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.01)


def aim(parent: int, chance: random.Random) -> tuple[str, list[psutil.Process]]:
    """Chooses whom a signal goes to, among those that are there by now."""
    first = psutil.Process(parent)
    launchers = first.children()
    ranks = [rank for launcher in launchers for rank in launcher.children()]
    choices = {
        "parent": [first],
        "launcher": launchers,
        "one rank": [chance.choice(ranks)] if ranks else [],
        "all": [first, *launchers, *ranks],
    }
    whom = chance.choice([name for name, processes in choices.items() if processes])
    return whom, choices[whom]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Runs:
    return Runs(tmp_path_factory.mktemp("survival"), tiny_model)


@pytest.fixture(scope="module")
def undisturbed(runs: Runs) -> list[dict[str, Any]]:
    """The metrics of a run that nobody disturbs."""
    code, said = runs.finish("undisturbed")
    assert code == 0, said
    lines = runs.lines("undisturbed")
    assert steps_of(lines) == STEPS
    return lines


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(KILLS // KILLS_OF_A_RUN))
def test_a_run_that_is_killed_again_and_again_loses_nothing(
    runs: Runs, undisturbed: list[dict[str, Any]], number: int
) -> None:
    chance = random.Random(number)
    run = f"killed-{number}"
    for kill in range(KILLS_OF_A_RUN):
        done = steps_of(runs.lines(run))
        process = runs.start(run)
        begun = time.monotonic()
        if chance.random() < 0.25:  # while it starts
            wait_until_it_listens(process)
            time.sleep(chance.uniform(0, 8))
        else:
            most = 2 * (STEPS - done) // (KILLS_OF_A_RUN - kill + 1) + 1
            wait_for_step(runs, run, done + chance.randint(1, most), process)
            time.sleep(chance.uniform(0, 0.1))
        told = chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        if process.poll() is not None:
            break
        whom, targets = aim(process.pid, chance)
        what = f"kill {kill}: {told.name} to {whom} after {time.monotonic() - begun:.1f} s"
        for target in targets:
            with suppress(psutil.NoSuchProcess):
                target.send_signal(told)
        said = runs.end_of(run, process)
        print(what, process.returncode, steps_of(runs.lines(run)), said.splitlines()[-2:])
        wait_until_gone(runs, what)
        if process.returncode == 1:
            assert "was killed by SIGKILL" in said, (what, said)
            assert "go on with: prefalign train run.yaml" in said, (what, said)
        assert "Traceback" not in said, (what, said)
        assert process.returncode in allowed(told, whom), (what, process.returncode, said)
        for checkpoint in runs.checkpoints(run):
            assert damage(checkpoint) is None, what
        if process.returncode == 0:
            break
    code, said = runs.finish(run)
    assert code == 0, said
    assert runs.lines(run) == undisturbed


def allowed(number: signal.Signals, whom: str) -> set[int]:
    """Exit codes of a parent that was told, or whose run was; 0 where the run had come to its end."""
    if number is signal.SIGKILL:
        return {0, -number} if whom in ("parent", "all") else {0, 1, 128 + signal.SIGTERM}
    return {0, 128 + number}


def wait_until_gone(runs: Runs, what: str) -> None:
    end = time.monotonic() + 60
    while left := runs.processes():
        assert time.monotonic() < end, (what, [process.cmdline() for process in left])
        time.sleep(0.05)


@pytest.mark.slow
def test_another_number_of_processes_goes_on(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """One process goes on with what two began, and two with what one began; one does all of it, too."""
    monkeypatch.chdir(runs.directory)
    monkeypatch.setenv("PREFALIGN_CACHE", runs.environment["PREFALIGN_CACHE"])
    settings = ["model.lora.dropout=0", "optim.max_steps=12", "optim.learning_rate=1e-3"]
    alone = [*settings, "hardware.num_processes=1"]
    options = [part for setting in settings for part in ("--set", setting)]

    process = runs.start("two-one", *options)
    wait_for_step(runs, "two-one", 4, process)
    process.send_signal(signal.SIGTERM)
    said = runs.end_of("two-one", process)
    assert process.returncode == 143, said
    listener = Listener()
    train(load_run("run.yaml", [*alone, "output.dir=two-one"]), listener, resume=True)
    assert any("with 1 instead of 2 processes" in line for line in listener.lines)

    with pytest.raises(Interrupted, match="stopped after step 5 of 12"):
        train(load_run("run.yaml", [*alone, "output.dir=one-two"]), Listener(signal.SIGTERM, 4))
    code, said = runs.finish("one-two", *options)
    assert code == 0, said
    assert "with 2 instead of 1 processes" in said

    train(load_run("run.yaml", [*alone, "output.dir=one"]), Silence())
    assert len(runs.losses("one")) == 12
    for run in ("two-one", "one-two"):
        assert runs.losses(run) == pytest.approx(runs.losses("one"), abs=1e-6)


@pytest.mark.slow
def test_a_signal_while_the_reference_is_asked(workplace: Workplace) -> None:
    write_toy_pairs(workplace.directory / "train.parquet", 3000)
    process = subprocess.Popen(
        [*TRAIN, "run.yaml"], cwd=workplace.directory, env=workplace.environment,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("reference log-probs"):
            break
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert "error: stopped before training began; there was nothing to save" in said
    assert "Traceback" not in said
    assert not list((workplace.directory / "one").glob("checkpoint-*"))


@pytest.mark.slow
def test_a_launcher_that_stays_when_its_workers_have_ended_is_killed(workplace: Workplace) -> None:
    process = subprocess.Popen(
        [*TRAIN, "run.yaml", "--set", "optim.epochs=400"], cwd=workplace.directory,
        env=workplace.environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("training 2/"):
            break
    psutil.Process(process.pid).children()[0].suspend()
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 143, said
    assert "which is saved" in said


@pytest.mark.slow
def test_a_second_signal_kills(workplace: Workplace) -> None:
    process = subprocess.Popen(
        [*TRAIN, "run.yaml", "--set", "optim.epochs=400"], cwd=workplace.directory,
        env=workplace.environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("training 2/"):
            break
    worker = psutil.Process(process.pid).children()[0].children()[0]
    worker.suspend()  # as one that hangs
    process.send_signal(signal.SIGINT)
    time.sleep(ECHO + 0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "killed before it could save" in said
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
