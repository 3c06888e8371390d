"""Method-neutral metrics of preference pairs, each with a 95 % interval.

Every metric here is a ratio of two sums over pairs: an accuracy is right answers over pairs, a drift is
nats over tokens, a stratum is the same with the other pairs at weight zero. So one bootstrap serves them
all, and one resample of the prompts is shared by all metrics and all models: what is compared is paired.

DPO and ORPO log different things under one name; these are computed from per-pair log-probs alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from prefdata.errors import InputError

Array: TypeAlias = npt.NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
_MOST_CELLS = 4_000_000  # resamples x clusters held at once: 32 MB of counts


class Columns(Protocol):
    """Anything that gives a column by name: a polars frame, a dict of arrays."""

    def __getitem__(self, name: str, /) -> Any:
        """Returns the column."""


class PairScores(NamedTuple):
    """What one model says about N pairs.

    Attributes:
        chosen_logps: (N,) log-prob of the chosen completion given the prompt, summed nats.
        rejected_logps: (N,) the same of the rejected completion.
        chosen_tokens: (N,) tokens of the chosen completion, at least 1.
        rejected_tokens: (N,) tokens of the rejected completion, at least 1.
    """

    chosen_logps: Array
    rejected_logps: Array
    chosen_tokens: Array
    rejected_tokens: Array

    @classmethod
    def of(cls, columns: Columns, *, prefix: str = "") -> Self:
        """Returns the scores in a frame; `prefix` ("ref_") is that of the log-prob columns."""
        named = (
            f"{prefix}chosen_logps",
            f"{prefix}rejected_logps",
            "chosen_tokens",
            "rejected_tokens",
        )
        return cls(*(np.asarray(columns[name], dtype=np.float64) for name in named))


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and the interval it is known to within, at 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairMetrics:
    """How one model orders N pairs. A tie counts as half right.

    Attributes:
        accuracy_reference: pairs where the model moved towards chosen more than towards rejected,
            both measured from the reference in summed nats. 1/2 for the reference itself.
        accuracy_sum: pairs whose chosen completion has the higher summed log-prob.
        accuracy_mean: pairs whose chosen completion has the higher log-prob per token.
        margin_reference: mean over pairs of the move towards chosen minus that towards rejected, nats.
        drift_chosen: log-prob of chosen above the reference's, nats per token.
        drift_rejected: log-prob of rejected above the reference's, nats per token.
        nll_chosen: negative log-prob of chosen, nats per token.
        accuracy_longer_chosen: `accuracy_reference` where chosen has more tokens; None without such pairs.
        accuracy_longer_rejected: `accuracy_reference` where rejected has more tokens.
    """

    accuracy_reference: Estimate
    accuracy_sum: Estimate
    accuracy_mean: Estimate
    margin_reference: Estimate
    drift_chosen: Estimate
    drift_rejected: Estimate
    nll_chosen: Estimate
    accuracy_longer_chosen: Estimate | None
    accuracy_longer_rejected: Estimate | None


METRICS = tuple(field.name for field in fields(PairMetrics))


def summarise(
    scores: PairScores,
    reference: PairScores,
    prompt_ids: npt.ArrayLike | None = None,
    *,
    seed: int = 0,
) -> PairMetrics:
    """Returns the metrics of a model.

    Args:
        scores: the model's log-probs of N pairs.
        reference: the untouched model's, same pairs in the same order.
        prompt_ids: (N,) which pairs share a prompt; those are resampled together.
        seed: of the resamples; equal seeds and prompts make intervals comparable between models.

    Raises:
        InputError: there are no pairs.
    """
    numerators, weights = _sums(scores, reference)
    return _metrics(numerators, weights, prompt_ids, seed)


def contrast(
    scores: PairScores,
    other: PairScores,
    reference: PairScores,
    prompt_ids: npt.ArrayLike | None = None,
    *,
    seed: int = 0,
) -> PairMetrics:
    """Returns the metrics of `scores` minus those of `other`, paired: both on the same resamples."""
    numerators, weights = _sums(scores, reference)
    others, _ = _sums(other, reference)  # same tokens and strata, so the same weights
    return _metrics(numerators - others, weights, prompt_ids, seed)


def margins(scores: PairScores, reference: PairScores) -> Array:
    """Returns (N,) nats: how much further chosen moved from the reference than rejected did."""
    chosen = scores.chosen_logps - reference.chosen_logps
    return chosen - (scores.rejected_logps - reference.rejected_logps)


def wins(margin: npt.ArrayLike) -> Array:
    """Returns 1 where the margin is above zero, 1/2 where it is zero, else 0."""
    return (np.sign(np.asarray(margin, dtype=np.float64)) + 1) / 2


def bootstrap(
    numerators: Array,
    weights: Array,
    clusters: npt.ArrayLike | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Estimate | None]:
    """Returns sum(numerators) / sum(weights) of M metrics with percentile intervals.

    Args:
        numerators: (M, N) what each pair adds to each metric.
        weights: (M, N) how much it counts, at least 0.
        clusters: (N,) labels of pairs that are drawn together; None draws single pairs.
        seed: of the resamples, which all M metrics share.
        resamples: how often as many clusters as there are get drawn with replacement.

    Returns:
        M estimates; None for a metric whose weights are all zero.
    """
    count = numerators.shape[1]
    labels = np.arange(count) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    # (2M, G): sums of numerators and of weights in each cluster
    rows = np.concatenate([numerators, weights])
    sums: Array = np.stack([np.bincount(labels, row) for row in rows]).astype(np.float64)
    drawn = _resampled(sums, seed, resamples)  # (R, 2M)
    tops, bottoms = np.split(drawn, 2, axis=1)
    return [
        _estimate(float(total), float(weight), top, bottom)
        for total, weight, top, bottom in zip(
            numerators.sum(axis=1), weights.sum(axis=1), tops.T, bottoms.T, strict=True
        )
    ]


def _resampled(sums: Array, seed: int, resamples: int) -> Array:
    """Returns (R, K): each of the K rows of `sums` (K, G) added up over G clusters drawn R times."""
    random = np.random.default_rng(seed)
    clusters = sums.shape[1]
    at_once = max(1, _MOST_CELLS // clusters)
    parts = []
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = (
            random.integers(clusters, size=(rows, clusters)) + np.arange(rows)[:, None] * clusters
        )
        times = np.bincount(drawn.ravel(), minlength=rows * clusters).reshape(rows, clusters)
        parts.append(times @ sums.T)
    return np.concatenate(parts)


def _estimate(total: float, weight: float, tops: Array, bottoms: Array) -> Estimate | None:
    if weight == 0:
        return None
    held = bottoms > 0  # a resample may miss a small stratum
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(tops[held] / bottoms[held], [tail, 1 - tail])
    return Estimate(total / weight, float(low), float(high))


def _sums(scores: PairScores, reference: PairScores) -> tuple[Array, Array]:
    """Returns the numerators and weights (M, N) of the metrics, in the order of `METRICS`."""
    if not len(scores.chosen_logps):
        raise InputError(
            "there are no held-out pairs to measure", hint="prefalign compare RUN... --pairs FILE"
        )
    chosen_tokens, rejected_tokens = scores.chosen_tokens, scores.rejected_tokens
    margin = margins(scores, reference)
    right = wins(margin)
    mean_logps = scores.chosen_logps / chosen_tokens - scores.rejected_logps / rejected_tokens
    ones = np.ones_like(right)
    longer_chosen = (chosen_tokens > rejected_tokens).astype(np.float64)
    longer_rejected = (chosen_tokens < rejected_tokens).astype(np.float64)
    columns = {
        "accuracy_reference": (right, ones),
        "accuracy_sum": (wins(scores.chosen_logps - scores.rejected_logps), ones),
        "accuracy_mean": (wins(mean_logps), ones),
        "margin_reference": (margin, ones),
        "drift_chosen": (scores.chosen_logps - reference.chosen_logps, chosen_tokens),
        "drift_rejected": (scores.rejected_logps - reference.rejected_logps, rejected_tokens),
        "nll_chosen": (-scores.chosen_logps, chosen_tokens),
        "accuracy_longer_chosen": (right * longer_chosen, longer_chosen),
        "accuracy_longer_rejected": (right * longer_rejected, longer_rejected),
    }
    numerators, weights = zip(*(columns[name] for name in METRICS), strict=True)
    return np.stack(numerators), np.stack(weights)


def _metrics(
    numerators: Array, weights: Array, prompt_ids: npt.ArrayLike | None, seed: int
) -> PairMetrics:
    estimates: dict[str, Any] = dict(
        zip(METRICS, bootstrap(numerators, weights, prompt_ids, seed=seed), strict=True)
    )
    return PairMetrics(**estimates)
