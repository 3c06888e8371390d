"""Perplexity difference: removes the pairs whose chosen side surprises a model far more than rejected."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from prefdata.curate import keys as key
from prefdata.curate.step import Keys, Step, removed_where, step

_COLUMN = "ppl_difference"
_MAKERS = {
    _COLUMN: "log-probs with token counts give it: add --scores FILE, the record of a run or of"
    " `prefalign score`"
}


@step("perplexity-difference")
class PerplexityDifference(Step):
    """PerpCorrect's test for labels that are the wrong way round (Kong et al., NeurIPS 2024).

    A pair's difference is the log perplexity of chosen minus that of rejected, in nats a token, by a
    model that was aligned on clean pairs. Two normal distributions are fitted to the differences of a
    set, and a pair goes if it belongs to the upper one with more than `posterior`. Where two explain a
    set no better than one (by BIC), nothing goes.

    The paper turns these pairs round. Here they are set aside; `prefdata convert OUT.removed.parquet
    --map prompt=prompt,chosen=rejected,rejected=chosen -o turned.parquet` does the rest.

    Attributes:
        posterior: the probability of the upper distribution above which a pair goes.
        max_difference: the difference at which to cut, in nats a token; worked out if not given.
    """

    step: Literal["perplexity-difference"] = "perplexity-difference"
    posterior: float = Field(0.5, ge=0.5, lt=1)
    max_difference: float | None = None

    def keys(self, columns: frozenset[str]) -> Keys:
        """Returns the difference."""
        return {_COLUMN: key.number(_COLUMN, columns)}

    def settled(self, keys: pl.DataFrame) -> Step:
        """Returns the step with the difference at which to cut."""
        key.require(keys, _MAKERS)
        if self.max_difference is not None:
            return self
        limit = start_of_upper(keys[_COLUMN].drop_nulls().to_numpy(), self.posterior)
        return self.model_copy(update={"max_difference": limit})

    def reasons(self, keys: pl.DataFrame) -> pl.Series:
        """Returns `perplexity-difference` for the pairs beyond the cut; those without log-probs stay."""
        return removed_where(pl.col(_COLUMN) > self.max_difference, keys, "perplexity-difference")


_LEAST = 10  # numbers that two distributions are fitted to
_STARTS = (0.25, 0.9)  # quantiles where the search for their means begins
_GRID = 1001  # places looked at


def start_of_upper(values: npt.NDArray[np.float64], posterior: float) -> float:
    """Returns the number from which on the upper of two normal distributions is the likelier one.

    Args:
        values: (N,) in any order.
        posterior: what its probability has to exceed, between 0.5 and 1.

    Returns:
        The first such number above the mean of the lower distribution, to a thousandth of the way to
        the largest value; the largest value if there is none, or if one distribution explains the
        values as well.
    """
    from sklearn.mixture import GaussianMixture

    if len(values) < _LEAST or np.ptp(values) == 0:
        return float(values.max())
    column = np.sort(values)[:, None]
    starts = np.quantile(column, _STARTS)[:, None]
    two = GaussianMixture(2, means_init=starts, random_state=0).fit(column)
    low, high = np.argsort(two.means_[:, 0])
    grid = np.linspace(two.means_[low, 0], column[-1, 0], _GRID)
    beyond = two.predict_proba(grid[:, None])[:, high] > posterior
    if not beyond.any() or two.bic(column) >= GaussianMixture(1).fit(column).bic(column):
        return float(values.max())
    return float(grid[np.argmax(beyond)])
