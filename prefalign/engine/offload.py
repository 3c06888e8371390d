"""Activations kept in the host's memory between the forward and the backward pass."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

SMALLEST = 1 << 16
"""Bytes; smaller tensors stay where they are: moving them costs more than they take."""


class _Moved(NamedTuple):
    """A tensor that was moved, and where it belongs."""

    copy: Tensor
    device: torch.device


class OffloadedActivations(saved_tensors_hooks):
    """The context of a forward pass whose saved tensors wait in the host's memory.

    It moves what autograd saves; the numbers stay the same to the bit. Under gradient checkpointing that is
    the input of each layer: what is computed again in the backward pass stays on the device. Weights stay
    too, and copies of them in the dtype of autocast. Copies run in the order of the device's stream, to and
    from pinned memory, so the host does not wait for them.

    `torch.autograd.graph.save_on_cpu` is the same for everything that is saved: the head's weight,
    a gigabyte for some, would travel twice a pass.

    Args:
        model: whose weights are left alone, on the device.
        device: whose memory is spared.
        smallest: bytes from which on a tensor is moved.
    """

    def __init__(self, model: nn.Module, device: torch.device, smallest: int = SMALLEST) -> None:
        super().__init__(self._pack, _unpack)
        self.device = device
        self.smallest = smallest
        self.moved = 0  # bytes
        weights = [weight for weight in model.parameters() if weight.ndim > 1]
        self._storages = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        self._shapes = {tuple(weight.shape) for weight in weights}
        self._shapes |= {shape[::-1] for shape in self._shapes}

    def _pack(self, tensor: Tensor) -> Any:
        size = tensor.numel() * tensor.element_size()
        if tensor.device != self.device or size < self.smallest or self._is_weight(tensor):
            return tensor
        copy = torch.empty_like(tensor, device="cpu", pin_memory=self.device.type == "cuda")
        copy.copy_(tensor, non_blocking=True)
        self.moved += size
        return _Moved(copy, self.device)

    def _is_weight(self, tensor: Tensor) -> bool:
        return (
            tuple(tensor.shape) in self._shapes
            or tensor.untyped_storage().data_ptr() in self._storages
        )


def _unpack(packed: Any) -> Tensor:
    if isinstance(packed, _Moved):
        return packed.copy.to(packed.device, non_blocking=True, copy=True)
    tensor: Tensor = packed
    return tensor
