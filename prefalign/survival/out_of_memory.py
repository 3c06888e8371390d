"""Telling that memory ran out, whoever says so, and which setting it was for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from prefalign.config import Batch
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


def step_did_not_fit(batch: Batch, fitting: int | None) -> OutOfMemory:
    """Returns what to tell when a step of training had no room.

    Args:
        batch: of the run.
        fitting: pairs at once that would have; 0 for not even one, None where that was not tried.
    """
    said = f"out of memory while training on {_at_once(batch)}"
    if fitting is None:
        return OutOfMemory(
            said,
            hint="try half of that (the losses stay the same), or "
            "--set hardware.gradient_checkpointing=true",
        )
    if fitting:
        return OutOfMemory(
            f"{said}; {fitting} at once fit, tried on the longest",
            hint=f"--set batch.micro_batch_size={fitting} (the losses stay the same), or auto",
        )
    return OutOfMemory(
        f"{said}; not even one fits",
        hint="--set hardware.gradient_checkpointing=true, or adapters: --set model.lora={}",
    )


def _at_once(batch: Batch) -> str:
    if batch.micro_batch_tokens:
        return f"{batch.micro_batch_tokens:,} tokens at once (batch.micro_batch_tokens)"
    return f"{batch.pairs_at_once} pairs at once (batch.micro_batch_size)"
