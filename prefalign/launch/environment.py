"""What libraries find when they are imported: their environment, and who hears of them."""

from __future__ import annotations

import logging
import os

KERNELS = 128
"""Compiled kernels that oneDNN keeps on a CPU."""

_ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRL_EXPERIMENTAL_SILENCE": "1",  # its ORPO is experimental, which is why it is pinned
    "PET_SHUTDOWN_TIMEOUT": "600",  # seconds torchrun gives workers to save; 30 are too few for big models
    "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin make a busy machine three times slower
    # in bf16 on a CPU every number of tokens is another set of kernels; both caches of PyTorch's oneDNN
    # keep 1024 of them, more than 1 GB, and batches of one more length seldom come again
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": str(KERNELS),
    "LRU_CACHE_CAPACITY": str(KERNELS),
}
# warns of a kernel that training does not use, in each process that imports PEFT on a CPU with bf16
_REMARKS = "bitsandbytes.backends.cpu.ops"


def settle_environment() -> None:
    """Sets what libraries read when they are imported, unless the user has set it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger(_REMARKS).setLevel(logging.ERROR)
