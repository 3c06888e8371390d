"""The sides of the benchmark: trainers that are asked for the gradient of a global batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.training.our_sides import ours
from benchmarks.training.trl_sides import trl_dpo, trl_orpo
from benchmarks.training.work import Side, Work
from prefalign.engine.bins import Limits
from prefalign.losses.dpo import Dpo
from prefalign.losses.orpo import Orpo

Maker = Callable[[Work], Side]

_ON_GPU = torch.cuda.is_available()
# pairs at once, besides 8: TRL's fastest is among them
_FEWEST = (2, 4, 16) if _ON_GPU else (1, 2, 4)
_LIMITS = Limits(tokens=16384) if _ON_GPU else Limits(pairs=8)

_dpo = partial(ours, params=Dpo(), limits=_LIMITS)
_orpo = partial(ours, params=Orpo(lambda_=0.1), limits=_LIMITS)
_as_on_a_cpu = partial(trl_dpo, at_once=1, tuned=True, scores_prompts=True)

SIDES: dict[str, Maker] = {
    "TRL DPO tuned, 8 at once": partial(trl_dpo, at_once=8, tuned=True),
    "TRL DPO as it comes": partial(trl_dpo, at_once=8, tuned=False),
    **{
        f"TRL DPO tuned, {pairs} at once": partial(trl_dpo, at_once=pairs, tuned=True)
        for pairs in _FEWEST
    },
    "TRL DPO tuned, checkpointed": partial(trl_dpo, at_once=8, tuned=True, checkpointing=True),
    **({} if _ON_GPU else {"TRL DPO tuned, 1 at once, scoring prompts": _as_on_a_cpu}),
    "TRL DPO tuned, by length": partial(trl_dpo, at_once=8, tuned=True, by_length=True),
    "prefalign DPO": _dpo,
    "prefalign DPO, checkpointed": partial(_dpo, checkpointing=True),
    "prefalign DPO, packed": partial(_dpo, layout="packed"),
    "TRL ORPO tuned": partial(trl_orpo, at_once=8, tuned=True),
    "TRL ORPO as it comes": partial(trl_orpo, at_once=8, tuned=False),
    "prefalign ORPO": _orpo,
    "prefalign ORPO, checkpointed": partial(_orpo, checkpointing=True),
}
BASELINE = {"DPO": "TRL DPO as it comes", "ORPO": "TRL ORPO as it comes"}
TUNED = {"DPO": "TRL DPO tuned, 4 at once", "ORPO": "TRL ORPO tuned"}
"""TRL's best settings with pairs batched, as a GPU needs them: one at once is fast on a CPU alone."""
EXACT = {"DPO": "TRL DPO tuned, 8 at once", "ORPO": "TRL ORPO tuned"}
"""What others are compared with; they come first of their methods."""


def method_of(side: str) -> str:
    """Returns DPO or ORPO."""
    return "ORPO" if "ORPO" in side else "DPO"


def fastest_of_trl(seconds: dict[str, float], method: str) -> float | None:
    """Returns the seconds of TRL's fastest side of a method that does not reorder pairs."""
    found = (
        spent
        for name, spent in seconds.items()
        if name.startswith(f"TRL {method}") and "by length" not in name
    )
    return min(found, default=None)
