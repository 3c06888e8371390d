"""Which runs a grid has."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from prefalign.sweep.grid import Axis, grid, parse_axis
from prefdata.errors import ConfigError, InputError


def run_file(folder: Path, method: str) -> Path:
    path = folder / f"{method}.yaml"
    run = {
        "data": {"train": "p.parquet"},
        "model": {"name": "m"},
        "method": {"name": method},
        "output": {"dir": "elsewhere"},
    }
    path.write_text(yaml.safe_dump(run))
    return path


def test_a_method_s_setting_is_varied_only_where_the_method_has_it(tmp_path: Path) -> None:
    axes = [parse_axis(a) for a in ("method.beta=0.1,0.5", "method.lambda_=1", "optim.seed=0,1")]
    trials = grid([run_file(tmp_path, "dpo"), run_file(tmp_path, "orpo")], axes, tmp_path / "out")
    assert [trial.name for trial in trials] == [
        "dpo_beta-0.1_seed-0", "dpo_beta-0.1_seed-1", "dpo_beta-0.5_seed-0", "dpo_beta-0.5_seed-1",
        "orpo_lambda-1_seed-0", "orpo_lambda-1_seed-1",
    ]  # fmt: skip
    first, last = trials[0], trials[-1]
    assert (first.config.method.beta, first.config.optim.seed) == (0.1, 0)  # type: ignore[union-attr]
    assert (last.config.method.lambda_, last.config.optim.seed) == (1.0, 1)  # type: ignore[union-attr]
    assert first.config.output.dir == tmp_path / "out" / "dpo_beta-0.1_seed-0"


def test_values_may_be_groups(tmp_path: Path) -> None:
    axis = parse_axis("method.loss=sigmoid,{sigmoid: 1.0, sft: 0.2},[hinge, sft]")
    assert axis == Axis("method.loss", ["sigmoid", {"sigmoid": 1.0, "sft": 0.2}, ["hinge", "sft"]])
    (_, mixed, _) = grid([run_file(tmp_path, "dpo")], [axis], tmp_path)
    assert mixed.config.method.loss == {"sigmoid": 1.0, "sft": 0.2}  # type: ignore[union-attr]
    assert "method.loss={sft: 0.2, sigmoid: 1.0}" in mixed.overrides


@pytest.mark.parametrize("text", ["method.beta", "method.beta=", "=1", "a.b=1,1", "a.b=[1"])
def test_what_is_no_axis(text: str) -> None:
    with pytest.raises(ConfigError, match="expected group"):
        parse_axis(text)


def test_every_trial_is_checked_before_any_is_run(tmp_path: Path) -> None:
    orpo = run_file(tmp_path, "orpo")
    with pytest.raises(ConfigError, match=r"method\.beta: no run file has a method with this"):
        grid([orpo], [parse_axis("method.beta=1")], tmp_path)
    with pytest.raises(ConfigError, match=r"optim\.learning_rate"):
        grid([orpo], [parse_axis("optim.learning_rate=1e-5,-1")], tmp_path)
    with pytest.raises(InputError, match="no such file"):
        grid([tmp_path / "none.yaml"], [parse_axis("optim.seed=1")], tmp_path)
    with pytest.raises(ConfigError, match="two trials have this name"):
        grid([orpo, orpo], [parse_axis("optim.seed=1")], tmp_path)
