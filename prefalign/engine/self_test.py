"""Which layout a model may be trained in: the fastest one whose log-probs are those of plain sequences.

Packed rows rely on model code that is not ours, so nothing is taken for granted: before a run starts,
pairs of its own first batch go through the model both ways, and what differs is not used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from prefalign.engine.attention import Unsupported, attend_plainly, attend_to_trees
from prefalign.engine.collate import MicroBatch, collate
from prefalign.engine.head import TokenScores
from prefalign.engine.logps import base_of, score_tokens, target_logps
from prefalign.engine.tree import Ints, Layout
from prefalign.models.loading import Precision, autocast
from prefdata.errors import InputError

if TYPE_CHECKING:
    from prefalign.data.dataset import PairDataset

LAYOUTS: tuple[Layout, ...] = ("shared", "packed", "padded")
TOLERANCE = {"fp32": 1e-4, "bf16": 0.1}
"""Largest accepted root mean square of the differences of a completion's token log-probs, in nats.

Rounding gives 1e-6 to 1e-5 in fp32 and 0.02 to 0.2 in bf16, depending on the model: see `_tolerance`.
A model that sees what it should not is off by tenths if it is small and by several nats if it is
trained, and one whose recurrent state leaks from one sequence into the next by 1e-3 and more."""
MOST_ROUNDING = 0.25
"""Nats; a model that rounding changes more than this is not believed to be changed by rounding."""

_REFUSALS = (Unsupported, ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError,
             TypeError, ValueError)  # fmt: skip


class Trial(NamedTuple):
    """How a layout fared.

    Attributes:
        layout: that was tried.
        difference: see `TOLERANCE`; None where the model could not be run in it.
        reason: why it is not used; empty for one that can be.
    """

    layout: Layout
    difference: float | None
    reason: str


class Verdict(NamedTuple):
    """The layout a model gets, and the trials that led to it, the last one being its own."""

    layout: Layout
    trials: list[Trial]

    def sentence(self) -> str:
        """Returns what a user should know, one line; empty where the fastest layout is used."""
        refused = [f"{trial.layout}: {trial.reason}" for trial in self.trials if trial.reason]
        if not refused:
            return ""
        return f"sequences are computed {self.layout}, not {'; not '.join(refused)}"


def choose_layout(
    model: Any, data: PairDataset, places: Ints, *, device: torch.device, precision: Precision
) -> Verdict:
    """Returns the fastest layout that is exact for `model`, and leaves the model ready for it.

    Args:
        model: a causal language model of transformers, or a PEFT model around one, on `device`.
        data: the pairs.
        places: some of them, of which the one with the longest and the one with the shortest sides
            are tried.
        device: where the model is.
        precision: of the forward passes.

    Raises:
        InputError: not even padded rows give the log-probs of sequences run alone.
    """
    by_length = places[np.argsort(data.lengths[places], kind="stable")]
    tried = np.unique(by_length[[0, -1]])
    training = model.training
    model.eval()
    score_tokens(model)
    try:
        trials = list(_trials(model, data, tried, device, precision))
    finally:
        model.train(training)
    if trials[-1].reason:
        raise _inexact(model, trials)
    return Verdict(trials[-1].layout, trials)


def _inexact(model: Any, trials: list[Trial]) -> InputError:
    tried = "; ".join(f"{trial.layout}: {trial.reason}" for trial in trials)
    return InputError(
        f"{type(base_of(model)).__name__}: what it says of a sequence depends on what it is computed"
        f" with: {tried}",
        hint="its own code mixes up rows of a batch; try another model, or another version of transformers",
    )


def _trials(
    model: Any, data: PairDataset, places: Ints, device: torch.device, precision: Precision
) -> Iterator[Trial]:
    """Yields trials until one succeeds; padded rows are the last resort and end it in any case."""
    attend_plainly(base_of(model))
    with torch.no_grad(), autocast(device, precision):
        sides = [(place, side) for place in places for side in (0, 1)]
        truth = [_alone(model, data, place, side, device) for place, side in sides]
        tolerance = TOLERANCE[precision]
        if precision == "bf16":
            again = [_alone(model, data, *side, device, twice=True) for side in sides]
            tolerance = _tolerance(worst_rms(again, truth))
        for layout in LAYOUTS:
            difference = partial(_difference, model, data, places, truth, layout, device)
            trial = attempt(layout, difference, tolerance)
            yield trial
            if not trial.reason:
                return


def _tolerance(rounding: float) -> float:
    """Returns what is accepted of a model in bf16.

    Args:
        rounding: how much its log-probs change when its sequences get longer behind them, which no
            causal model sees, but which has the same sums taken in another order; nats.
    """
    return max(TOLERANCE["bf16"], 2 * min(float(np.nan_to_num(rounding)), MOST_ROUNDING))


def _difference(
    model: Any,
    data: PairDataset,
    places: Ints,
    truth: list[Tensor],
    layout: Layout,
    device: torch.device,
) -> float:
    return worst_rms(together(model, data, places, layout, device), truth)


def attempt(layout: Layout, difference: Callable[[], float], tolerance: float) -> Trial:
    """Returns how `layout` fares whose log-probs are off by what `difference` computes, in nats."""
    try:
        found = difference()
    except torch.OutOfMemoryError:
        raise
    except _REFUSALS as error:
        first_line = str(error).strip().partition("\n")[0]
        return Trial(layout, None, first_line or type(error).__name__)
    if found <= tolerance:
        return Trial(layout, found, "")
    return Trial(layout, found, f"log-probs differ by {found:.2g} nats a token")


def worst_rms(found: list[Tensor], truth: list[Tensor]) -> float:
    """Returns the largest of the completions' differences; where the truth is no number, none counts."""
    rms = [
        float((mine - its).square().mean().sqrt())
        for mine, its in zip(found, truth, strict=True)
        if len(its) and its.isfinite().all()
    ]
    return float(np.max([0.0, *rms]))  # NaN if any is


