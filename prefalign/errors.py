"""How a training run can end early, each way with an exit code of its own.

PrefError
├── TrainingFailed   exit 1: something we did not foresee; the log has the traceback
│   └── LostProcess  another process of the run is gone, and knows or shows why
├── OutOfMemory      exit 3: the model or a batch does not fit
├── Diverged         exit 4: the loss is no number any more
└── Interrupted      exit 128 + signal: stopped from outside, with a checkpoint where possible
"""

from __future__ import annotations

from prefdata.errors import PrefError

EXIT_FAILED = 1
EXIT_OUT_OF_MEMORY = 3
EXIT_DIVERGED = 4


class TrainingFailed(PrefError):
    """An error that is not ours to explain."""

    exit_code = EXIT_FAILED


class LostProcess(TrainingFailed):
    """This process had to end because it lost touch with another one."""


class OutOfMemory(PrefError):
    """The device has no room left."""

    exit_code = EXIT_OUT_OF_MEMORY


class Diverged(PrefError):
    """The loss or the gradient is NaN or infinite."""

    exit_code = EXIT_DIVERGED


class Interrupted(PrefError):
    """A signal ended the run."""

    def __init__(self, message: str, *, signal: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal
