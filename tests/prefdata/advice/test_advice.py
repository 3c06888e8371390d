"""Advice: found where it was planted, silent where nothing is wrong, and accepted by the trainer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefalign.config import RunConfig, load_run
from prefdata.advice import Advice, advise
from prefdata.advice.flipped_labels import flip_rate, label_error
from prefdata.checks import Evidence, indexed
from prefdata.frame import pairs_table, to_polars
from prefdata.types import Message, Origin, Pair, Vote
from tests.command import prefdata

WORDS = ["sea", "bread", "poem", "wave", "flour", "fall", "stone", "lamp", "river", "cloud"]


def pair(number: int, chosen: str, rejected: str, votes: tuple[Vote, ...] = ()) -> Pair:
    return Pair(
        prompt=(Message("user", f"Question {number}?"),),
        chosen=(Message("assistant", chosen),),
        rejected=(Message("assistant", rejected),),
        votes=votes,
        origin=Origin("toy", "toy.jsonl", number + 1),
    )


def text(rng: np.random.Generator, words: int) -> str:
    return " ".join(rng.choice(WORDS, words))


def said(pairs: list[Pair], **evidence: Any) -> dict[str, Advice]:
    frame = to_polars(pairs_table(pairs))
    found = advise(Evidence(pairs=indexed(frame), **evidence))
    return {advice.topic: advice for advice in found}


def run_with(settings: dict[str, Any]) -> RunConfig:
    """The run file with these settings; it is refused if one is not there."""
    run: dict[str, Any] = {
        "data": {"train": "p.parquet"},
        "model": {"name": "m"},
        "method": {"name": "dpo"},
        "output": {"dir": "out"},
    }
    for key, value in settings.items():
        group, name = key.split(".")
        run[group][name] = value
    return RunConfig.model_validate(run)


def test_nothing_is_advised_without_a_fault() -> None:
    rng = np.random.default_rng(0)
    pairs = [pair(n, text(rng, 12), text(rng, 12)) for n in range(200)]
    found = said(pairs)
    assert [advice.settings for advice in found.values()] == [{}] * 4
    assert "unknown" in found["flipped labels"].measured
    assert "--scores" in found["off-policy"].measured


@pytest.mark.parametrize("flip", [0.05, 0.15, 0.3])
def test_flips_are_estimated_from_votes(flip: float) -> None:
    """Labels are one vote of the first of three annotators, all wrong as often."""
    rng = np.random.default_rng(1)

    def votes() -> tuple[Vote, ...]:
        wrong = rng.random(3) < flip
        choices: Any = ["rejected" if is_wrong else "chosen" for is_wrong in wrong]
        return tuple(Vote(choice, f"a{n}") for n, choice in enumerate(choices))

    pairs = [pair(n, text(rng, 12), text(rng, 12), votes()) for n in range(3000)]
    advice = said(pairs)["flipped labels"]
    truth = 3 * flip**2 * (1 - flip) + flip**3  # two or three of three votes are wrong
    assert advice.low is not None
    assert advice.high is not None
    assert advice.low <= truth <= advice.high
    expected = {"method.labels": "votes"} if advice.low >= 0.02 else {}
    assert advice.settings == expected
    run_with(advice.settings)


def test_flips_are_estimated_from_pairs_judged_twice() -> None:
    rng = np.random.default_rng(2)
    pairs = []
    for number in range(1500):
        sides = [text(rng, 12), text(rng, 12)]
        pairs += [pair(number, *(sides[::-1] if rng.random() < 0.1 else sides)) for _ in range(2)]
    advice = said(pairs)["flipped labels"]
    assert advice.value == pytest.approx(0.1, abs=0.02)
    assert advice.settings["method.loss"] == "robust"
    assert advice.settings["method.label_smoothing"] == pytest.approx(0.1, abs=0.02)
    run_with(advice.settings)


def test_longer_sides_ask_for_a_normalised_loss() -> None:
    rng = np.random.default_rng(3)
    pairs = [pair(n, text(rng, 30 if n % 4 else 8), text(rng, 15)) for n in range(200)]
    advice = said(pairs)["length bias"]
    assert advice.value == 0.75
    assert run_with(advice.settings).method.loss == "sigmoid_norm"


def test_small_edits_ask_for_a_term_of_sft() -> None:
    rng = np.random.default_rng(4)
    texts = [text(rng, 20) for _ in range(100)]
    pairs = [
        pair(n, body, body + " not" if n % 2 else text(rng, 20)) for n, body in enumerate(texts)
    ]
    advice = said(pairs)["small edits"]
    assert advice.value == pytest.approx(0.5, abs=0.02)
    assert run_with(advice.settings).method.loss == {"sigmoid": 1.0, "sft": 0.2}


def test_unlikely_answers_ask_for_weights() -> None:
    rng = np.random.default_rng(5)
    pairs = [pair(n, text(rng, 12), text(rng, 12)) for n in range(100)]
    ids = to_polars(pairs_table(pairs))["id"]
    logps = [-90.0 if n % 4 == 0 else -20.0 for n in range(100)]
    scores = pl.DataFrame({"id": ids, "chosen_logps": logps, "chosen_tokens": 20.0})
    rest = dict.fromkeys(
        ("rejected_logps", "ref_chosen_logps", "ref_rejected_logps"), pl.lit(-20.0)
    )
    advice = said(pairs, scores=scores.with_columns(**rest, step=pl.lit(None)))["off-policy"]
    assert advice.value == 0.25
    assert run_with(advice.settings).method.wpo is True


@given(st.floats(0, 0.49))
def test_the_flip_rate_undoes_the_disagreement(flip: float) -> None:
    assert flip_rate(2 * flip * (1 - flip)) == pytest.approx(flip, abs=1e-6)


@given(st.floats(0, 0.5), st.integers(1, 6))
def test_the_error_of_a_majority_is_that_of_all_outcomes(flip: float, votes: int) -> None:
    outcomes = np.array(np.meshgrid(*[[0, 1]] * votes)).reshape(votes, -1).sum(axis=0)
    chances = flip**outcomes * (1 - flip) ** (votes - outcomes)
    wrong = (outcomes > votes / 2) + 0.5 * (outcomes == votes / 2)
    assert label_error(flip, np.array([votes])) == pytest.approx(float(chances @ wrong), abs=1e-9)


def test_the_command_prints_settings_that_train_takes(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    pairs = tmp_path / "pairs.parquet"
    rows = [pair(n, text(rng, 30), text(rng, 15)) for n in range(60)]
    to_polars(pairs_table(rows)).write_parquet(pairs)
    ran = prefdata("advise", pairs)
    assert ran.returncode == 0, ran.stderr
    assert "length bias: chosen is longer in 100.0% of 60 pairs" in ran.stdout
    assert "  --set method.loss=sigmoid_norm --set method.beta=5.0" in ran.stdout.splitlines()
    (line,) = [line for line in ran.stdout.splitlines() if "method:" in line]
    run = tmp_path / "run.yaml"
    run.write_text(
        f"data: {{train: a.parquet}}\nmodel: {{name: m}}\noutput: {{dir: out}}\n{line.strip()}\n"
    )
    assert load_run(run) == run_with(
        {"data.train": "a.parquet", "method.loss": "sigmoid_norm", "method.beta": 5.0}
    )
    found = json.loads(prefdata("advise", pairs, "--format", "json").stdout)
    assert [advice["topic"] for advice in found] == sorted(advice["topic"] for advice in found)
    ran = prefdata("advise", pairs, "--scores", pairs)
    assert (ran.returncode, "no column chosen_logps" in ran.stderr) == (2, True)
