"""Trains with and without the call, as one of several processes; the first writes both logs.

python -m torch.distributed.run --nproc_per_node 2 -m tests.prefalign.plugin.two_processes MODEL LOGS
"""

import json
import sys
from pathlib import Path
from typing import Any

from prefalign import accelerate_preferences
from tests.prefalign.plugin.training import trained, trainer_of


def main(model: str, logs: Path) -> None:
    found: dict[str, Any] = {}
    for name, call in (("plain", lambda trainer: trainer), ("called", accelerate_preferences)):
        settings = {"gradient_accumulation_steps": 2, "ddp_backend": "gloo"}
        trainer = call(trainer_of(model, str(logs.parent / "out"), **settings))
        found[name] = trained(trainer).logs
        assert trainer.args.world_size == 2
    if trainer.is_world_process_zero():
        logs.write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
