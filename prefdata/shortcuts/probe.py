"""The probe on a set of pairs: what can be told without reading, and which labels it doubts.

At most `SAMPLE` pairs are learnt from and give the accuracies, those with the lowest ids of their
prompts; ids are hashes, so that this is a random sample which does not depend on the order of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from prefdata.shortcuts import differences
from prefdata.shortcuts.differences import Raw, Scales, raw_differences, scales_of
from prefdata.shortcuts.surface import FAMILIES
from prefdata.stats import probe
from prefdata.stats.clustered import clustered_share

if TYPE_CHECKING:
    from prefdata.checks import Evidence

Floats: TypeAlias = npt.NDArray[np.float64]
Groups: TypeAlias = npt.NDArray[np.int64]

LEAST = 10  # pairs; fewer are not measured
SAMPLE = 20_000  # pairs learnt from
JUDGED = 400_000  # pairs whose label is judged
ALL, WORDS, SURFACE = "all", "words", "surface"
FAMILY_SCHEMA = pl.Schema(
    {"family": pl.String, "accuracy": pl.Float64, "low": pl.Float64, "high": pl.Float64}
)
PROBABILITY_SCHEMA = pl.Schema({"index": pl.UInt32, "probability": pl.Float64})
_STRENGTH = 3.0  # of all features together, where a row of n-grams has length 1
_SURFACE_STRENGTH = 0.03  # of surface features alone, scaled to a mean square of 1


class _Sample(NamedTuple):
    """The pairs learnt from, ordered by prompt and id."""

    pairs: pl.DataFrame
    groups: Groups
    raw: Raw
    scales: Scales


def shortcut_accuracies(data: Evidence) -> pl.DataFrame:
    """Returns how often each family of features alone tells the label, best first.

    Out of fold: no prompt is both learnt from and judged. Pairs without a prompt are kept together
    where they share a completion. `surface` is every family but the words, `all` is all.

    Returns:
        Columns as in `FAMILY_SCHEMA`, the 95 % interval by prompt; no row where there is one prompt
        or fewer than `LEAST` pairs.
    """
    sample = data.once(_sample)
    if sample.pairs.height < LEAST or len(np.unique(sample.groups)) < 2:
        return pl.DataFrame(schema=FAMILY_SCHEMA)
    surface = differences.surface(sample.raw, sample.scales)
    found = [
        (family, *_share(surface[:, differences.columns_of(family)], sample, _SURFACE_STRENGTH))
        for family in FAMILIES
    ]
    words = differences.words(sample.raw, sample.scales)
    joint = differences.joint(sample.raw, sample.scales)
    found += [
        (SURFACE, *_share(surface, sample, _SURFACE_STRENGTH)),
        (WORDS, *_share(words, sample, _STRENGTH)),
        (ALL, *_share(joint, sample, _STRENGTH)),
    ]
    frame = pl.DataFrame(found, schema=FAMILY_SCHEMA, orient="row")
    return frame.sort("accuracy", "family", descending=[True, False])


def _share(
    features: probe.Differences, sample: _Sample, strength: float
) -> tuple[float, float, float]:
    folds = sample.groups % probe.FOLDS
    weights = probe.fit_folds(features, folds, strength)
    hits = probe.accuracies(probe.logits(features, folds, weights))
    return clustered_share(hits, sample.groups)


def label_probabilities(data: Evidence) -> pl.DataFrame:
    """Returns `index` and `probability` that the label is right, by a probe that has not seen it.

    Other pairs of its prompt may have been seen: what they say about a completion is evidence here.
    At most `JUDGED` pairs are judged, and none of fewer than `LEAST`.
    """
    from scipy.special import expit

    sample = data.once(_sample)
    if sample.pairs.height < LEAST:
        return pl.DataFrame(schema=PROBABILITY_SCHEMA)
    folds = np.arange(sample.pairs.height) % probe.FOLDS
    joint = differences.joint(sample.raw, sample.scales)
    weights = probe.fit_folds(joint, folds, _STRENGTH)
    rest = _ordered(data)[sample.pairs.height : JUDGED]
    blocks = differences.scaled_blocks(data.pairs, rest, sample.scales)
    log_odds = [probe.logits(joint, folds, weights), *(block @ weights[0] for block in blocks)]
    return pl.DataFrame(
        {
            "index": pl.concat([sample.pairs["index"], rest]),
            "probability": cast(Floats, expit(np.concatenate(log_odds))),
        }
    )


def _ordered(data: Evidence) -> pl.Series:
    """Returns the indices of pairs in an order that depends on nothing but their content."""
    keys = data.pairs.select("index", "prompt_id", "id")
    return keys.sort("prompt_id", "id", "index")["index"]


def _sample(data: Evidence) -> _Sample:
    order = _ordered(data).head(SAMPLE)
    chosen = data.pairs.select("index", "prompt_id", "prompt", "chosen", "rejected")[order]
    raw = raw_differences(chosen)
    return _Sample(chosen.select("index"), _groups(chosen), raw, scales_of(raw))


def _groups(pairs: pl.DataFrame) -> Groups:
    """Returns the number of each pair's prompt, from 0.

    Without prompts, pairs that share a completion, also by way of others, are one group.
    """
    alone = pairs.select(pl.col("prompt").list.len().fill_null(0) == 0).to_series().to_numpy()
    prompts = pairs["prompt_id"].fill_null("").rank("dense").to_numpy().astype(np.int64)
    if not alone.any():
        return prompts - 1
    groups = np.where(alone, prompts.max() + _linked(pairs), prompts)
    return np.unique(groups, return_inverse=True)[1]


def _linked(pairs: pl.DataFrame) -> Groups:
    """Returns the component of each pair in the graph of completions that were compared, from 1."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    texts = differences.side_texts(pairs).select(pl.all().hash())
    keys = np.concatenate([texts["chosen"].to_numpy(), texts["rejected"].to_numpy()])
    distinct, numbers = np.unique(keys, return_inverse=True)
    chosen, rejected = np.split(numbers, 2)
    edges = (np.ones(len(chosen)), (chosen, rejected))
    graph = coo_matrix(edges, shape=(len(distinct), len(distinct)))
    return cast(Groups, connected_components(graph, directed=False)[1][chosen].astype(np.int64) + 1)
