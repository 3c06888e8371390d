"""One process of a run, started by a launcher: ours, or `accelerate launch -m prefalign train`."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path

from prefalign.config import RunConfig
from prefalign.errors import Interrupted, OutOfMemory, TrainingFailed
from prefalign.launch import SUPERVISED, write_outcome
from prefalign.preflight import preflight
from prefalign.processes import refuse_missing_processes
from prefalign.progress import Console, Pipe, Reporter, Silence
from prefalign.started import write_started
from prefdata.errors import PrefError

_log = logging.getLogger("prefalign")


def work(config: RunConfig, run_file: str, *, resume: bool) -> None:
    """Trains in this process.

    Raises:
        PrefError: the run failed; in the first process and without a parent that would say so.
        SystemExit: the run failed, in any other process.
    """
    rank, supervisor = int(os.environ.get("RANK", "0")), os.environ.get(SUPERVISED)
    try:
        refuse_missing_processes(config, run_file)
        _refuse_untested_launchers(config)
        if supervisor is None:
            preflight(config, run_file, resume=resume)
        _log_to(config.output.dir / "logs" / f"rank-{rank}.log")
        write_started(config, rank)
        _train(config, _reporter(rank, supervised=supervisor is not None), resume=resume)
    # whatever ends a run has to end as one message and an exit code
    except BaseException as error:
        failure = as_failure(error, config)
        if supervisor is not None:
            write_outcome(Path(supervisor), failure)
        if supervisor is not None or rank > 0:
            raise SystemExit(failure.exit_code) from error
        raise failure from error


def _refuse_untested_launchers(config: RunConfig) -> None:
    from prefalign.sharding import refuse_untested

    refuse_untested(config.engine)


def _train(config: RunConfig, reporter: Reporter, *, resume: bool) -> None:
    from prefalign.run import train

    try:
        train(config, reporter, resume=resume)
    finally:
        reporter.close()


def _reporter(rank: int, *, supervised: bool) -> Reporter:
    if rank > 0:
        return Silence()
    return Pipe(sys.stdout) if supervised else Console()


def _log_to(path: Path) -> None:
    """Sends all libraries' messages and warnings to a file; the terminal belongs to the reporter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(filename=path, filemode="w", level=logging.INFO, format=form, force=True)
    logging.captureWarnings(capture=True)
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.disable_default_handler()
    transformers_logging.enable_propagation()


def as_failure(error: BaseException, config: RunConfig) -> PrefError:
    """Returns the error as what a person can act on; the log keeps the traceback."""
    if isinstance(error, PrefError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("stopped before the first step", signal=signal.SIGINT)
    _log.error("training stopped", exc_info=error)
    if _is_out_of_memory(error):
        size = config.batch.micro_batch_size
        smaller = (
            f"--set batch.micro_batch_size={size // 2}" if size > 1 else "a shorter max_length"
        )
        return OutOfMemory(
            f"out of memory with {size} pairs of up to {config.data.max_length} tokens at once",
            hint=f"try {smaller} (the result stays the same), or "
            "--set hardware.gradient_checkpointing=true",
        )
    reason = str(error).strip().partition("\n")[0]
    return TrainingFailed(
        f"training stopped: {type(error).__name__}: {reason}",
        hint=f"the traceback is in {config.output.dir / 'logs'}",
    )


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
