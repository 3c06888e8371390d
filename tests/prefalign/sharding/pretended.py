"""Trains run files one after the other, as one of several CPU processes whose models are divided.

accelerate divides models only where processes have accelerators, and replicates them on CPUs whatever
its launcher was asked for. So it is told here that these processes are others; all else is what
`accelerate launch -m prefalign train` runs on GPUs, over gloo.

accelerate launch --use_fsdp --fsdp_version 2 --num_processes 2 -m tests.prefalign.sharding.pretended RUN_FILE...
ACCELERATE_TORCH_DEVICE=cpu accelerate launch --config_file zero3.yaml ...
"""

import os
import sys
from typing import Any

from accelerate import PartialState
from accelerate.utils import DistributedType

from prefalign.config import load_run
from prefalign.progress import Silence
from prefalign.run import train
from prefalign.sharding import refuse_untested
from prefdata.errors import PrefError


def as_if_accelerated() -> None:
    """Lets accelerate take CPU processes for such as it divides models among."""
    start = PartialState.__init__

    def for_fsdp(self: Any, *args: Any, **options: Any) -> None:
        start(self, *args, **options)
        if self.distributed_type is DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    def for_deepspeed(self: Any, *_: Any, **options: Any) -> None:
        start(self, **options | {"cpu": False, "backend": "gloo"})

    uses_deepspeed = os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true"
    PartialState.__init__ = for_deepspeed if uses_deepspeed else for_fsdp
    if uses_deepspeed:
        from deepspeed.ops import __compatible_ops__

        __compatible_ops__["deepspeed_shm_comm"] = False  # it would be compiled, for minutes


if __name__ == "__main__":
    as_if_accelerated()
    failed = False
    for run_file in sys.argv[1:]:
        config = load_run(run_file)
        refuse_untested(config.engine)
        try:
            train(config, Silence(), resume=config.output.dir.exists())
        except PrefError as error:
            failed = True
            print(f"{type(error).__name__}: {error.message}", file=sys.stderr)
    sys.exit(failed)
