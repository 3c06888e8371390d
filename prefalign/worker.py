"""One process of a run, started by a launcher: ours, or `accelerate launch -m prefalign train`."""

from __future__ import annotations

import errno
import logging
import os
import sys
from pathlib import Path

from prefalign.config import RunConfig
from prefalign.errors import LostProcess, OutOfMemory, TrainingFailed
from prefalign.launch import SUPERVISED, claim, is_finished
from prefalign.preflight import preflight
from prefalign.preflight.processes import refuse_missing_processes
from prefalign.progress import Console, Pipe, Reporter, Silence
from prefalign.survival.orphans import end_with_parents
from prefalign.survival.outcome import before_the_first_step, write_outcome
from prefalign.survival.started import write_started
from prefalign.survival.stopping import Stopped
from prefdata.errors import PrefError

_log = logging.getLogger("prefalign")


def work(
    config: RunConfig, run_file: str, *, resume: bool | None = None, overwrite: bool = False
) -> None:
    """Trains in this process.

    Args:
        config: the run file.
        run_file: its name, for messages.
        resume: see `prefalign.launch.claim`; a parent has seen to it already.
        overwrite: likewise.

    Raises:
        PrefError: the run failed; in the first process and without a parent that would say so.
        SystemExit: the run failed, in any other process.
    """
    rank, supervisor = int(os.environ.get("RANK", "0")), os.environ.get(SUPERVISED)
    end_with_parents()
    try:
        refuse_missing_processes(config, run_file)
        _refuse_untested_launchers(config)
        if supervisor is None:
            if not _is_wanted(config, rank, resume=resume, overwrite=overwrite):
                return
            if rank == 0:
                preflight(config, run_file)
        _log_to(config.output.dir / "logs" / f"rank-{rank}.log")
        write_started(config, rank)
        _train(config, _reporter(rank, supervised=supervisor is not None))
    # whatever ends a run has to end as one message and an exit code
    except BaseException as error:
        failure = as_failure(error, config)
        if supervisor is not None:
            write_outcome(Path(supervisor), failure)
        if supervisor is not None or rank > 0:
            raise SystemExit(failure.exit_code) from error
        raise failure from error


def _is_wanted(config: RunConfig, rank: int, *, resume: bool | None, overwrite: bool) -> bool:
    """Returns whether there is anything to train, for a process that no parent of ours has started."""
    if rank > 0:
        return overwrite or not is_finished(config)
    return claim(config, Console().say, resume=resume, overwrite=overwrite)


def _refuse_untested_launchers(config: RunConfig) -> None:
    from prefalign.sharding import refuse_untested

    refuse_untested(config.engine)


def _train(config: RunConfig, reporter: Reporter) -> None:
    from prefalign.run import train

    try:
        train(config, reporter, resume=True)
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
    if isinstance(error, Stopped):
        return before_the_first_step(error.number)
    _log.error("training stopped", exc_info=error)
    from prefalign.survival.out_of_memory import is_out_of_memory

    if is_out_of_memory(error):
        return OutOfMemory(
            f"out of memory before the first step: {_first_line(error)}",
            hint="take a smaller model, or adapters: --set model.lora={}",
        )
    if _is_lost_connection(error):
        return LostProcess(
            f"another process of the run is gone ({type(error).__name__}: {_first_line(error)})",
            hint=f"why is in {config.output.dir / 'logs'}; the same command goes on with the run",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return TrainingFailed(
            f"the disk is full: {config.output.dir} or the cache could not be written",
            hint="make room; the same command then goes on with the run",
        )
    return TrainingFailed(
        f"training stopped: {type(error).__name__}: {_first_line(error)}",
        hint=f"the traceback is in {config.output.dir / 'logs'}",
    )


def _is_lost_connection(error: BaseException) -> bool:
    """Returns whether a collective failed: NCCL raises errors of its own, gloo says where it was."""
    from torch import distributed

    if isinstance(error, (distributed.DistError, ConnectionError)):
        return distributed.is_initialized()
    return isinstance(error, RuntimeError) and "/gloo/" in str(error)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
