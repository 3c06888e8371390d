"""Bytes while weights are read: into a process's own memory, also where they go to a GPU afterwards."""

from __future__ import annotations

from pathlib import Path

from prefalign.plan.activations import BF16, FP32
from prefalign.plan.shape import Shape


def loading_bytes(shape: Shape, source: str, precision: str) -> int:
    """Returns the peak of loading a model on a CPU.

    Weights that are stored as they are wanted are the mapped file itself; others are made from it
    while it is mapped. GGUF files are unpacked to fp32 first.

    Args:
        shape: of the model.
        source: what transformers loads: a directory, or a name on the hub.
        precision: of the run.
    """
    wanted = BF16 if shape.adapters and precision == "bf16" else FP32
    stored = sum(file.stat().st_size for file in Path(source).glob("*.safetensors"))
    stored = stored or FP32 * shape.parameters
    made = wanted * shape.parameters
    is_mapped = abs(stored - made) < made / 4
    return made if is_mapped else stored + made
