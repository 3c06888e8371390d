"""Contract with TRL: the parts of its trainers that ours rely on, and its numbers on the same tokens."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import trl
from torch import Tensor
from trl import DPOTrainer
from trl.experimental.orpo import ORPOTrainer

from prefalign.config import RunConfig
from prefalign.data.dataset import PairDataset
from prefalign.engine.logps import segment_logps
from prefalign.engine.objective import pair_logps, share_of_loss
from prefalign.losses import NllParams
from prefalign.progress import Silence
from prefalign.run import Run, train
from prefalign.training.measure import Measured
from prefdata.errors import ConfigError
from tests.prefalign.toys import whole_batch, write_toy_pairs


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache of this test's own."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def settings(tmp_path: Path, tiny_model: Path) -> dict[str, Any]:
    """Sixteen pairs, one global batch of eight at once."""
    return {
        "data": {
            "train": str(write_toy_pairs(tmp_path / "train.parquet", 16)),
            "test": str(write_toy_pairs(tmp_path / "test.parquet", 4, first=100)),
        },
        "model": {"name": str(tiny_model)},
        "engine": "trl",
        "optim": {"learning_rate": 1e-3, "warmup_ratio": 0.0},
        "batch": {"global_batch_size": 8, "micro_batch_size": 8},
        "hardware": {"device": "cpu", "precision": "fp32"},
        "output": {"dir": str(tmp_path / "run")},
    }


def trainer_of(settings: dict[str, Any], method: str) -> tuple[Run, Measured]:
    run = Run(RunConfig.model_validate(settings | {"method": {"name": method}}), Silence())
    return run, run.trainer(None)


def our_batch(run: Run) -> Any:
    """Returns the run's first eight pairs in store order as one batch of ours."""
    params = run.config.method
    data = PairDataset(
        run.train_set.store.table.slice(0, 8),
        params.nll_over if isinstance(params, NllParams) else None,
    )
    return whole_batch(data)


def trl_batch(trainer: Measured) -> Any:
    """Returns the same pairs as TRL's collator makes them."""
    return trainer.data_collator([trainer.train_dataset[row] for row in range(8)])


def our_loss(run: Run, model: Any, batch: Any) -> Tensor:
    sums = segment_logps(model, batch)
    params = run.config.method
    return share_of_loss(run.loss.terms(pair_logps(sums, batch, run.loss, params), params), batch)


def grads(model: Any, loss: Tensor) -> list[Tensor]:
    model.zero_grad()
    loss.backward()
    return [p.grad.clone() for p in model.parameters()]


