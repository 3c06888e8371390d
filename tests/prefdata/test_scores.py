"""Scores by pair id: as rows, and as one row a pair worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from prefdata.errors import PrefError
from prefdata.scores import read_columns, read_scores, with_columns
from tests.prefdata.pairs import frame, pair


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def logps(name: str, chosen: float, rejected: float, **others: Any) -> dict[str, Any]:
    """What a policy says of a pair whose two sides its reference gives -20 nats each."""
    reference = {"ref_chosen_logps": -20.0, "ref_rejected_logps": -20.0}
    return {"id": name, "chosen_logps": chosen, "rejected_logps": rejected} | reference | others


def test_rows_without_finite_log_probs_are_left_out(tmp_path: Path) -> None:
    rows = [logps("a", -1, -3), logps("b", -1, -3) | {"rejected_logps": None}]
    found = read_scores(written(tmp_path / "scores.jsonl", *rows))
    assert found.rows() == [("a", -1.0, -3.0, -20.0, -20.0, None, None, None)]


def test_scores_without_a_reference_are_scores_of_the_policy_alone(tmp_path: Path) -> None:
    row = {"id": "a", "chosen_logps": -1, "rejected_logps": -3, "chosen_tokens": 2}
    found = read_scores(written(tmp_path / "scores.jsonl", row))
    assert found.row(0, named=True) == row | {
        "ref_chosen_logps": None,
        "ref_rejected_logps": None,
        "rejected_tokens": None,
        "step": None,
    }


def test_a_pair_scored_several_times_has_means(tmp_path: Path) -> None:
    """Margins of a are 10 and -10 nats, times beta 0.1: losses ln(1 + e^-1) and ln(1 + e)."""
    one = written(
        tmp_path / "one.jsonl", logps("a", -15, -25, step=8), logps("b", -20, -20, step=8)
    )
    two = written(tmp_path / "two.jsonl", logps("a", -25, -15, step=16, chosen_score=3))
    found = read_columns(one, two)
    assert "step" not in found.columns
    a, b = found.sort("id").iter_rows(named=True)
    assert (a["chosen_logps"], a["rejected_logps"], a["chosen_score"]) == (-20, -20, 3)
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.e)) / 2
    assert a["validation_loss"] == pytest.approx(expected, rel=1e-12)
    p = 1 / (1 + math.exp(-1))
    assert a["confidence"] == pytest.approx(0.5)
    assert a["variability"] == pytest.approx(p - 0.5)  # both are as far from the mean
    assert (a["correctness"], b["correctness"]) == (0.5, 0.0)
    assert (b["validation_loss"], b["chosen_score"]) == (pytest.approx(math.log(2)), None)


def test_scores_of_files_win_over_those_of_pairs_and_nothing_else_does(tmp_path: Path) -> None:
    pairs = frame(
        pair("q", "a", "b", 1, chosen_score=1, rejected_score=0),
        pair("q", "c", "b", 2, chosen_score=2, rejected_score=0),
    )
    first, second = pairs["id"]
    file = written(tmp_path / "rm.jsonl", {"id": first, "chosen_score": 7.5, "row": 99, "gap": 4})
    joined = with_columns(pairs, read_columns(file))
    assert joined["id"].to_list() == [first, second]
    assert joined["chosen_score"].to_list() == [7.5, 2]
    assert joined["row"].to_list() == [1, 2]
    assert joined["gap"].to_list() == [4, None]
    assert joined.columns == [*pairs.columns, "gap"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"id": "a", "chosen_logps": -1}\n', "no column rejected_logps"),
        ('{"id": "a", "chosen_logps": "x", "rejected_logps": 1, "ref_chosen_logps": 1,'
         ' "ref_rejected_logps": 1}\n', "not scores of pairs"),
        ("{", "cannot be read"),
    ],
)  # fmt: skip
def test_scores_that_are_none(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PrefError, match=reason) as error:
        read_scores(path)
    assert error.value.hint


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"pair": "a", "x": 1}', "no column id"),
        ('{"id": "a", "x": "y"}', "no column holds numbers"),
    ],
)
def test_columns_that_are_none(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "scores.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PrefError, match=reason) as error:
        read_columns(path)
    assert error.value.hint
