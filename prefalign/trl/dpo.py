"""`engine: trl` for DPO: TRL's own trainer, loss and reference on our token ids.

TRL is pinned to one minor version; tests/prefalign/trl/test_trl_engine.py checks what is relied on here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from trl import DPOConfig, DPOTrainer

from prefalign.config import RunConfig
from prefalign.losses.choice import weights
from prefalign.losses.dpo import Dpo
from prefalign.models.loading import Precision
from prefalign.trainer import argument_values
from prefalign.training.measure import Measured
from prefalign.trl.tokens import accumulate, build
from prefdata.errors import ConfigError

LOSSES_OF_TRL = frozenset(
    [
        "sigmoid",
        "hinge",
        "ipo",
        "exo_pair",
        "nca_pair",
        "robust",
        "bco_pair",
        "sppo_hard",
        "aot",
        "aot_unpaired",
        "apo_zero",
        "apo_down",
        "discopop",
        "sft",
        "sigmoid_norm",
    ]
)
_DIVERGENCES = {
    "reverse_kl": "reverse_kl",
    "forward_kl": "forward_kl",
    "js": "js_divergence",
    "alpha": "alpha_divergence",
}


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
    assert isinstance(method, Dpo)  # the module is found by the method's name
    if problems := list(_unknown_to_trl(method)):
        raise ConfigError(problems, source="engine trl", hint="use engine prefalign")
    values = {**loss_values(method), "max_length": None, **config.trl}
    return accumulate(DPOConfig(**argument_values(config, precision) | values), config)


def loss_values(method: Dpo) -> dict[str, Any]:
    """Returns the settings of the loss in TRL's words."""
    chosen = weights(method.loss)
    return {
        "loss_type": list(chosen),
        "loss_weights": list(chosen.values()),
        "beta": method.beta,
        "label_smoothing": method.label_smoothing,
        "ld_alpha": method.ld_alpha,
        "f_divergence_type": _DIVERGENCES[method.f_divergence],
        "f_alpha_divergence_coef": method.f_alpha,
        "discopop_tau": method.discopop_tau,
        "use_weighting": method.wpo,
    }


def _unknown_to_trl(method: Dpo) -> Iterator[str]:
    for name in weights(method.loss).keys() - LOSSES_OF_TRL:
        yield f"method.loss: TRL has no {name}"
    if method.label_smoothing and "sigmoid" in weights(method.loss):
        yield "method.label_smoothing: TRL's sigmoid loss has none"
    if method.wpo and "hinge" in weights(method.loss):
        yield "method.wpo: TRL cannot go backward through its weighted hinge loss"
    if method.labels != "hard":
        yield "method.labels: TRL has only hard"


trainer = partial(build, TrlDpo)
