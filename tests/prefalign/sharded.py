"""Trains run files one after the other, as one of several CPU processes whose models FSDP2 divides.

accelerate divides models only where processes have accelerators, and replicates them on CPUs whatever
its launcher was asked for. So it is told here that these processes are others; all else is what
`accelerate launch --use_fsdp --fsdp_version 2 -m prefalign train` runs on GPUs, over gloo.

accelerate launch --use_fsdp --fsdp_version 2 --num_processes 2 -m tests.prefalign.sharded RUN_FILE...
"""

import sys
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType

from prefalign.config import load_run
from prefalign.progress import Silence
from prefalign.run import train
from prefalign.sharding import refuse_untested


def as_if_accelerated() -> None:
    """Lets accelerate take CPU processes for such as it divides models among."""
    start = PartialState.__init__

    def started(self: Any, *args: Any, **options: Any) -> None:
        start(self, *args, **options)
        if self.distributed_type is DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    PartialState.__init__ = started


if __name__ == "__main__":
    as_if_accelerated()
    for run_file in sys.argv[1:]:
        config = load_run(run_file)
        refuse_untested(config.engine)
        train(config, Silence(), resume=config.output.dir.exists())
