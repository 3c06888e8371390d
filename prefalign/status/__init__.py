"""A run directory, read from outside while the run goes on, after its end, or after its death."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefalign.records.run import METRICS_FILE, RUN_FILE, RunRecord, read_metrics, read_run
from prefalign.survival.checkpoints import newest_checkpoint
from prefalign.survival.outcome import OUTCOME_FILE, read_outcome
from prefalign.survival.started import Started, read_started
from prefdata.errors import InputError

State: TypeAlias = Literal["running", "finished", "stopped", "dead", "elsewhere"]

_RECENT = 50  # lines of the log that the speed is taken from


class Point(BaseModel):
    """Metrics of one line of `metrics.jsonl`."""

    model_config = ConfigDict(frozen=True)

    step: int
    loss: float | None = Field(None, description="of training, nats")
    accuracy: float | None = Field(
        None, description="pairs where chosen gained on rejected, or without a reference leads it"
    )
    margin: float | None = Field(None, description="by how much, nats; None without a reference")


class Process(BaseModel):
    """One process of the last start."""

    rank: int
    pid: int
    host: str
    alive: bool | None = Field(description="None on another machine")


class Status(BaseModel):
    """What can be said of a run."""

    directory: str
    state: State = Field(description="dead: gone without a word; elsewhere: not for us to see")
    method: str | None
    model: str | None
    step: int = Field(description="optimiser steps done")
    steps: int | None = Field(description="of the whole run")
    pairs_seen: int
    pairs_per_second: float | None
    tokens_per_second: float | None = Field(
        description="of training alone, a prompt with each answer"
    )
    mfu: float | None = Field(description="useful share of the peak of a known GPU")
    seconds_left: float | None = Field(description="of training, while it runs")
    train: Point | None = Field(description="the last logged steps")
    held_out: Point | None = Field(description="the last evaluation")
    losses: list[tuple[int, float]] = Field(description="step and training loss")
    checkpoint: str | None = Field(description="the newest complete one")
    processes: list[Process]
    message: str | None = Field(description="why it ended early, where it could say so")
    resume: str | None = Field(description="the command line that goes on with it")


def status(directory: Path) -> Status:
    """Returns what the files of a run say about it.

    Raises:
        InputError: the directory holds no run.
    """
    record, processes = _record(directory), read_started(directory)
    metrics, checkpoint = read_metrics(directory), newest_checkpoint(directory)
    if not (record or processes or metrics or checkpoint or (directory / METRICS_FILE).exists()):
        raise InputError(
            f"{directory}: holds no run"
            if directory.exists()
            else f"{directory}: no such directory",
            hint="give the output.dir of a run that has started",
        )
    config = record.config if record else processes[0].config if processes else {}
    message = _message(directory, processes)
    state = _state(record, processes, message)
    train = [line for line in metrics if line["kind"] == "train"]
    evaluations = [line for line in metrics if line["kind"] == "eval"]
    step = record.cost.steps if record else max((line["step"] for line in train), default=0)
    steps = step if record else _steps(config, train)
    since = processes[0].started if processes else 0.0  # pauses before a resumption are no work
    timed = [line for line in train if line.get("time", -1.0) >= since]
    return Status(
        directory=str(directory),
        state=state,
        method=config["method"]["name"] if config else None,
        model=config["model"]["name"] if config else None,
        step=step,
        steps=steps,
        pairs_seen=max((line["pairs_seen"] for line in train), default=0),
        pairs_per_second=_speed(timed, "pairs_seen"),
        tokens_per_second=_recent_mean(timed, "tokens_per_second"),
        mfu=_recent_mean(timed, "mfu"),
        seconds_left=_seconds_left(timed, step, steps) if state == "running" else None,
        train=_point(train),
        held_out=_point(evaluations),
        losses=[(line["step"], line["loss"]) for line in train],
        checkpoint=str(checkpoint) if checkpoint else None,
        processes=[_process(process) for process in processes],
        message=None if state in ("running", "finished") else message,
        resume=processes[0].to_resume if processes and state in ("stopped", "dead") else None,
    )


def _record(directory: Path) -> RunRecord | None:
    """Returns the record of a finished run; None before its end.

    Raises:
        InputError: it is there and cannot be read.
    """
    if not (directory / RUN_FILE).exists():
        return None
    try:
        return read_run(directory)
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{directory / RUN_FILE}: cannot be read: {str(error).partition(chr(10))[0]}",
            hint="look at it with the version that trained it",
        ) from error


def _message(directory: Path, processes: list[Started]) -> str | None:
    """Returns what the last start said when it failed, if it had anybody to say it to."""
    path = directory / "logs" / OUTCOME_FILE
    if not path.exists() or any(path.stat().st_mtime < process.started for process in processes):
        return None
    outcome = read_outcome(path.parent)
    return str(outcome["message"]) if outcome else None


def _state(record: RunRecord | None, processes: list[Started], message: str | None) -> State:
    if any(process.is_alive for process in processes):
        return "running"
    if record is not None:
        return "finished"
    if message is not None:
        return "stopped"
    return "dead" if all(process.is_here for process in processes) else "elsewhere"


def _process(process: Started) -> Process:
    alive = process.is_alive if process.is_here else None
    return Process(rank=process.rank, pid=process.pid, host=process.host, alive=alive)


def _steps(config: dict[str, Any], train: list[dict[str, Any]]) -> int | None:
    """Returns the optimiser steps of a whole run, from how far they have brought its epochs."""
    if not config:
        return None
    optim = config["optim"]
    if optim["max_steps"] is not None:
        return int(optim["max_steps"])
    if not train or not train[-1]["epoch"]:
        return None
    an_epoch: float = train[-1]["step"] / train[-1]["epoch"]
    return math.ceil(float(optim["epochs"]) * round(an_epoch))


def _speed(train: list[dict[str, Any]], what: str) -> float | None:
    """Returns how much of a counter the last logged steps have added a second."""
    if len(train) < 2:
        return None
    first, last = train[-_RECENT:][0], train[-1]
    seconds = last["time"] - first["time"]
    return float((last[what] - first[what]) / seconds) if seconds > 0 else None


def _recent_mean(train: list[dict[str, Any]], what: str) -> float | None:
    """Returns the mean of what the last logged steps say of themselves; None where they do not."""
    said = [line[what] for line in train[-_RECENT:] if what in line]
    return sum(said) / len(said) if said else None


def _seconds_left(train: list[dict[str, Any]], step: int, steps: int | None) -> float | None:
    speed = _speed(train, "step")
    return (steps - step) / speed if speed and steps is not None else None


def _point(lines: list[dict[str, Any]]) -> Point | None:
    if not lines:
        return None
    last = lines[-1]
    return Point(
        step=last["step"],
        loss=last.get("loss"),
        accuracy=last.get("accuracy_reference", last.get("accuracy_mean")),
        margin=last.get("margin_reference"),
    )
