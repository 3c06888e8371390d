"""Processes of a run that agree, or object, over a real store: threads stand for them."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from torch.distributed import TCPStore

from prefalign.config import RunConfig
from prefalign.errors import Interrupted, LostProcess
from prefalign.survival import agreement
from prefalign.survival.agreement import Agreement
from prefalign.survival.started import write_started
from prefdata.errors import ConfigError, PrefError
from tests.prefalign.workplace import Workplace


def config(directory: Path, **optim: float) -> RunConfig:
    return RunConfig.model_validate(
        {
            "data": {"train": str(directory.parent / "train.parquet")},
            "model": {"name": "m"},
            "method": {"name": "dpo"},
            "optim": optim,
            "output": {"dir": str(directory)},
        }
    )


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> TCPStore:
    """What the launcher of the first machine keeps for all processes."""
    server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(server.port))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("GROUP_WORLD_SIZE", "2")
    monkeypatch.setenv("TORCHELASTIC_USE_AGENT_STORE", "True")
    monkeypatch.setattr(agreement, "_SHARED", 0.2)
    monkeypatch.setattr(agreement, "_FAREWELL", 0.2)
    return server


@pytest.fixture
def elsewhere() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def lead(run: RunConfig) -> None:
    """The first process, which says how it ends."""
    first = Agreement(0, 2)
    write_started(run, 0)
    try:
        first.lead(run, wanted=True)
    except PrefError as error:
        first.object(error)
        raise


def follow(run: RunConfig) -> bool:
    second = Agreement(1, 2)
    try:
        return second.follow(run)
    except PrefError as error:
        second.object(error)
        raise


def failure(future: "Future[None]") -> PrefError:
    error = future.exception(timeout=10)
    assert isinstance(error, PrefError)
    return error


def test_one_run_file_and_one_directory(
    store: TCPStore, elsewhere: ThreadPoolExecutor, tmp_path: Path
) -> None:
    first = elsewhere.submit(lead, config(tmp_path / "out"))
    # files may lie elsewhere on another machine
    moved = config(tmp_path / "out").model_dump() | {
        "data": {"train": "/mnt/train.parquet"},
        "model": {"name": "/mnt/m"},
    }
    assert follow(RunConfig.model_validate(moved))
    assert first.exception(timeout=10) is None


def test_nothing_is_left_to_train(
    store: TCPStore, elsewhere: ThreadPoolExecutor, tmp_path: Path
) -> None:
    run = config(tmp_path)
    first = elsewhere.submit(Agreement(0, 2).lead, run, wanted=False)
    assert not follow(run)
    assert first.exception(timeout=10) is None


def test_another_run_file(store: TCPStore, elsewhere: ThreadPoolExecutor, tmp_path: Path) -> None:
    first = elsewhere.submit(lead, config(tmp_path / "out"))
    with pytest.raises(PrefError) as caught:
        follow(config(tmp_path / "out", learning_rate=1.0, epochs=2))
    assert caught.value.message == (
        f"its run file is not that of the first process, on {socket.gethostname()}\n"
        "  optim.epochs: 2.0, and 1.0 in the first process\n"
        "  optim.learning_rate: 1.0, and 5e-06 in the first process"
    )
    said = failure(first)
    assert said.message == f"process 1 on {socket.gethostname()}: {caught.value.message}"
    assert (said.hint, said.exit_code) == (caught.value.hint, 2)


def test_a_directory_of_its_own(
    store: TCPStore, elsewhere: ThreadPoolExecutor, tmp_path: Path
) -> None:
    first = elsewhere.submit(lead, config(tmp_path / "out"))
    with pytest.raises(PrefError, match="is not the directory that the first process, on"):
        follow(config(tmp_path / "disk"))
    assert "a file system that all machines share" in str(failure(first).hint)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["optim.epoch: unknown key"], source="run.yaml"), 2),
        (Interrupted("stopped before training began", signal=15), 143),
    ],
)
def test_who_fails_before_says_why(
    store: TCPStore, elsewhere: ThreadPoolExecutor, tmp_path: Path, error: PrefError, code: int
) -> None:
    first = elsewhere.submit(lead, config(tmp_path / "out"))
    Agreement(1, 2).object(error)
    assert failure(first).exit_code == code
    assert error.message in failure(first).message
    store.delete_key("prefalign/0/answer 1")
    store.delete_key("prefalign/0/verdict")

    second = elsewhere.submit(follow, config(tmp_path / "out"))
    Agreement(0, 2).object(error)
    assert (failure(second).message, failure(second).exit_code) == (error.message, code)


def test_silence_ends(store: TCPStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "_PATIENCE", 0.2)
    with pytest.raises(LostProcess, match="no answer 1 of 1 came within 0 s"):
        lead(config(tmp_path / "out"))


def test_alone_there_is_nobody_to_ask(tmp_path: Path) -> None:
    alone = Agreement(0, 1)
    alone.lead(config(tmp_path), wanted=True)
    alone.object(LostProcess("no matter"))


WAITING = """
import sys
from pathlib import Path
from prefalign.config import load_run
from prefalign.survival.agreement import Agreement
from prefalign.survival.stopping import STOP, Stopped
import torch.distributed.rendezvous

config = load_run(Path(sys.argv[1]))
with STOP.heard():
    print("ready", flush=True)
    try:
        Agreement(1, 2).follow(config)
    except Stopped:
        print("stopped")
"""


@pytest.mark.slow
def test_a_process_whose_launcher_is_gone_hears_that_it_is_to_stop(workplace: Workplace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]  # where nobody answers from now on
    alone = {
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": "1", "WORLD_SIZE": "2",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, "run.yaml"], cwd=workplace.directory,
        env=workplace.environment | alone, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)  # it tries to connect by now, which it would for two minutes
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0] == "stopped\n"
