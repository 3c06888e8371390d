"""DPO and its family: one loss or a weighted sum of several on the same log-probs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from prefalign.losses import Facts, LossParams, PairLogps, Terms, loss, refused
from prefalign.losses.choice import Choice, refusal, unusable, weights
from prefalign.losses.divergence import FDivergence
from prefalign.losses.dpo_losses import DPO_LOSSES, DpoLoss
from prefalign.losses.length import weigh_tails
from prefalign.losses.wpo import pair_weights


class Dpo(LossParams):
    """Direct Preference Optimization, arXiv:2305.18290, and the losses that came after it."""

    model_config = ConfigDict(validate_default=True)

    name: Literal["dpo"] = "dpo"
    loss: Choice = Field(
        "sigmoid", description="a loss, a list of losses to add up, or a weight for each"
    )
    beta: float = Field(0.1, gt=0, description="temperature of the implicit reward; tau of ipo")
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="share of flipped labels")
    labels: Literal["hard", "votes"] = Field(
        "hard", description="votes: the probability that a label is right is its share of the votes"
    )
    ld_alpha: float | None = Field(
        None,
        ge=0,
        le=1,
        description="LD-DPO: weight of tokens past the shorter completion's length",
    )
    f_divergence: FDivergence = Field("reverse_kl", description="distance to the reference (f-DPO)")
    f_alpha: float = Field(0.5, description="the alpha of f_divergence alpha")
    discopop_tau: float = Field(0.05, gt=0, le=1, description="temperature of discopop's blend")
    wpo: bool = Field(
        default=False, description="WPO: weigh pairs by how likely the policy finds them"
    )

    @property
    def parts(self) -> list[tuple[DpoLoss, float]]:
        """The losses and their weights."""
        return [(DPO_LOSSES.get(name), weight) for name, weight in weights(self.loss).items()]

    def facts(self, usual: Facts) -> Facts:  # noqa: ARG002  the parts have the facts
        """Returns what any of the parts needs."""
        parts = [part for part, _ in self.parts]
        return Facts(
            needs_reference=any(part.needs_reference for part in parts),
            length_normalised=any(part.length_normalised for part in parts),
            pair_separable=all(part.pair_separable for part in parts),
            needs_tails=self.ld_alpha is not None,
            needs_log_sum_sq=self.wpo,
            needs_label_probability=self.labels == "votes",
        )

    def papers(self, usual: str) -> str:
        """Returns the arXiv numbers of the losses, of DPO's own where there is only a term of SFT."""
        found = [part.paper for part, _ in self.parts if not part.per_token]
        return ", ".join(dict.fromkeys(found)) or usual

    @field_validator("loss", mode="before")
    @classmethod
    def _known_losses(cls, value: Any) -> Any:
        if problems := list(unusable(value)):
            raise refused("; ".join(problems))
        return value

    @field_validator(
        "label_smoothing", "labels", "ld_alpha", "f_divergence", "f_alpha", "discopop_tau", "wpo"
    )
    @classmethod
    def _possible(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses a setting that the losses cannot follow; nothing is ignored in silence."""
        setting = str(info.field_name)
        usual = cls.model_fields[setting].default
        if "loss" in info.data and (reason := refusal(setting, value, usual, info.data)):
            raise refused(reason)
        return value


@loss(Dpo, paper="2305.18290", needs_reference=True, length_normalised=False)
def dpo(logps: PairLogps, params: Dpo) -> Terms:
    """The weighted sum of the losses in `params.loss`; `sft` alone is a mean over tokens.

    With `sigmoid`, eq. 7 of the paper; otherwise see the loss's own file. (B,) nats.
    """
    seen = logps if params.ld_alpha is None else weigh_tails(logps, params.ld_alpha)
    pairs, tokens = logps.chosen.new_zeros(logps.chosen.shape), None
    for part, weight in params.parts:
        if part.per_token:
            tokens = weight * part.value(logps, params)
        else:
            pairs = pairs + weight * part.value(seen, params)
    return Terms(pairs * pair_weights(logps) if params.wpo else pairs, tokens)