def nudge(model: Any) -> None:
    """Moves the policy away from the reference, so that the loss is not log 2."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.02 * torch.randn_like(weight)


def test_the_pinned_minor_version_is_installed() -> None:
    assert trl.__version__.startswith("1.16.")


def test_the_seams_are_where_they_were() -> None:
    assert callable(DPOTrainer._prepare_dataset)
    assert callable(ORPOTrainer.tokenize_row)
    assert DPOTrainer.loss_is_scaled_for_ga is False
    assert ORPOTrainer.loss_is_scaled_for_ga is False


@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_both_engines_see_the_same_tokens(settings: dict[str, Any], method: str) -> None:
    run, trainer = trainer_of(settings, method)
    stored = run.train_set.store.table.slice(0, 8).to_pydict()
    batch = trl_batch(trainer)
    for row in range(8):
        for side, offset in (("chosen", 0), ("rejected", 8)):
            if method == "dpo":
                ids, seen = batch["input_ids"][offset + row], batch["attention_mask"][offset + row]
                scored = batch["completion_mask"][offset + row].bool()
            else:
                ids, seen = batch[f"{side}_input_ids"][row], batch[f"{side}_attention_mask"][row]
                scored = batch[f"{side}_labels"][row] != -100
            completion = stored[f"{side}_ids"][row]
            assert ids[seen.bool()].tolist() == stored["prompt_ids"][row] + completion
            assert ids[scored].tolist() == completion


def test_dpo_equals_trl_s(settings: dict[str, Any]) -> None:
    run, trainer = trainer_of(settings, "dpo")
    assert isinstance(trainer, DPOTrainer)
    batch = our_batch(run)
    with torch.no_grad():
        reference = segment_logps(run.model, batch)
    batch["reference"] = torch.cat((reference.chosen, reference.rejected))
    nudge(run.model)
    theirs = trainer.compute_loss(trainer.model, trl_batch(trainer))
    ours = our_loss(run, run.model, batch)
    assert theirs.item() != pytest.approx(math.log(2), abs=1e-3)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    for mine, their in zip(grads(run.model, ours), grads(run.model, theirs), strict=True):
        torch.testing.assert_close(mine, their, rtol=1e-3, atol=1e-6)


def test_orpo_equals_trl_s(settings: dict[str, Any]) -> None:
    run, trainer = trainer_of(settings, "orpo")
    assert isinstance(trainer, ORPOTrainer)
    nudge(run.model)
    theirs, metrics = trainer.get_batch_loss_metrics(trainer.model, trl_batch(trainer))
    batch = our_batch(run)
    sums = segment_logps(run.model, batch)
    logps = pair_logps(sums, batch, run.loss, run.config.method)
    assert logps.mean_chosen.mean().item() == pytest.approx(metrics["logps/chosen"], rel=1e-5)
    assert logps.mean_rejected.mean().item() == pytest.approx(metrics["logps/rejected"], rel=1e-5)
    terms = run.loss.terms(logps, run.config.method)
    odds_term = -run.config.method.model_dump()["lambda_"] * metrics["log_odds_ratio"]
    assert terms.pairs.mean().item() == pytest.approx(odds_term, rel=1e-5)
    ours = our_loss(run, run.model, batch)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    for mine, their in zip(grads(run.model, ours), grads(run.model, theirs), strict=True):
        torch.testing.assert_close(mine, their, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", ["dpo", "orpo"])
@pytest.mark.parametrize("lora", [None, {"r": 4}])
def test_a_whole_run_on_trl_leaves_the_same_files(
    settings: dict[str, Any], method: str, lora: dict[str, Any] | None
) -> None:
    settings = settings | {
        "method": {"name": method},
        "model": settings["model"] | {"lora": lora},
    }
    config = RunConfig.model_validate(settings)
    record = train(config, Silence())
    assert record.engine == "trl"
    assert record.cost.pairs_seen == 16
    files = {path.name for path in config.output.dir.iterdir()}
    assert {"run.json", "metrics.jsonl", "pairs.parquet", "model", "README.md"} <= files
    lines = [json.loads(line) for line in (config.output.dir / "metrics.jsonl").open()]
    assert [line["kind"] for line in lines] == ["eval", "train", "train", "eval"]
    if method == "dpo":
        assert lines[1]["loss"] == pytest.approx(math.log(2), abs=1e-6)
    assert (record.model.trainable_parameters == record.model.parameters) == (lora is None)


@pytest.mark.parametrize(
    ("method", "word"),
    [
        ({"name": "dpo", "label_smoothing": 0.1}, "label_smoothing"),
        ({"name": "orpo", "nll_over": "completion"}, "nll_over"),
    ],
)
def test_what_trl_cannot_do_is_refused(
    settings: dict[str, Any], method: dict[str, Any], word: str
) -> None:
    with pytest.raises(ConfigError, match=word):
        Run(RunConfig.model_validate(settings | {"method": method}), Silence())


def test_a_batch_that_trl_cannot_divide_is_refused(settings: dict[str, Any]) -> None:
    uneven = settings | {
        "method": {"name": "dpo"},
        "batch": {"global_batch_size": 8, "micro_batch_size": 3},
    }
    with pytest.raises(ConfigError, match="no multiple"):
        Run(RunConfig.model_validate(uneven), Silence())
