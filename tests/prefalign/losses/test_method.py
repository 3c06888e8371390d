"""The settings of DPO's family: what they mean, what they need, and which of them are refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from trl import DPOConfig

from prefalign.config import load_run
from prefalign.losses import LOSSES, Facts, LossParams, PairLogps, loss_of
from prefalign.losses.dpo import Dpo, dpo
from prefalign.losses.dpo_losses import DPO_LOSSES
from prefalign.losses.orpo import Orpo
from prefalign.trl.dpo import loss_values
from prefdata.errors import ConfigError
from tests.prefalign.losses.trl_oracle import pair_logps, random_pairs

RUN = """\
data: {{train: pairs.parquet}}
model: {{name: tiny}}
method: {method}
output: {{dir: out}}
"""


def problems(method: str, tmp_path: Path) -> list[str]:
    path = tmp_path / "run.yaml"
    path.write_text(RUN.format(method=method))
    with pytest.raises(ConfigError) as caught:
        load_run(path)
    return [problem.removeprefix("line 3: ") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("loss: hing", "loss: there is no loss 'hing'; did you mean 'hinge'?"),
        ("loss: simpo", "loss: 'simpo' is a method of its own: method: {name: simpo}"),
        ("loss: []", "loss: [] is no loss: name one, a list of them, or a weight for each"),
        (
            "loss: [sigmoid, sigmoid]",
            "loss: 'sigmoid' is given again; for a weight, write loss: {sigmoid: 2}",
        ),
        (
            "loss: {sigmod: 1, sft: -1}",
            "loss: there is no loss 'sigmod'; did you mean 'sigmoid'?; sft: -1 is no weight above 0",
        ),
        (
            "loss: ipo, f_divergence: js",
            "f_divergence: 'js' is impossible with ipo: a mean over tokens needs a score that is a sum"
            " over tokens, which only that of reverse_kl is",
        ),
        (
            "loss: [apo_zero, sigmoid], f_divergence: js",
            "f_divergence: 'js' is impossible with apo_zero: the normaliser of a divergence other than"
            " reverse_kl cancels only in chosen's score minus rejected's",
        ),
        ("f_divergence: kl", "f_divergence: 'kl' must be reverse_kl, forward_kl, js or alpha"),
        ("f_alpha: 0.3", "f_alpha: only f_divergence: alpha reads it"),
        ("discopop_tau: 0.2", "discopop_tau: sigmoid would ignore it; it is for discopop"),
        (
            "loss: hinge, label_smoothing: 0.1",
            "label_smoothing: hinge would ignore it;"
            " it is for aot, aot_unpaired, exo_pair, robust and sigmoid",
        ),
        ("loss: exo_pair", "label_smoothing: exo_pair needs a value other than 0.0"),
        ("loss: ipo, labels: votes", "labels: ipo would ignore it; it is for sigmoid"),
        (
            "label_smoothing: 0.1, labels: votes",
            "labels: the votes say how sure a label is; leave label_smoothing at 0",
        ),
        ("ld_alpha: 2", "ld_alpha: 2 must be less than or equal to 1"),
        ("loss: sft, ld_alpha: 0.5", "ld_alpha: sft compares no lengths and would ignore it"),
        (
            "loss: sft, f_divergence: js",
            "f_divergence: sft has no reference to be at a distance from",
        ),
        ("loss: [sft, ipo], wpo: true", "wpo: it weighs pairs, and sft is a mean over tokens"),
        ("loss: aot, wpo: true", "wpo: it weighs pairs, and aot sorts them apart"),
        ("loss_type: ipo", "loss_type: unknown key; it is loss here"),
        (
            "f_divergence_type: js",
            "f_divergence_type: unknown key; did you mean 'f_divergence'?",
        ),
        ("use_weighting: true", "use_weighting: unknown key; it is wpo here"),
    ],
)
def test_one_problem(settings: str, expected: str, tmp_path: Path) -> None:
    assert problems(f"{{name: dpo, {settings}}}", tmp_path) == [f"method.{expected}"]


def test_a_loss_as_method_is_explained(tmp_path: Path) -> None:
    assert problems("{name: hinge}", tmp_path) == [
        "method.name: 'hinge' is a loss of dpo: method: {name: dpo, loss: hinge}"
    ]


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    method = "{name: dpo, loss: ipo, beta: 0, label_smoothing: 0.1, f_divergence: js}"
    assert [problem.partition(":")[0] for problem in problems(method, tmp_path)] == [
        "method.beta",
        "method.label_smoothing",
        "method.f_divergence",
    ]


@pytest.mark.parametrize("choice", ["sigmoid", ["sigmoid", "sft"], {"hinge": 0.5, "sft": 1}])
def test_the_choice_of_losses_is_kept_as_written(choice: Any) -> None:
    assert Dpo(loss=choice).model_dump()["loss"] == choice


def test_defaults_of_every_loss_stand_in_a_run_file(tmp_path: Path) -> None:
    for name in DPO_LOSSES.names():
        noise = ", label_smoothing: 0.01" if name == "exo_pair" else ""
        path = tmp_path / "run.yaml"
        path.write_text(RUN.format(method=f"{{name: dpo, loss: {name}{noise}}}", engine="trl"))
        assert load_run(path).method.model_dump()["loss"] == name


@pytest.mark.parametrize(
    ("params", "facts"),
    [
        (Dpo(), Facts(needs_reference=True, length_normalised=False)),
        (Dpo(loss="sft"), Facts(needs_reference=False, length_normalised=False)),
        (Dpo(loss=["sft", "ipo"]), Facts(needs_reference=True, length_normalised=True)),
        (
            Dpo(loss=["aot", "sigmoid"], ld_alpha=0.5),
            Facts(
                needs_reference=True,
                length_normalised=False,
                pair_separable=False,
                needs_tails=True,
            ),
        ),
        (
            Dpo(wpo=True, labels="votes"),
            Facts(
                needs_reference=True,
                length_normalised=False,
                needs_log_sum_sq=True,
                needs_label_probability=True,
            ),
        ),
        (Orpo(), LOSSES.get("orpo").facts),
    ],
)
def test_facts_follow_from_the_settings(params: LossParams, facts: Facts) -> None:
    assert loss_of(params).facts == facts


@pytest.mark.parametrize(
    "params",
    [
        Dpo(ld_alpha=0.5),
        Dpo(wpo=True),
        Dpo(labels="votes"),
        Dpo(loss="aot"),
        Dpo(),
    ],
)
def test_a_loss_reads_nothing_beyond_its_facts(params: Dpo) -> None:
    logps = pair_logps(random_pairs(4))
    facts = loss_of(params).facts
    needed = {
        "reference_chosen": facts.needs_reference,
        "reference_rejected": facts.needs_reference,
        "chosen_tail": facts.needs_tails,
        "rejected_tail": facts.needs_tails,
        "reference_chosen_tail": facts.needs_tails,
        "reference_rejected_tail": facts.needs_tails,
        "chosen_log_sum_sq": facts.needs_log_sum_sq,
        "rejected_log_sum_sq": facts.needs_log_sum_sq,
    }
    given = logps._replace(
        label_probability=torch.ones(4) if facts.needs_label_probability else None,
        **{name: None for name, need in needed.items() if not need},
    )
    assert dpo(given, params).pairs.shape == (4,)
    for name in [name for name, need in needed.items() if need]:
        with pytest.raises(ValueError, match="is given"):
            dpo(given._replace(**{name: None}), params)


@pytest.mark.parametrize(
    ("choice", "papers"),
    [
        ("sigmoid", "2305.18290"),
        ("hinge", "2305.10425"),
        (["aot", "aot_unpaired", "ipo", "sft"], "2406.05882, 2310.12036"),
        ("sft", "2305.18290"),
    ],
)
def test_the_papers_are_those_of_the_losses(choice: Any, papers: str) -> None:
    assert loss_of(Dpo(loss=choice)).paper == papers


def test_soft_labels_by_hand() -> None:
    # margin 2, beta 0.5: -log sigmoid(1) = 0.31326 for a sure label, 1.31326 for a sure flip
    values = (-2.0, -5.0, 1.0, 1.0, -3.0, -4.0)
    pair = PairLogps(*(torch.tensor([value] * 3, dtype=torch.float64) for value in values))
    sure = torch.tensor([1.0, 0.75, 0.0], dtype=torch.float64)
    losses = dpo(pair._replace(label_probability=sure), Dpo(beta=0.5, labels="votes")).pairs
    kept, flipped = math.log1p(math.exp(-1)), math.log1p(math.exp(1))
    assert losses.tolist() == pytest.approx([kept, 0.75 * kept + 0.25 * flipped, flipped])


def test_one_noise_for_all_is_a_soft_label_for_each() -> None:
    logps = pair_logps(random_pairs(8))
    votes = logps._replace(label_probability=torch.full((8,), 0.8, dtype=torch.float64))
    soft = dpo(votes, Dpo(labels="votes")).pairs
    torch.testing.assert_close(soft, dpo(logps, Dpo(label_smoothing=0.2)).pairs)


def test_a_weighted_sum_is_the_sum_of_its_parts() -> None:
    logps = pair_logps(random_pairs(8))
    total = dpo(logps, Dpo(loss={"hinge": 0.25, "ipo": 2, "sft": 0.5}))
    hinge, ipo, sft = (dpo(logps, Dpo(loss=name)) for name in ("hinge", "ipo", "sft"))
    torch.testing.assert_close(total.pairs, 0.25 * hinge.pairs + 2 * ipo.pairs)
    assert total.tokens is not None
    assert sft.tokens is not None
    torch.testing.assert_close(total.tokens, 0.5 * sft.tokens)
    assert hinge.tokens is None
    assert not sft.pairs.any()


def test_separable_losses_do_not_see_company() -> None:
    logps = pair_logps(random_pairs(6))
    for part in DPO_LOSSES:
        noise = {"label_smoothing": 0.01} if "label_smoothing" in part.requires else {}
        params = Dpo(loss=part.name, **noise)
        together = dpo(logps, params).pairs
        alone = torch.cat(
            [
                dpo(PairLogps(*(None if v is None else v[i : i + 1] for v in logps)), params).pairs
                for i in range(6)
            ]
        )
        assert torch.allclose(together, alone) == part.pair_separable


def test_trl_takes_the_same_settings() -> None:
    params = Dpo(
        loss={"sigmoid": 1, "sft": 0.5},
        beta=0.2,
        ld_alpha=0.3,
        f_divergence="alpha",
        f_alpha=0.7,
    )
    config = DPOConfig(output_dir="out", bf16=False, use_cpu=True, **loss_values(params))
    assert config.loss_type == ["sigmoid", "sft"]
    assert config.loss_weights == [1, 0.5]
    assert config.f_divergence_type == "alpha_divergence"
    assert (config.beta, config.ld_alpha, config.f_alpha_divergence_coef) == (0.2, 0.3, 0.7)
