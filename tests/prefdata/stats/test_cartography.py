"""The map of a training, by hand and against numpy."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefdata.stats.cartography import cartography

_LOGPS = st.floats(-200, 0)
_ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 5), _LOGPS, _LOGPS, _LOGPS, _LOGPS, st.integers(1, 40)),
    min_size=1,
    max_size=20,
    unique_by=lambda row: row[:2],
)  # fmt: skip
_COLUMNS = (
    "id", "step", "chosen_logps", "rejected_logps", "ref_chosen_logps", "ref_rejected_logps",
    "chosen_tokens",
)  # fmt: skip


def test_two_evaluations_by_hand() -> None:
    scores = pl.DataFrame(
        [("p", 2, -10.0, -40.0, -20.0, -20.0, 5.0), ("p", 1, -20.0, -20.0, -20.0, -20.0, 5.0)],
        _COLUMNS,
        orient="row",
    )
    sure = 1 / (1 + np.exp(-0.1 * 30))
    (row,) = cartography(scores, beta=0.1).rows(named=True)
    assert row["confidence"] == pytest.approx((0.5 + sure) / 2)
    assert row["variability"] == pytest.approx((sure - 0.5) / 2)
    assert (row["evaluations"], row["correctness"]) == (2, 0.5)
    assert row["perplexity"] == pytest.approx(np.exp(2.0))  # of the later step


@given(_ROWS, st.floats(0.01, 2), st.randoms(use_true_random=False))
def test_equals_numpy_in_any_order(
    rows: list[tuple[float, ...]], beta: float, random: object
) -> None:
    found = cartography(pl.DataFrame(rows, _COLUMNS, orient="row"), beta)
    random.shuffle(rows)  # type: ignore[attr-defined]
    again = cartography(pl.DataFrame(rows, _COLUMNS, orient="row"), beta)
    assert found.equals(again) or np.allclose(
        found.drop("id").to_numpy(), again.drop("id").to_numpy(), rtol=1e-12
    )
    for row in found.rows(named=True):
        mine = np.array([r[2:6] for r in rows if r[0] == row["id"]])
        margins = (mine[:, 0] - mine[:, 2]) - (mine[:, 1] - mine[:, 3])
        probabilities = 1 / (1 + np.exp(-beta * margins))
        assert row["confidence"] == pytest.approx(probabilities.mean())
        assert row["variability"] == pytest.approx(probabilities.std(), abs=1e-9)
        assert row["correctness"] == pytest.approx((margins > 0).mean())
