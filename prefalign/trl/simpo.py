"""`engine: trl` for SimPO: the SimPO loss of TRL's experimental CPO trainer on our token ids.

TRL is pinned to one minor version; tests/prefalign/trl/test_trl_engine.py checks what is relied on here.
Its CPO may disappear from TRL in any release; then this file does, and nothing else changes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from trl.experimental.cpo import CPOConfig, CPOTrainer

from prefalign.config import RunConfig
from prefalign.losses.simpo import Simpo
from prefalign.models.loading import Precision
from prefalign.trainer import argument_values
from prefalign.training.measure import Measured
from prefalign.trl.tokens import accumulate, build, labelled_row


class TrlSimpo(Measured, CPOTrainer):  # type: ignore[misc]
    """TRL's CPOTrainer, given token ids instead of text."""

    def tokenize_row(self, feature: dict[str, list[int]], *_: Any) -> dict[str, list[int]]:
        """Returns the columns that TRL's collator pads, made from token ids that exist already."""
        return labelled_row(feature)


def arguments(config: RunConfig, precision: Precision) -> CPOConfig:
    """Returns the run file in TRL's words."""
    method = config.method
    assert isinstance(method, Simpo)  # the module is found by the method's name
    values = {
        "loss_type": "simpo",
        "cpo_alpha": 0.0,  # CPO's language-modelling term, which SimPO has not
        "beta": method.beta,
        "simpo_gamma": method.gamma,
        "max_length": config.data.max_length,
        "disable_dropout": False,
        "remove_unused_columns": False,
        **config.trl,
    }
    return accumulate(CPOConfig(**argument_values(config, precision) | values), config)


trainer = partial(build, TrlSimpo)
