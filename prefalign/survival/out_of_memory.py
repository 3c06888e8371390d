"""Telling that memory ran out, whoever says so, and which setting it was for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from prefalign.errors import OutOfMemory

_TOLD_BY_MESSAGE = (
    "can't allocate memory",  # PyTorch's allocator on a CPU
    "std::bad_alloc",  # C++ below it
    "Cannot allocate memory",  # the system
    "CUDA error: out of memory",  # drivers
    "could not create a memory object",  # oneDNN
    "could not create a primitive",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether an error says that a device, or this process, has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, (RuntimeError, OSError)) and any(
        text in str(error) for text in _TOLD_BY_MESSAGE
    )


@contextmanager
def scoring(micro_batch_size: int) -> Iterator[None]:
    """Blames what passes without gradients cannot hold on their own setting.

    Args:
        micro_batch_size: `eval.micro_batch_size` of the run.

    Raises:
        OutOfMemory: memory ran out.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        smaller = f"--set eval.micro_batch_size={max(micro_batch_size // 2, 1)}"
        raise OutOfMemory(
            f"out of memory while {micro_batch_size} pairs at once were scored (no gradients)",
            hint=f"{smaller} (the scores stay the same)" if micro_batch_size > 1 else _FEWER_TOKENS,
        ) from error


_FEWER_TOKENS = "lower data.max_length, or take a smaller model"
