"""The fewest operations that compute a step: what `useful` means in the tables."""

from __future__ import annotations

from benchmarks.training.our_sides import InOrder
from benchmarks.training.work import Work
from prefalign import config
from prefalign.data.dataset import PairDataset
from prefalign.engine.bins import Limits
from prefalign.plan.flops import training
from prefalign.plan.reads import reads
from prefalign.plan.shape import read_shape


def useful_flops(work: Work) -> float:
    """Returns the operations of forward and backward over all pairs, each prompt computed once."""
    folder = work.folder / "shape"
    work.shape.config.save_pretrained(folder)
    lora = config.Lora() if work.shape.lora else None
    shape, _ = read_shape(config.Model(name=str(folder), lora=lora))
    data = PairDataset(work.table, layout="shared")
    total = 0.0
    for share in InOrder(data, global_batch_size=work.batch, limits=Limits()):
        batches = data.__getitems__(share)
        total += sum(training(shape, reads(b), checkpointing=False).total for b in batches)
    return total
