"""How the processes of a run ended: the first that fails says why, in a file that its parent reads."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefalign.errors import Interrupted, LostProcess, TrainingFailed
from prefalign.survival.started import resume_line
from prefalign.survival.stopping import SIGNALS
from prefdata.errors import PrefError

OUTCOME_FILE = "outcome.json"
"""In the logs: why the workers that a parent started have failed."""
LAUNCHER_LOG = "launcher.log"

# Words of torchrun for a process it found dead and for a signal of its own, and those of subprocess, which
# starts a single process.
_KILLED = re.compile(
    r"exitcode: -(?P<dead>\d+)\) local_rank: (?P<rank>\d+)|died with <Signals\.\w+: (?P<alone>\d+)>"
    r"|got signal: (?P<launcher>\d+)"
)
_ERROR = re.compile(r"[\w.]*Error: .|Accelerate launch command: error: ")


def write_outcome(logs: Path, error: PrefError) -> None:
    """Says why this process failed, unless another has said so before: the first knows the cause.

    One that only lost touch with another knows none.
    """
    if isinstance(error, LostProcess):
        return
    with suppress(OSError), (logs / OUTCOME_FILE).open("x") as file:  # the disk may be full
        json.dump(told(error), file)


def tell_launcher(error: PrefError) -> None:
    """Says why this process ends where torchrun looks for it: it is among the last words of a launcher.

    That of another machine than the first process's has nothing else to say of it.
    """
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        said = f"{error.message}; {error.hint}" if error.hint else error.message
        with suppress(OSError):
            Path(path).write_text(json.dumps({"message": said, "timestamp": int(time.time())}))


def told(error: PrefError) -> dict[str, Any]:
    """Returns an error as JSON."""
    return {"exit_code": error.exit_code, "message": error.message, "hint": error.hint}


def failure_told(outcome: dict[str, Any], *, who: str | None = None) -> PrefError:
    """Returns the error that `told` has told.

    Args:
        outcome: the JSON.
        who: had it, to begin the message with; None for nobody in particular.
    """
    message = outcome["message"]
    failure = TrainingFailed(f"{who}: {message}" if who else message, hint=outcome["hint"])
    failure.exit_code = outcome["exit_code"]
    return failure


def raise_outcome(run: Path, logs: Path, code: int, received: list[int], typed: str) -> None:
    """Raises what ended the workers early; returns where nothing did.

    Args:
        run: its directory.
        logs: where the launcher writes, and the workers say how they ended.
        code: of the launcher, negative for a signal.
        received: the signals that the parent passed on.
        typed: what follows `prefalign` on the command line, for a run that has not written it down yet.

    Raises:
        PrefError: with the exit code of the parent.
    """
    if outcome := read_outcome(logs):
        error = failure_told(outcome)
        if code == -signal.SIGINT and outcome["exit_code"] == 128 + signal.SIGTERM:
            error.exit_code = (
                128 + signal.SIGINT
            )  # the launcher died of it, its worker was orphaned
        raise error
    if code:
        failure = _without_a_word(run, logs, code, received, typed)
        write_outcome(logs, failure)
        raise failure


def read_outcome(logs: Path) -> dict[str, Any] | None:
    """Returns what a process said; None where nobody has, or had no room to."""
    try:
        outcome: dict[str, Any] = json.loads((logs / OUTCOME_FILE).read_text())
    except (OSError, ValueError):
        return None
    return outcome


def before_the_first_step(number: int) -> Interrupted:
    """Returns what a run says that a signal ended before there was anything to save."""
    return Interrupted("stopped before training began; there was nothing to save", signal=number)


def _without_a_word(run: Path, logs: Path, code: int, received: list[int], typed: str) -> PrefError:
    """Returns what can be said where no process could say anything: they were killed, or never came up."""
    text = (logs / LAUNCHER_LOG).read_text(errors="replace")
    found = _KILLED.search(text)
    hint = f"go on with: {resume_line(run) or f'prefalign {typed}'}"
    if len(received) > 1:
        return Interrupted("killed before it could save", signal=received[0], hint=hint)
    number = received[0] if received else -code
    if not received and found is not None:
        number = int(found["dead"] or found["alone"] or found["launcher"])
    if number in SIGNALS:
        return before_the_first_step(number)
    if number < 1:
        return TrainingFailed(
            f"the launcher ended with exit code {code}{_last_words(text)}",
            hint=f"see {logs / LAUNCHER_LOG}",
        )
    name = signal.Signals(number).name
    who = "the launcher" if found is None else f"process {found['rank'] or 0} of the run"
    why = ": by somebody, or by the system when memory was short" if name == "SIGKILL" else ""
    return TrainingFailed(f"{who} was killed by {name}{why}", hint=hint)


def _last_words(text: str) -> str:
    """Returns the error that a launcher ended with, such as that DeepSpeed is not installed."""
    last = text.rstrip().rpartition("\n")[2]
    return f": {last}" if _ERROR.match(last) else ""
