"""How a training run can fail, each way with an exit code of its own.

PrefError
├── OutOfMemory    exit 3: the model or a batch does not fit
└── Diverged       exit 4: the loss is no number any more
"""

from __future__ import annotations

from prefdata.errors import PrefError

EXIT_OUT_OF_MEMORY = 3
EXIT_DIVERGED = 4


class OutOfMemory(PrefError):
    """The device has no room left."""

    exit_code = EXIT_OUT_OF_MEMORY


class Diverged(PrefError):
    """The loss or the gradient is NaN or infinite."""

    exit_code = EXIT_DIVERGED
