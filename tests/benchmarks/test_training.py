"""The training benchmark runs all its sides, and they compute the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DIFFERENT_ORDER = "TRL DPO tuned, by length"


def test_a_dry_run(tmp_path: Path) -> None:
    sizes = ["--shape", "tiny", "--pairs", "8", "--batch", "4", "--rounds", "1", "--profile", "hh"]
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.training", *sizes, "--json", tmp_path / "found.json",
         "--trace", tmp_path / "trace.json"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    (found,) = json.loads((tmp_path / "found.json").read_text())
    assert (found["profile"], found["pairs"]) == ("hh", 8)
    sides = {side["side"]: side for side in found["sides"]}
    assert len(sides) == 15
    assert all(f"| {name} |" in ran.stdout for name in sides)
    for name, side in sides.items():
        assert side["seconds"] > found["floor_seconds"] > 0, name
        if name != DIFFERENT_ORDER:
            assert side["loss_difference"] < 1e-5, name
            assert side["gradient_difference"] < 1e-4, name
    ours = sides["prefalign DPO"]
    assert ours["reference_seconds"] > 0
    assert ours["one_epoch_over_default"] < ours["over_default"]
    for name in ("prefalign DPO", "prefalign DPO, checkpointed"):  # memory has its counterparts
        assert sides[name]["peak_mib"] > 0
    for name in ("TRL DPO tuned, 8 at once", "TRL DPO tuned, checkpointed"):
        assert sides[name]["peak_mib"] > 0
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    useful = {side["useful_tflops"] * side["seconds"] for side in found["sides"]}
    assert max(useful) - min(useful) < 1e-9 * max(useful)  # the same work for all
