"""A sweep as a person runs it: trained, gone on with, written down and drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from prefalign.report.sweep_page import render_sweep
from prefalign.sweep.record import Sweep
from tests.command import prefalign
from tests.prefalign.synthetic import comparison
from tests.prefalign.toys import write_toy_pairs

ROOT = Path(__file__).parents[3]
AXES = ("--over", "method.beta=0.5", "--over", "optim.learning_rate=5e-3,1e30")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    """Two run files of a tiny model; the sweep over one of them is done."""
    folder = tmp_path_factory.mktemp("sweep")
    write_toy_pairs(folder / "train.parquet", 16)
    write_toy_pairs(folder / "test.parquet", 12, first=100)
    run = {
        "data": {"train": str(folder / "train.parquet"), "test": str(folder / "test.parquet")},
        "model": {"name": str(tiny_model), "lora": {"r": 4}},
        "method": {"name": "dpo"},
        "optim": {"max_steps": 3},
        "batch": {"global_batch_size": 8, "micro_batch_size": 8},
        "hardware": {"device": "cpu", "precision": "fp32", "num_processes": 1},
        "output": {"dir": "unused"},
    }
    (folder / "dpo.yaml").write_text(yaml.safe_dump(run))
    return folder


def test_a_sweep(folder: Path) -> None:
    environment = {"PREFALIGN_CACHE": str(folder / "cache")}
    arguments = ["sweep", folder / "dpo.yaml", *AXES, "-o", folder / "out"]
    ran = prefalign(*arguments, env=environment)
    assert ran.returncode == 0, ran.stderr
    found = json.loads((folder / "out" / "sweep.json").read_text())
    jsonschema.validate(found, json.loads((ROOT / "schemas" / "sweep-v1.json").read_text()))
    failures = {
        outcome["settings"]["optim.learning_rate"]: outcome["failure"]
        for outcome in found["outcomes"]
    }
    assert failures[0.005] is None
    assert {outcome["needs_reference"] for outcome in found["outcomes"]} == {True}
    assert "at step" in failures[1e30]  # what diverges is a result, not the end
    (trained,) = found["comparison"]["runs"][1:]
    assert trained["name"] == "dpo_beta-0.5_learning_rate-0.005"
    assert trained["name"] in ran.stdout
    assert ran.stdout.count("failed: ") == 1
    page = (folder / "out" / "sweep.html").read_text()
    assert page == render_sweep(Sweep.model_validate(found)), "the page needs more than its JSON"

    (folder / "out" / "sweep.html").unlink()
    drawn = prefalign("sweep", folder / "out" / "sweep.json")
    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout == ran.stdout
    assert (folder / "out" / "sweep.html").read_text() == page
    again = prefalign(*arguments, env=environment)
    assert again.stderr.count("finished already") == 1
    assert json.loads((folder / "out" / "sweep.json").read_text())["outcomes"] == found["outcomes"]


def test_an_impossible_sweep_is_one_message(folder: Path) -> None:
    ran = prefalign("sweep", folder / "dpo.yaml", "--over", "method.gamma=1", "-o", folder / "no")
    assert ran.returncode == 2
    assert "method.gamma: no run file has a method with this setting" in ran.stderr
    assert not (folder / "no").exists()
    record = folder / "other.json"
    record.write_text("{}")
    refused = prefalign("sweep", record)
    assert refused.returncode == 2
    assert "no sweep: outcomes: Field required" in refused.stderr
    without = prefalign("sweep", folder / "dpo.yaml")
    assert "Missing option '--over'" in without.stderr


def outcome(name: str, key: str, value: float, failure: str | None = None) -> dict[str, Any]:
    group = name.partition("_")[0]
    return {
        "name": name,
        "group": group,
        "method": group,
        "settings": {key: value},
        "needs_reference": group == "dpo",
        "failure": failure,
    }


def page_of(*outcomes: dict[str, Any]) -> str:
    """The page of a sweep whose finished trials are the two made-up runs."""
    names = [each["name"] for each in outcomes if each["failure"] is None]
    runs = comparison((names[0], names[1])).model_dump()
    return render_sweep(Sweep.model_validate({"outcomes": outcomes, "comparison": runs}))


def test_the_page_compares_the_best_of_each_run_file() -> None:
    page = page_of(
        outcome("dpo_beta-0.1", "method.beta", 0.1),
        outcome("dpo_beta-9", "method.beta", 9, "loss is nan <b>"),
        outcome("orpo_lambda-1", "method.lambda_", 1),
    )
    assert "dpo_beta-0.1 orders most held-out pairs right" in page
    assert "The best of orpo, orpo_lambda-1, " in page
    assert "Without a reference, orpo does not reach dpo: orpo_lambda-1 55.6 (" in page
    assert page.count("<svg") == 1  # the trials side by side; of one value each there is no curve
    assert "loss is nan &lt;b&gt;" in page
    assert "<script" not in page


def test_trials_that_are_level_share_the_headline() -> None:
    both = [outcome("dpo_a", "method.beta", 1), outcome("dpo_b", "method.beta", 2)]
    runs = comparison(("dpo_a", "dpo_b")).model_dump()
    runs["runs"][2] = runs["runs"][1] | {"name": "dpo_b"}
    page = render_sweep(Sweep.model_validate({"outcomes": both, "comparison": runs}))
    assert "<h1>2 of 2 trials order as many held-out pairs right: " in page


def test_the_page_draws_a_setting_with_intervals() -> None:
    page = page_of(outcome("dpo_b", "method.beta", 10), outcome("dpo_a", "method.beta", 0.1))
    assert page.count("<svg") == 3  # side by side, accuracy and drift
    assert page.count("<circle") == page.count('class="reach') == 6
    assert "Without a reference" not in page  # no trial was without
    assert page.index(">0.1</text>") < page.index(">10</text>")  # by number, not by name