def _alone(
    model: Any,
    data: PairDataset,
    place: int,
    side: int,
    device: torch.device,
    *,
    twice: bool = False,
) -> Tensor:
    """Returns the log-probs of a completion's tokens, run as a sequence on its own.

    Args:
        model: with its token head.
        data: the pairs.
        place: of the pair.
        side: 0 is its chosen completion, 1 its rejected one.
        device: where the model is.
        twice: let the whole sequence follow once more behind it, as far as the model has positions.
    """
    tokens = np.concatenate((data.prompts[place], data.sides[side][place])).astype(np.int64)
    first = max(len(data.prompts[place]), 1)
    ids = torch.from_numpy(tokens).to(device)
    read = ids[None, : max(len(ids) - 1, 1)]
    if twice:
        longest = getattr(base_of(model).config, "max_position_embeddings", None)
        read = torch.cat((ids, ids))[None, : max(longest or 2 * len(ids), len(ids) - 1)]
    positions = torch.arange(first - 1, len(ids) - 1, device=device)
    scores: TokenScores = model(
        input_ids=read, positions=positions, targets=ids[first:], use_cache=False
    )
    return scores.logps.double()


def together(
    model: Any, data: PairDataset, places: Ints, layout: Layout, device: torch.device
) -> list[Tensor]:
    """Returns the log-probs of the tokens of all completions of `places`, run in one forward pass."""
    base = base_of(model)
    attend_plainly(base) if layout == "padded" else attend_to_trees(base)
    batch: Any = collate(data, MicroBatch.of(places), layout)
    batch = {name: tensor.to(device) for name, tensor in batch.items()}
    logps = target_logps(model, batch)[batch["scores"]].double()
    sides = batch["edges"][:2].T.flatten()
    return [logps[batch["segments"] == side] for side in sides]
