"""The losses that `method.loss` of DPO chooses from: one function and its facts in a file each.

    @dpo_loss(paper="2305.10425", reads=("f_divergence",))
    def hinge(logps: PairLogps, params: Dpo) -> Tensor:
        return torch.relu(1 - params.beta * score_margin(logps, params))

The function's name is the loss's name, TRL's where TRL has it. What several of them share stands in
`prefalign.losses.divergence`; length and pair weights (`ld_alpha`, `wpo`) are applied around them, in
`prefalign.losses.dpo`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from prefdata.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

    from prefalign.losses import PairLogps
    from prefalign.losses.dpo import Dpo

    Value: TypeAlias = Callable[[PairLogps, Dpo], Tensor]


@dataclass(frozen=True, kw_only=True)
class DpoLoss:
    """A loss of B pairs and its facts.

    Attributes:
        name: the word in `method.loss`.
        value: `(PairLogps, Dpo) -> (B,) nats`.
        paper: arXiv number.
        reads: settings of `Dpo` that it reads besides `beta`. `f_divergence` may stand here only if
            the loss is a function of chosen's score minus rejected's; see
            `prefalign.losses.divergence`.
        requires: those of them that must not have their default.
        needs_reference: reads the log-probs of the reference.
        length_normalised: compares log-probs per token, not sums.
        pair_separable: a pair's loss depends on that pair alone.
        per_token: a sum over chosen's tokens, to be averaged over tokens instead of pairs.
    """

    name: str
    value: Value
    paper: str
    reads: frozenset[str]
    requires: frozenset[str]
    needs_reference: bool
    length_normalised: bool
    pair_separable: bool
    per_token: bool


DPO_LOSSES: Registry[DpoLoss] = Registry("DPO loss", "prefalign.losses.dpo_losses")


def dpo_loss(
    *,
    paper: str,
    reads: Iterable[str] = (),
    requires: Iterable[str] = (),
    needs_reference: bool = True,
    length_normalised: bool = False,
    pair_separable: bool = True,
    per_token: bool = False,
) -> Callable[[Value], Value]:
    """Registers a function as the loss of its own name; see `DpoLoss` for the facts."""

    def register(value: Value) -> Value:
        item = DpoLoss(
            name=value.__name__,
            value=value,
            paper=paper,
            reads=frozenset(reads),
            requires=frozenset(requires),
            needs_reference=needs_reference,
            length_normalised=length_normalised,
            pair_separable=pair_separable,
            per_token=per_token,
        )
        DPO_LOSSES.add(item.name, item, value.__module__)
        return value

    return register
