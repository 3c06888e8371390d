"""One process of a run, started by a launcher: ours, or `accelerate launch -m prefalign train`."""

from __future__ import annotations

import errno
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from prefalign.config import RunConfig, load_run
from prefalign.errors import LostProcess, OutOfMemory, TrainingFailed
from prefalign.launch import SUPERVISED
from prefalign.preflight import check_settings, preflight
from prefalign.preflight.processes import refuse_missing_processes
from prefalign.progress import Console, Pipe, Reporter, Silence
from prefalign.survival.agreement import Agreement, several_machines
from prefalign.survival.claim import claim
from prefalign.survival.orphans import end_with_parents
from prefalign.survival.outcome import before_the_first_step, tell_launcher, write_outcome
from prefalign.survival.started import write_started
from prefalign.survival.stopping import Stopped
from prefdata.errors import PrefError

_log = logging.getLogger("prefalign")


def work(
    run_file: Path, settings: Sequence[str], *, resume: bool | None = None, overwrite: bool = False
) -> None:
    """Trains in this process.

    Args:
        run_file: the run file.
        settings: that win over it, as `group.key=value`.
        resume: see `prefalign.survival.claim.claim`; a parent on a single machine has seen to it already.
        overwrite: likewise.

    Raises:
        PrefError: the run failed; in the first process and without a parent that would say so.
        SystemExit: the run failed, in any other process.
    """
    rank, supervisor = int(os.environ.get("RANK", "0")), os.environ.get(SUPERVISED)
    agreement = Agreement(rank, int(os.environ.get("WORLD_SIZE", "1")))
    config = None
    end_with_parents()
    try:
        config = load_run(run_file, settings)
        reporter = _reporter(rank, supervised=supervisor is not None)
        refuse_missing_processes(config, _typed(run_file, settings))
        _refuse_untested_launchers(config)
        if rank > 0:
            wanted = _follow(config, run_file, agreement)
        else:
            claims = supervisor is None or several_machines()
            wanted = not claims or claim(config, reporter.say, resume=resume, overwrite=overwrite)
            if wanted and claims:
                preflight(config, str(run_file))
            _lead(config, agreement, wanted=wanted)
        if wanted:
            _log_to(config.output.dir / "logs" / f"rank-{rank}.log")
            _train(config, reporter)
    # whatever ends a run has to end as one message and an exit code
    except BaseException as error:
        failure = as_failure(error, config)
        agreement.object(failure)
        tell_launcher(failure)
        if supervisor is not None:
            write_outcome(Path(supervisor), failure)
        if supervisor is not None or rank > 0:
            raise SystemExit(failure.exit_code) from error
        raise failure from error


def _typed(run_file: Path, settings: Sequence[str]) -> str:
    """Returns the run file and what wins over it as a person types them."""
    options = [word for setting in settings for word in ("--set", setting)]
    return shlex.join([str(run_file), *options])


def _lead(config: RunConfig, agreement: Agreement, *, wanted: bool) -> None:
    """Says in the first process whether there is anything to train; returns when all agree."""
    if wanted:
        write_started(config, 0)
        _load_libraries()
    agreement.lead(config, wanted=wanted)


def _follow(config: RunConfig, run_file: Path, agreement: Agreement) -> bool:
    """Returns in any other process whether there is anything to train, when all agree."""
    if several_machines() and os.environ.get("LOCAL_RANK") == "0":
        check_settings(config, str(run_file))  # files that this machine does not see
    _load_libraries()
    wanted = agreement.follow(config)
    if wanted:
        write_started(config, agreement.rank)
    return wanted


def _load_libraries() -> None:
    """Loads what training needs: while that takes seconds, nobody waits for this process yet."""
    import_module("prefalign.run")


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


def as_failure(error: BaseException, config: RunConfig | None) -> PrefError:
    """Returns the error as what a person can act on; the log keeps the traceback.

    Args:
        error: what ended this process.
        config: the run file; None where it could not be read.
    """
    if isinstance(error, PrefError):
        return error
    if isinstance(error, Stopped):
        return before_the_first_step(error.number)
    _log.error("training stopped", exc_info=error)
    from prefalign.survival.out_of_memory import is_out_of_memory

    logs = config.output.dir / "logs" if config is not None else Path("logs")

    if is_out_of_memory(error):
        return OutOfMemory(
            f"out of memory before the first step: {_first_line(error)}",
            hint="take a smaller model, or adapters: --set model.lora={}",
        )
    if _is_lost_connection(error):
        return LostProcess(
            f"another process of the run is gone ({type(error).__name__}: {_first_line(error)})",
            hint=f"why is in {logs}; the same command goes on with the run",
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return TrainingFailed(
            f"the disk is full: {logs.parent} or the cache could not be written",
            hint="make room; the same command then goes on with the run",
        )
    return TrainingFailed(
        f"training stopped: {type(error).__name__}: {_first_line(error)}",
        hint=f"the traceback is in {logs}",
    )


def _is_lost_connection(error: BaseException) -> bool:
    """Returns whether a collective failed: NCCL raises errors of its own, gloo says where it was."""
    from torch import distributed

    if isinstance(error, (distributed.DistError, ConnectionError)):
        return distributed.is_initialized()
    return isinstance(error, RuntimeError) and "/gloo/" in str(error)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
