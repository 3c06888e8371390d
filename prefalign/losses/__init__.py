"""Losses: pure functions of completion log-probs, each in a file of its own with its settings.

A file here defines a method: a settings model (the `method` block of a run file) and one function,
registered together; nothing else is edited:

    class Toy(LossParams):
        name: Literal["toy"] = "toy"

    @loss(Toy, paper="2400.00000", needs_reference=False, length_normalised=True)
    def toy(logps: PairLogps, params: Toy) -> Terms:
        return Terms(pairs=-(logps.mean_chosen - logps.mean_rejected))

The losses that `method.loss` of DPO chooses from are files of `prefalign.losses.dpo_losses`.

Importing this package or any loss file needs no torch, so `prefalign validate` stays fast: tensors
are only named in annotations, and torch functions are imported where they are called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from prefdata.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor

NllSpan: TypeAlias = Literal["all", "completion"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an engine has to know about a loss before it runs.

    Attributes:
        needs_reference: reads the log-probs of the reference.
        length_normalised: compares log-probs per token, not sums.
        pair_separable: a pair's loss depends on that pair alone. If not, all pairs of a global batch
            are passed in one call, each once, whatever its micro-batches and processes.
        needs_tails: reads `PairLogps.chosen_tail`, `rejected_tail` and their reference.
        needs_log_sum_sq: reads `PairLogps.chosen_log_sum_sq` and `rejected_log_sum_sq`.
        needs_label_probability: reads `PairLogps.label_probability`.
    """

    needs_reference: bool
    length_normalised: bool
    pair_separable: bool = True
    needs_tails: bool = False
    needs_log_sum_sq: bool = False
    needs_label_probability: bool = False


class LossParams(BaseModel):
    """Settings of a loss: a subclass adds `name: Literal["..."] = "..."` and its own fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str

    def facts(self, usual: Facts) -> Facts:
        """Returns the facts under these settings, given those the loss is registered with."""
        return usual

    def papers(self, usual: str) -> str:
        """Returns the arXiv numbers to cite, given that the loss is registered with."""
        return usual


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
        chosen_tail, rejected_tail: (B,) the part of the sum after the first min(chosen_tokens,
            rejected_tokens) tokens, so 0 on the shorter side; None unless a loss `needs_tails`.
        reference_chosen_tail, reference_rejected_tail: (B,) the same under the reference model.
        chosen_log_sum_sq, rejected_log_sum_sq: (B,) sum over the completion's tokens of
            log sum_v p(v)^2, v over the vocabulary; None unless a loss `needs_log_sum_sq`.
        label_probability: (B,) probability in [0, 1] that chosen is the better one; None unless a
            loss `needs_label_probability`.
    """

    chosen: Tensor
    rejected: Tensor
    chosen_tokens: Tensor
    rejected_tokens: Tensor
    reference_chosen: Tensor | None = None
    reference_rejected: Tensor | None = None
    nll: Tensor | None = None
    chosen_tail: Tensor | None = None
    rejected_tail: Tensor | None = None
    reference_chosen_tail: Tensor | None = None
    reference_rejected_tail: Tensor | None = None
    chosen_log_sum_sq: Tensor | None = None
    rejected_log_sum_sq: Tensor | None = None
    label_probability: Tensor | None = None

    @property
    def mean_chosen(self) -> Tensor:
        """(B,) log-prob of chosen per completion token."""
        return self.chosen / self.chosen_tokens

    @property
    def mean_rejected(self) -> Tensor:
        """(B,) log-prob of rejected per completion token."""
        return self.rejected / self.rejected_tokens

    @property
    def chosen_log_ratio(self) -> Tensor:
        """(B,) log-prob of chosen above that under the reference."""
        return self.chosen - given(self.reference_chosen, "needs_reference")

    @property
    def rejected_log_ratio(self) -> Tensor:
        """(B,) log-prob of rejected above that under the reference."""
        return self.rejected - given(self.reference_rejected, "needs_reference")

    @property
    def log_ratio_margin(self) -> Tensor:
        """(B,) log-ratio to the reference of chosen minus that of rejected."""
        return self.chosen_log_ratio - self.rejected_log_ratio


def given(tensor: Tensor | None, fact: str) -> Tensor:
    """Returns what an engine has to give to a loss with `fact`.

    Raises:
        ValueError: it gave nothing; the loss does not state the fact, or the engine ignored it.
    """
    if tensor is None:
        message = f"the loss reads what only a loss with {fact}=True is given"
        raise ValueError(message)
    return tensor


class Terms(NamedTuple):
    """What a loss returns. The engine alone normalises, over the global batch.

    Attributes:
        pairs: (B,) nats; enters as its mean over the pairs of the global batch.
        tokens: (B,) nats, a sum over the pair's NLL tokens; enters as the sum over the global batch
            divided by the NLL tokens of the global batch: those of `nll_over` for `NllParams`,
            else the completion tokens of chosen.
    """

    pairs: Tensor
    tokens: Tensor | None = None


def refused(reason: str) -> PydanticCustomError:
    """Returns what a validator of a settings model raises; `reason` is shown as it is."""
    return PydanticCustomError("refused", "{reason}", {"reason": reason})


P = TypeVar("P", bound=LossParams)


@dataclass(frozen=True)
class Loss:
    """A registered loss.

    Attributes:
        params: its settings model; the `method` block of a run file is parsed with it.
        terms: `(PairLogps, params) -> Terms`.
        paper: arXiv number, or several with commas.
        facts: what it needs; `loss_of` returns it with those of its settings.
    """

    params: type[LossParams]
    terms: Callable[[PairLogps, Any], Terms]
    paper: str
    facts: Facts

    @property
    def name(self) -> str:
        """The value of `method.name` that selects this loss."""
        return str(self.params.model_fields["name"].default)

    @property
    def needs_nll(self) -> bool:
        """The engine has to compute `PairLogps.nll`."""
        return issubclass(self.params, NllParams)

    @property
    def needs_reference(self) -> bool:
        """The engine has to compute the log-probs of the reference."""
        return self.facts.needs_reference

    @property
    def length_normalised(self) -> bool:
        """It compares log-probs per token, not sums."""
        return self.facts.length_normalised


LOSSES: Registry[Loss] = Registry("loss", "prefalign.losses")


def loss(
    params: type[P], *, paper: str, needs_reference: bool, length_normalised: bool, **more: bool
) -> Callable[[Callable[[PairLogps, P], Terms]], Callable[[PairLogps, P], Terms]]:
    """Registers a loss function under the name in its settings model; `more` are other `Facts`."""
    facts = Facts(needs_reference=needs_reference, length_normalised=length_normalised, **more)

    def register(terms: Callable[[PairLogps, P], Terms]) -> Callable[[PairLogps, P], Terms]:
        item = Loss(params, terms, paper, facts)
        LOSSES.add(item.name, item, terms.__module__)
        return terms

    return register


def loss_of(params: LossParams) -> Loss:
    """Returns the loss that `params` are settings of, with its facts and papers under them."""
    item = LOSSES.get(params.name)
    return replace(item, facts=params.facts(item.facts), paper=params.papers(item.paper))
