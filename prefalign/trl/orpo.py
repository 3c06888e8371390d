"""`engine: trl` for ORPO: TRL's experimental trainer and loss on our token ids.

TRL is pinned to one minor version; tests/prefalign/trl/test_trl_engine.py checks what is relied on here.
Its ORPO may disappear from TRL in any release; then this file does, and nothing else changes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from prefalign.config import RunConfig
from prefalign.losses.orpo import Orpo
from prefalign.models.loading import Precision
from prefalign.trainer import argument_values
from prefalign.training.measure import Measured
from prefalign.trl.tokens import accumulate, build, labelled_row
from prefdata.errors import ConfigError


class TrlOrpo(Measured, ORPOTrainer):  # type: ignore[misc]
    """TRL's ORPOTrainer, given token ids instead of text."""

    def tokenize_row(self, feature: dict[str, list[int]], *_: Any) -> dict[str, list[int]]:
        """Returns the columns that TRL's collator pads, made from token ids that exist already."""
        return labelled_row(feature)


def arguments(config: RunConfig, precision: Precision) -> ORPOConfig:
    """Returns the run file in TRL's words; our lambda_ is TRL's beta.

    Raises:
        ConfigError: a setting that TRL's ORPO does not have.
    """
    method = config.method
    if not isinstance(method, Orpo) or method.nll_over != "all":
        problem = "method.nll_over: TRL's ORPO has only all"
        raise ConfigError([problem], source="engine trl", hint="use engine prefalign")
    values = {
        "beta": method.lambda_,
        "max_length": config.data.max_length,
        "disable_dropout": False,
        "remove_unused_columns": False,
        **config.trl,
    }
    return accumulate(ORPOConfig(**argument_values(config, precision) | values), config)


trainer = partial(build, TrlOrpo)
