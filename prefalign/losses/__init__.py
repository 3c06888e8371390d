"""Losses: pure functions of completion log-probs, each in a file of its own with its settings.

A loss file defines a settings model (the `method` block of a run file) and one function, and
registers them together; nothing else is edited:

    class Toy(LossParams):
        name: Literal["toy"] = "toy"

    @loss(Toy, paper="2400.00000", needs_reference=False, length_normalised=True)
    def toy(logps: PairLogps, params: Toy) -> Terms:
        return Terms(pairs=-(logps.mean_chosen - logps.mean_rejected))

Importing this package or any loss file needs no torch, so `prefalign validate` stays fast: tensors
are only named in annotations, and torch functions are imported where they are called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from prefdata.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

NllSpan: TypeAlias = Literal["all", "completion"]


class LossParams(BaseModel):
    """Settings of a loss: a subclass adds `name: Literal["..."] = "..."` and its own fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str


class NllParams(LossParams):
    """Settings of a loss with a language-modelling term, which the engine then computes."""

    nll_over: NllSpan = Field(
        "all", description="tokens of the NLL term: prompt and chosen, or chosen only"
    )


class PairLogps(NamedTuple):
    """What a loss may know of B pairs. Log-probs are natural logarithms (nats).

    Attributes:
        chosen, rejected: (B,) log-prob of the completion given the prompt, summed over its tokens.
        chosen_tokens, rejected_tokens: (B,) completion tokens, each > 0.
        reference_chosen, reference_rejected: (B,) the same sums under the reference model; None
            unless the loss declares `needs_reference`.
        nll: (B,) negative log-prob of the chosen side summed over the tokens of `nll_over`; None
            unless the loss's settings are `NllParams`.
    """

    chosen: Tensor
    rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor
    reference_chosen: Tensor | None = None
    reference_rejected: Tensor | None = None
    nll: Tensor | None = None

    @property
    def mean_chosen(self) -> Tensor:
        """(B,) log-prob of chosen per completion token."""
        return self.chosen / self.chosen_tokens

    @property
    def mean_rejected(self) -> Tensor:
        """(B,) log-prob of rejected per completion token."""
        return self.rejected / self.rejected_tokens

    @property
    def log_ratio_margin(self) -> Tensor:
        """(B,) log-ratio to the reference of chosen minus that of rejected."""
        if self.reference_chosen is None or self.reference_rejected is None:
            raise ValueError("this loss must be registered with needs_reference=True")
        return (self.chosen - self.reference_chosen) - (self.rejected - self.reference_rejected)


class Terms(NamedTuple):
    """What a loss returns. The engine alone normalises, over the global batch.

    Attributes:
        pairs: (B,) nats; enters as its mean over the pairs of the global batch.
        tokens: (B,) nats, a sum over the pair's NLL tokens; enters as the sum over the global batch
            divided by the NLL tokens of the global batch.
    """

    pairs: Tensor
    tokens: Tensor | None = None


P = TypeVar("P", bound=LossParams)


@dataclass(frozen=True)
class Loss:
    """A registered loss and the facts the engine needs about it.

    Attributes:
        params: its settings model; the `method` block of a run file is parsed with it.
        terms: `(PairLogps, params) -> Terms`.
        paper: arXiv number.
        needs_reference: reads the reference log-probs.
        length_normalised: compares log-probs per token, not sums.
    """

    params: type[LossParams]
    terms: Callable[[PairLogps, Any], Terms]
    paper: str
    needs_reference: bool
    length_normalised: bool

    @property
    def name(self) -> str:
        """The value of `method.name` that selects this loss."""
        return str(self.params.model_fields["name"].default)

    @property
    def needs_nll(self) -> bool:
        """The engine has to compute `PairLogps.nll`."""
        return issubclass(self.params, NllParams)


LOSSES: Registry[Loss] = Registry("loss", "prefalign.losses")


def loss(
    params: type[P], *, paper: str, needs_reference: bool, length_normalised: bool
) -> Callable[[Callable[[PairLogps, P], Terms]], Callable[[PairLogps, P], Terms]]:
    """Registers a loss function under the name in its settings model."""

    def register(terms: Callable[[PairLogps, P], Terms]) -> Callable[[PairLogps, P], Terms]:
        item = Loss(params, terms, paper, needs_reference, length_normalised)
        LOSSES.add(item.name, item, terms.__module__)
        return terms

    return register
