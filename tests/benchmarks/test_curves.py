"""Fifty steps of a tiny model follow TRL's trainers step by step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.curves import curves
from tests.prefalign.toys import write_toy_pairs

STEPS = 50


@pytest.mark.parametrize(
    "method",
    [
        {"name": "dpo", "loss": {"sigmoid": 1, "sft": 0.2}, "ld_alpha": 0.6},
        {"name": "dpo", "loss": ["aot", "ipo"]},
        {"name": "orpo", "lambda_": 0.5},
    ],
    ids=["dpo", "aot", "orpo"],
)
def test_curves_stay_together(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, method: dict[str, Any]
) -> None:
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    found = curves(
        {
            "data": {"train": str(write_toy_pairs(tmp_path / "train.parquet", 2 * STEPS))},
            "model": {"name": str(tiny_model)},
            "method": method,
            "optim": {"learning_rate": 1e-3},
            "batch": {"global_batch_size": 2, "micro_batch_size": 2},
            "hardware": {"device": "cpu", "precision": "fp32"},
        },
        tmp_path,
    )
    ours, theirs = found["prefalign"], found["trl"]
    assert len(ours) == STEPS
    assert ours == pytest.approx(theirs, abs=1e-3)
    assert ours[-1] < 0.9 * ours[0]
