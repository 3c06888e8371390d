"""Whether training fits its device, estimated from the model's files and the longest pairs.

`prefalign plan` counts the same on the model itself and on every batch; this is quick enough to be
done each time, and errs on the side of the longest pairs meeting in one micro-batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from prefalign.config import Lora, RunConfig
from prefalign.plan.hardware import CONTEXT_BYTES
from prefalign.plan.memory import (
    Setup,
    fragmentation_bytes,
    kernel_bytes,
    step_memory,
    update_memory,
)
from prefalign.plan.reads import Reads
from prefalign.preflight.device import Device
from prefalign.preflight.model import ModelFiles
from prefalign.preflight.size import rough_shape
from prefalign.units import bytes_text

_PROCESS = 600_000_000
"""Bytes of a CPU process with torch and transformers loaded, measured."""

_BF16_ON_CPU = ("avx512_bf16", "amx_bf16")


class Estimate(NamedTuple):
    """Bytes that the fullest device will hold, near enough.

    Attributes:
        peak: of one process, the most at any moment.
        resident: of these, what does not depend on the micro-batch.
    """

    peak: int
    resident: int


def memory_remark(
    config: RunConfig, files: ModelFiles, table: pa.Table, device: Device
) -> str | None:
    """Returns that training will not fit, and what would; None if it fits or cannot be told.

    Args:
        config: the run.
        files: of its model.
        table: the token store of the training pairs.
        device: where it will run.
    """
    lengths = _lengths(table)
    found = estimate(config, files, lengths, device)
    if found is None or _fits(found, config, device):
        return None
    return (
        f"warning: training needs about {bytes_text(found.peak)} in each process, and "
        f"{_room(config, device)}; {_remedy(config, files, lengths, device)}"
    )


def estimate(
    config: RunConfig, files: ModelFiles, lengths: NDArray[np.int64], device: Device
) -> Estimate | None:
    """Returns what training will hold; None where the model's files do not tell its sizes.

    Args:
        config: the run.
        files: of its model.
        lengths: (P, 2) tokens of each pair's prompt, and of its two completions together.
        device: where it will run.
    """
    shape = rough_shape(files, config.model.lora)
    if shape is None:
        return None
    processes = config.hardware.num_processes or device.devices
    setup = Setup(
        shape=shape,
        precision=_precision(config, device),
        checkpointing=config.hardware.gradient_checkpointing,
        processes=processes,
    )
    reads = _longest_pass(config, lengths, processes)
    held = step_memory(setup, reads, first=False, moments=True)
    resident = sum(held._replace(activations=0, head=0))
    peak = max(sum(held), sum(update_memory(setup)))
    if device.kind == "cpu":
        beside = _PROCESS + kernel_bytes(setup.precision)
        return Estimate(peak + beside + fragmentation_bytes(held), resident + beside)
    return Estimate(peak + CONTEXT_BYTES, resident + CONTEXT_BYTES)


def _longest_pass(config: RunConfig, lengths: NDArray[np.int64], processes: int) -> Reads:
    """Returns the sizes of a forward pass over the longest pairs, prompts shared within each."""
    batch = config.batch
    longest = lengths[np.argsort(-lengths.sum(axis=1), kind="stable")]
    if batch.micro_batch_tokens:
        fitting = np.searchsorted(np.cumsum(longest.sum(axis=1)), batch.micro_batch_tokens, "right")
        most = max(int(fitting), 1)
    else:
        most = batch.pairs_at_once
    prompts, completions = longest[: min(most, -(-batch.global_batch_size // processes))].sum(
        axis=0
    )
    tokens = int(prompts + completions)
    return Reads(tokens, int(completions), 0, int(2 * prompts + completions), 1)


def _lengths(table: pa.Table) -> NDArray[np.int64]:
    prompt, chosen, rejected = (
        pc.list_value_length(table[name]).to_numpy().astype(np.int64)
        for name in ("prompt_ids", "chosen_ids", "rejected_ids")
    )
    return np.stack([prompt, chosen + rejected], axis=1)


def _precision(config: RunConfig, device: Device) -> str:
    """Returns what `auto` will come to: bf16 where the hardware multiplies it."""
    wanted = config.hardware.precision
    if wanted != "auto":
        return wanted
    return "bf16" if device.kind == "gpu" or _cpu_has_bf16() else "fp32"


def _cpu_has_bf16() -> bool:
    try:
        return any(flag in Path("/proc/cpuinfo").read_text() for flag in _BF16_ON_CPU)
    except OSError:
        return False


def _fits(found: Estimate, config: RunConfig, device: Device) -> bool:
    """Returns whether it fits; the processes of a CPU share its memory."""
    sharing = (config.hardware.num_processes or 1) if device.kind == "cpu" else 1
    return found.peak * sharing <= device.memory


def _room(config: RunConfig, device: Device) -> str:
    if device.kind == "gpu":
        return f"the GPU has {bytes_text(device.memory)}"
    processes = config.hardware.num_processes or 1
    shared = f" for {processes} processes" if processes > 1 else ""
    return f"this machine has {bytes_text(device.memory)} left{shared}"


def _remedy(
    config: RunConfig, files: ModelFiles, lengths: NDArray[np.int64], device: Device
) -> str:
    """Returns the first change that would make it fit: the cheapest come first."""
    for words, changed in _changes(config):
        found = estimate(changed, files, lengths, device)
        if found is not None and _fits(found, changed, device):
            return f"{words} would make it {bytes_text(found.peak)}"
    return "not even adapters with one pair at a time would fit: a smaller model, or more memory"


def _changes(config: RunConfig) -> Iterator[tuple[str, RunConfig]]:
    """Yields settings to change, as typed, with the run that they make."""
    one = config.model_copy(
        update={
            "batch": config.batch.model_copy(
                update={"micro_batch_size": 1, "micro_batch_tokens": None}
            )
        }
    )
    size = config.batch.pairs_at_once // 2
    while size >= 1 and not config.batch.micro_batch_tokens:
        smaller = config.batch.model_copy(update={"micro_batch_size": size})
        words = f"--set batch.micro_batch_size={size} (the result stays the same)"
        yield words, config.model_copy(update={"batch": smaller})
        size //= 2
    checkpointing = {"gradient_checkpointing": True}
    words = "--set hardware.gradient_checkpointing=true"
    yield words, _with(config, "hardware", checkpointing)
    yield f"{words} --set batch.micro_batch_size=1", _with(one, "hardware", checkpointing)
    if config.model.lora is None:
        words = "--set model.lora={} (adapters instead of all weights)"
        yield words, _with(config, "model", {"lora": Lora()})
        least = _with(_with(one, "model", {"lora": Lora()}), "hardware", checkpointing)
        yield f"{words} with the two settings above", least


def _with(config: RunConfig, group: str, values: Mapping[str, object]) -> RunConfig:
    return config.model_copy(update={group: getattr(config, group).model_copy(update=values)})
