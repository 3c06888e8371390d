"""`engine: trl` for DPO: TRL's own trainer, loss and reference on our token ids.

TRL is pinned to one minor version; tests/prefalign/test_trl_engine.py checks what is relied on here.
"""

from __future__ import annotations

from typing import Any

from trl import DPOConfig, DPOTrainer

from prefalign.config import RunConfig
from prefalign.engine.trl_tokens import accumulate, build
from prefalign.losses.dpo import Dpo
from prefalign.measure import Instruments, Measured
from prefalign.model import Precision
from prefalign.tokenise import TokenStore
from prefalign.trainer import argument_values
from prefdata.errors import ConfigError


class TrlDpo(Measured, DPOTrainer):  # type: ignore[misc]
    """TRL's DPOTrainer, given token ids instead of text."""

    def _prepare_dataset(self, dataset: Any, *_: Any, **_options: Any) -> Any:
        return dataset


def arguments(config: RunConfig, precision: Precision) -> DPOConfig:
    """Returns the run file in TRL's words.

    Raises:
        ConfigError: a setting that TRL's DPO does not have.
    """
    method = config.method
    if not isinstance(method, Dpo) or method.label_smoothing:
        problem = "method.label_smoothing: TRL's sigmoid loss has none"
        raise ConfigError([problem], source="engine trl", hint="use engine prefalign")
    values = {"beta": method.beta, "max_length": None, **config.trl}
    return accumulate(DPOConfig(**argument_values(config, precision) | values), config)


def trainer(
    model: Any,
    config: RunConfig,
    settings: DPOConfig,
    train: TokenStore,
    test: TokenStore | None,
    instruments: Instruments,
) -> TrlDpo:
    """Returns TRL's trainer around an untouched `model`; adapters are added by TRL."""
    return build(TrlDpo, model, config, settings, train, test, instruments)
