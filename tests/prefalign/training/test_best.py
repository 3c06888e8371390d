"""The best evaluation's model is kept, training stops in time, and an interruption changes neither."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from safetensors.torch import load_file

from prefalign.compare import compare
from prefalign.config import RunConfig
from prefalign.errors import TrainingFailed
from prefalign.progress import Silence
from prefalign.records.run import RunRecord, read_metrics
from prefalign.run import train
from prefalign.training.best import Best, best_evaluation
from tests.prefalign.toys import write_toy_pairs


@pytest.mark.parametrize(
    ("values", "metric", "best"),
    [
        ([], "accuracy_reference", None),
        ([0.5, 0.7, 0.7, 0.6], "accuracy_reference", Best(4, 0.7, worse=2)),
        ([3.0, 2.0, 2.5], "nll_chosen", Best(4, 2.0, worse=1)),
        ([0.1, 0.2, 0.3], "margin_reference", Best(6, 0.3, worse=0)),
    ],
)
def test_the_first_of_the_best_counts(values: list[float], metric: str, best: Best | None) -> None:
    untouched = {"accuracy_reference": 1.0, "nll_chosen": 0.0, "margin_reference": 9.0}
    history: list[dict[str, Any]] = [{f"eval_{k}": v for k, v in untouched.items()} | {"step": 0}]
    history += [{"loss": 1.0, "step": 1}]
    history += [{f"eval_{metric}": value, "step": 2 * n} for n, value in enumerate(values, 1)]
    history += history[-1:]  # made again by a run that was resumed
    assert best_evaluation(history, metric) == best


class Bench:
    """Runs of 12 steps, evaluated every second one, that move away from chosen when they start."""

    def __init__(self, directory: Path, model: Path) -> None:
        self.directory = directory
        train_file = write_toy_pairs(directory / "train.parquet", 48)
        test = pl.read_parquet(write_toy_pairs(directory / "test.parquet", 12, first=100))
        # what is learnt from the training pairs is wrong of half of these
        swapped = test.with_columns(chosen="rejected", rejected="chosen").head(6)
        pl.concat([swapped.select(test.columns), test.tail(6)]).write_parquet(
            directory / "test.parquet"
        )
        self.settings: dict[str, Any] = {
            "data": {"train": str(train_file), "test": str(directory / "test.parquet")},
            "model": {"name": str(model)},
            "method": {"name": "dpo"},
            "optim": {
                "learning_rate": 1e-2,
                "epochs": 2,
                "warmup_ratio": 0.0,
                "scheduler": "constant",
            },
            "batch": {"global_batch_size": 8, "micro_batch_size": 8},
            "hardware": {"device": "cpu", "precision": "fp32"},
        }

    def config(self, name: str, evaluation: dict[str, Any], **groups: dict[str, Any]) -> RunConfig:
        output = {"dir": str(self.directory / name), "save_every_steps": 2}
        evaluation = {"every_steps": 2} | evaluation
        return RunConfig.model_validate(
            self.settings | {"output": output, "eval": evaluation} | groups
        )

    def train(self, name: str, evaluation: dict[str, Any], **groups: dict[str, Any]) -> RunRecord:
        return train(self.config(name, evaluation, **groups), Silence())

    def evaluations(self, name: str) -> dict[int, dict[str, float]]:
        lines = read_metrics(self.directory / name)
        return {
            line["step"]: {name: value for name, value in line.items() if name != "time"}
            for line in lines
            if line["kind"] == "eval" and line["step"]
        }

    def weights(self, path: str) -> dict[str, Any]:
        return load_file(next((self.directory / path).glob("*.safetensors")))


@pytest.fixture
def bench(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Nothing of it has run."""
    monkeypatch.setenv("PREFALIGN_CACHE", str(tmp_path / "cache"))
    return Bench(tmp_path, tiny_model)


@pytest.mark.parametrize("lora", [None, {"r": 4}])
@pytest.mark.parametrize("method", ["dpo", "orpo"])
def test_the_best_model_is_the_result(
    bench: Bench, method: str, lora: dict[str, Any] | None
) -> None:
    model = bench.settings["model"] | {"lora": lora}
    record = bench.train("run", {"keep": "nll_chosen"}, model=model, method={"name": method})
    found = bench.evaluations("run")
    assert len(found) == 6
    best = min(found, key=lambda step: found[step]["nll_chosen"])
    assert record.kept_step == best
    assert best < 12 or method == "orpo"  # which imitates chosen, too
    kept, saved = bench.weights("run/model"), bench.weights(f"run/checkpoint-{best}")
    for name, weight in saved.items():
        assert weight.equal(kept[name]), name
    assert record.metrics is not None
    assert record.metrics.nll_chosen.value == pytest.approx(found[best]["nll_chosen"], abs=1e-9)
    pairs = pl.read_parquet(bench.directory / "run" / "pairs.parquet")
    nll = -pairs["chosen_logps"].sum() / pairs["chosen_tokens"].sum()
    assert nll == pytest.approx(found[best]["nll_chosen"], abs=1e-9)


def test_patience_ends_training_and_an_interruption_changes_nothing(bench: Bench) -> None:
    evaluation = {"keep": "nll_chosen", "patience": 2}
    record = bench.train("run", evaluation)
    found = bench.evaluations("run")
    best = min(found, key=lambda step: found[step]["nll_chosen"])
    assert record.kept_step == best
    assert record.cost.steps == best + 2 * 2 == max(found)
    assert record.cost.steps < 12
    run, weights = bench.directory / "run", bench.weights("run/model")
    # as if it had died at its end, where there is a checkpoint, and then a few steps before
    for gone in ([], [f"checkpoint-{record.cost.steps}"]):
        for name in ("model", *gone):
            shutil.rmtree(run / name)
        (run / "run.json").unlink()
        again = train(bench.config("run", evaluation), Silence(), resume=True)
        assert (again.kept_step, again.cost.steps) == (best, record.cost.steps)
        assert again.metrics == record.metrics
        assert bench.evaluations("run") == found
        for name, weight in bench.weights("run/model").items():
            assert weight.equal(weights[name]), name
    assert f"the model of step {best} of {record.cost.steps}" in (run / "README.md").read_text()
    remarks = compare([run]).remarks
    assert any("chosen by its nll_chosen on its held-out pairs" in remark for remark in remarks)


def test_a_best_checkpoint_that_is_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from prefalign.run import Run

    run = Run(bench.config("run", {"keep": "nll_chosen", "patience": 1}), Silence())
    trainer = run.trainer(None)
    run.fit(trainer)
    best = best_evaluation(trainer.state.log_history, "nll_chosen")
    assert best is not None
    shutil.rmtree(bench.directory / "run" / f"checkpoint-{best.step}")
    with pytest.raises(TrainingFailed, match="the checkpoint of the best evaluation is gone"):
        run.finish(trainer)


@pytest.mark.parametrize(
    ("evaluation", "said"),
    [
        ({"every_steps": None, "keep": "accuracy_mean"}, "only one evaluation to choose from"),
        ({"patience": 2}, "nothing says what a better evaluation is"),
        ({"keep": "accuracy"}, "'last', 'accuracy_reference'"),
    ],
)
def test_settings_that_say_too_little(bench: Bench, evaluation: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        bench.config("run", evaluation)
