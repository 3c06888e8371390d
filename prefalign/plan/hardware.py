"""GPUs that people train on, with what their makers say of them."""

from __future__ import annotations

import re
from typing import NamedTuple

from prefdata.errors import PrefError

GB = 10**9


class Gpu(NamedTuple):
    """One GPU.

    Attributes:
        flops: a second, dense bf16 with fp32 accumulation, from the data sheet.
        memory: bytes.
    """

    flops: float
    memory: int


GPUS = {
    "H200": Gpu(989e12, 141 * GB),  # SXM
    "H100": Gpu(989e12, 80 * GB),  # SXM
    "A100": Gpu(312e12, 80 * GB),
    "4090": Gpu(165e12, 24 * GB),
}

_SLOWER = {"PCIE", "NVL", "D", "LAPTOP"}  # what makers add to the name of a lesser one

CONTEXT_BYTES = 1 << 30
"""Kept back on a GPU for what torch does not count: the CUDA context, cuBLAS, NCCL."""

_UNITS = {"GB": GB, "GIB": 1 << 30, "MB": 10**6, "MIB": 1 << 20}


def gpu_named(device: str) -> Gpu | None:
    """Returns the GPU that torch calls `device`, if it is one of `GPUS`.

    >>> gpu_named("NVIDIA H200") is GPUS["H200"], gpu_named("NVIDIA H100 PCIe"), gpu_named("cpu")
    (True, None, None)
    """
    words = set(re.split(r"[ -]", device.upper()))
    # an A100 multiplies as fast on either board
    if words & _SLOWER - ({"PCIE"} if "A100" in words else set()):
        return None
    return next((gpu for name, gpu in GPUS.items() if name in words), None)


def parse_bytes(text: str) -> int:
    """Returns the bytes of `80GB` or `24GiB`.

    Raises:
        PrefError: it is nothing of the kind.

    >>> parse_bytes("80GB"), parse_bytes("1.5 GiB")
    (80000000000, 1610612736)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*", text, re.IGNORECASE)
    if found is None or found[2].upper() not in _UNITS or float(found[1]) == 0:
        raise PrefError(f"'{text}' is no amount of memory", hint="write 80GB or 24GiB")
    return int(float(found[1]) * _UNITS[found[2].upper()])
