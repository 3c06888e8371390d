"""What a run says when it ends early, and how a parent hears of progress."""

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console as Terminal

from prefalign.config import RunConfig
from prefalign.errors import Diverged, OutOfMemory
from prefalign.progress import Console, Phase, Pipe, _bars, relay
from prefalign.survival.out_of_memory import scoring
from prefalign.survival.outcome import write_outcome
from prefalign.survival.stopping import Stopped
from prefalign.worker import as_failure
from prefdata.errors import InputError


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig.model_validate(
        {
            "data": {"train": "t"},
            "model": {"name": "m"},
            "method": {"name": "dpo"},
            "batch": {"micro_batch_size": 8},
            "output": {"dir": str(tmp_path)},
        }
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_out_of_memory_is_told_from_other_failures(error: Exception, config: RunConfig) -> None:
    failure = as_failure(error, config)
    assert isinstance(failure, OutOfMemory)
    assert failure.exit_code == 3
    with (
        pytest.raises(OutOfMemory, match="while 8 pairs at once were scored") as caught,
        scoring(8),
    ):
        raise error
    assert "--set eval.micro_batch_size=4" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("no such file"), 2),
        (Diverged("loss is nan"), 4),
        (Stopped(2), 130),
        (RuntimeError("shapes differ\nsecond line"), 1),
    ],
)
def test_every_end_has_an_exit_code(error: BaseException, code: int, config: RunConfig) -> None:
    failure = as_failure(error, config)
    assert failure.exit_code == code
    assert "\n" not in failure.message


def test_the_first_failure_is_the_one_reported(tmp_path: Path) -> None:
    write_outcome(tmp_path, Diverged("loss is nan"))
    write_outcome(tmp_path, InputError("connection closed by peer"))
    assert "loss is nan" in (tmp_path / "outcome.json").read_text()


def test_a_parent_relays_what_its_worker_tells(capsys: pytest.CaptureFixture[str]) -> None:
    told = io.StringIO()
    worker = Pipe(told)
    worker.say("dpo on 8 pairs")
    worker.begin("training", 2, "steps")
    worker.advance(1, "loss 0.6931")
    told.write("a library that prints to standard output\n")
    worker.advance(1, "loss 0.5000")
    told.seek(0)
    relay(told, Console())
    assert capsys.readouterr().err.splitlines() == [
        "dpo on 8 pairs",
        "training: 2 steps",
        "training 1/2 steps  loss 0.6931  under 1 s left",
        "training 2/2 steps  loss 0.5000",
    ]


def test_cached_work_is_never_announced() -> None:
    told: list[Any] = []

    class Ear:
        def begin(self, *about: Any) -> None:
            told.append(about)

        def advance(self, count: int, note: str = "") -> None:
            told.append(count)

        def say(self, text: str) -> None:
            told.append(text)

        def close(self) -> None: ...

    phase = Phase(Ear(), "reference log-probs", 8, "pairs")
    assert told == []
    phase(4)
    phase(4)
    assert told == [("reference log-probs", 8, "pairs"), 4, 4]


def test_a_bar_is_whole_in_80_columns() -> None:
    bars = _bars()
    bars.add_task(
        "training", total=140, completed=35, note="loss 6.2829  accuracy 0.62  lr 3.3e-06"
    )
    terminal = Terminal(width=80, file=io.StringIO())
    terminal.print(bars.make_tasks_table(bars.tasks))
    (line,) = terminal.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert " 35/140 " in line
    assert "loss 6.2829  accuracy" in line
    assert "…" in line
