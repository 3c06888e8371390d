"""From a training back into its data: flipped labels found by what a run recorded, and training without them.

    python -m benchmarks.loop --folder DIR
    python -m benchmarks.loop --folder DIR --seeds 0        # one of them; others at the same time

The demo's pairs (`prefalign demo`): those of its training part that fit into `max_length`, a tenth of them
with chosen and rejected swapped, once for each seed; the held-out part is left alone. For each seed these
commands run, as a person would type them:

    prefalign train dpo.yaml --set data.train=flipped.parquet --set output.record_train=true
    prefdata curate flipped.parquet --scores out/flipped/pairs-train.parquet --recipe confident -o curated.parquet
    prefalign train dpo.yaml --set data.train=curated.parquet

A run that is there is not run again. Two tables: how well the doubtful pairs are the flipped ones, for
PD331 likely-flipped, which looks at the texts alone, for PD332 margin-against-label, which goes by the run's
record, and for the sum of their log-odds; and the accuracy on held-out pairs of the two runs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.metrics import roc_auc_score

from benchmarks.plant import swapped
from benchmarks.report import machine, table
from prefalign.config import RunConfig, load_run
from prefalign.data.pair_set import read_set
from prefalign.demo import script
from prefalign.demo.model import find_model
from prefalign.metrics import PairScores, bootstrap, margins, wins
from prefalign.records.run import PAIRS_FILE, RUN_FILE, TRAINED_FILE
from prefdata import __version__, read_pairs
from prefdata.checks import Evidence, indexed
from prefdata.frame import PAIRS
from prefdata.scores import read_scores
from prefdata.shortcuts.learning import learning_map
from prefdata.shortcuts.probe import label_probabilities

Floats = npt.NDArray[np.float64]

PACKAGES = ("torch", "transformers", "peft", "polars", "scikit-learn")
RECORD = ["output.record_train=true"]
FLIPPED, CURATED = "flipped", "curated"


class Found(NamedTuple):
    """How well the most doubtful pairs are the flipped ones.

    Attributes:
        auroc: over all pairs.
        precision: among as many as were flipped.
    """

    auroc: float
    precision: float

    @classmethod
    def of(cls, doubt: Floats, flipped: npt.NDArray[np.bool_]) -> Found:
        """Returns it for (N,) doubts, larger for pairs that look flipped."""
        worst = np.argsort(-doubt, kind="stable")[: flipped.sum()]
        return cls(float(roc_auc_score(flipped, doubt)), float(flipped[worst].mean()))


@dataclass(frozen=True)
class Trial:
    """One seed: its files, and what its commands are told.

    Attributes:
        folder: of this seed.
        data: train.parquet and test.parquet of the demo.
        settings: overrides of the demo's run file.
    """

    seed: int
    share: float
    folder: Path
    data: Path
    settings: list[str]

    def run(self) -> None:
        """Flips, trains, curates and trains again; what is there is kept."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._plant()
        self._train(FLIPPED, RECORD)
        record = self.folder / FLIPPED / TRAINED_FILE
        curated = self.folder / f"{CURATED}.parquet"
        _command(
            "prefdata", "curate", self.pairs_file, "--scores", record, "--recipe", "confident",
            "-o", curated,
        )  # fmt: skip
        self._train(CURATED, [])

    @property
    def pairs_file(self) -> Path:
        return self.folder / f"{FLIPPED}.parquet"

    def _plant(self) -> None:
        pairs = fitting(self._config(str(self.data / "train.parquet"), FLIPPED, []))
        rng = np.random.default_rng(self.seed)
        flipped = np.zeros(pairs.height, np.bool_)
        flipped[rng.choice(pairs.height, round(self.share * pairs.height), replace=False)] = True
        swapped(pairs, flipped).select(PAIRS.names).write_parquet(self.pairs_file)
        np.save(self.folder / "flipped.npy", flipped)

    def _config(self, train: str, arm: str, more: list[str]) -> RunConfig:
        return load_run(self.folder.parent / "dpo.yaml", self._overrides(train, arm, more))

    def _overrides(self, train: str, arm: str, more: list[str]) -> list[str]:
        return [
            *self.settings,
            f"data.train={train}",
            f"data.test={self.data / 'test.parquet'}",
            f"optim.seed={self.seed}",
            f"output.dir={self.folder / arm}",
            *more,
        ]

    def _train(self, arm: str, more: list[str]) -> None:
        if (self.folder / arm / RUN_FILE).exists():
            return
        overrides = self._overrides(str(self.folder / f"{arm}.parquet"), arm, more)
        flags = [part for setting in overrides for part in ("--set", setting)]
        _command("prefalign", "train", self.folder.parent / "dpo.yaml", *flags)

    def found(self) -> dict[str, Found]:
        """Returns how well each way of doubting finds the flips."""
        pairs = read_pairs(str(self.pairs_file))  # whose ids are those of the flipped pairs
        data = Evidence(
            pairs=indexed(pairs), scores=read_scores(self.folder / FLIPPED / TRAINED_FILE)
        )
        texts = label_probabilities(data).sort("index")["probability"].to_numpy()
        run = learning_map(data).sort("index")["confidence"].to_numpy()
        flipped = np.load(self.folder / "flipped.npy")
        doubts = {
            "texts alone (PD331)": -texts,
            "the run's record (PD332)": -run,
            "both": -_log_odds(texts) - _log_odds(run),
        }
        return {name: Found.of(doubt, flipped) for name, doubt in doubts.items()}

    def removed(self) -> tuple[int, int]:
        """Returns how many pairs the curation removed, and how many of them were flipped."""
        kept = pl.read_parquet(self.folder / f"{CURATED}.parquet")["id"]
        gone = (~read_pairs(str(self.pairs_file))["id"].is_in(kept.to_list())).to_numpy()
        return int(gone.sum()), int(np.load(self.folder / "flipped.npy")[gone].sum())

    def right(self, arm: str) -> pl.DataFrame:
        """Returns `id` and whether the run of an arm has each held-out pair right, a tie one half."""
        scores = pl.read_parquet(self.folder / arm / PAIRS_FILE)
        moved = margins(PairScores.of(scores), PairScores.of(scores, prefix="ref_"))
        return scores.select("id", right=pl.Series(wins(moved)))


def fitting(config: RunConfig) -> pl.DataFrame:
    """Returns the training pairs that a run does not drop."""
    ids = read_set(config.data.train, config).store.table["id"].to_pylist()
    return read_pairs(config.data.train).filter(pl.col("id").is_in(ids))


def _log_odds(probability: Floats) -> Floats:
    odds: Floats = np.log(probability / (1 - probability))
    return odds


def _command(*words: Any) -> None:
    """Runs a command of ours to its end; a failure ends the benchmark."""
    program, *arguments = map(str, words)
    subprocess.run([sys.executable, "-m", program, *arguments], check=True)


def detection(trials: list[Trial]) -> str:
    """Returns the table of how well flips are found: mean over seeds, and the range of the AUROCs."""
    found = [trial.found() for trial in trials]
    rows = []
    for name in found[0]:
        aurocs, precisions = zip(*(one[name] for one in found), strict=True)
        each = ", ".join(f"{value:.3f}" for value in aurocs)
        rows.append((name, f"{np.mean(aurocs):.3f}", each, f"{np.mean(precisions):.3f}"))
    return table(("", "AUROC", "of each seed", "precision at 10 %"), rows)


def accuracy(trials: list[Trial], prompts: pl.DataFrame) -> str:
    """Returns the table of held-out accuracies, with intervals over prompts and seeds.

    Args:
        trials: of all seeds.
        prompts: `id` and `prompt_id` of the held-out pairs.
    """
    parts = []
    for trial in trials:
        arms = [trial.right(arm).rename({"right": arm}) for arm in (FLIPPED, CURATED)]
        both = arms[0].join(arms[1], on="id").join(prompts, on="id")
        parts.append(both.with_columns(seed=trial.seed))
    every = pl.concat(parts)
    columns = [every[FLIPPED], every[CURATED], every[CURATED] - every[FLIPPED]]
    numerators = np.stack([column.to_numpy() for column in columns])
    # the held-out pairs are the same for every seed, so that a prompt is drawn with all its seeds
    estimates = bootstrap(numerators, np.ones_like(numerators), every["prompt_id"].to_numpy())
    labels = ("trained on the flipped set", "trained on the curated set", "curated minus flipped")
    rows = []
    for label, estimate, column in zip(labels, estimates, columns, strict=True):
        of_seeds = every.with_columns(value=column).group_by("seed").agg(pl.col("value").mean())
        each = ", ".join(f"{100 * v:.1f}" for v in of_seeds.sort("seed")["value"])
        assert estimate is not None
        interval = f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"
        rows.append((label, f"{100 * estimate.value:.1f}", interval, each))
    return table(("", "accuracy, %", "95 % interval", "of each seed"), rows)


def main() -> None:
    """Runs what is missing, and prints both tables."""
    args = _arguments()
    args.folder.mkdir(parents=True, exist_ok=True)
    data = prepared(args.folder)
    settings = [f"model.name={find_model(print)}", *args.set]
    trials = [
        Trial(seed, args.share, args.folder / f"seed-{seed}", data, settings) for seed in args.seeds
    ]
    for trial in trials:
        trial.run()
    print(f"\nprefdata {__version__} on {machine(PACKAGES)}\n")
    counts = [trial.removed() for trial in trials]
    pairs = [read_pairs(str(trial.pairs_file)).height for trial in trials]
    told = "; ".join(
        f"{gone} of {n}, {right} flipped" for (gone, right), n in zip(counts, pairs, strict=True)
    )
    print(f"removed by the recipe, seed by seed: {told}\n")
    print(detection(trials), end="\n\n")
    prompts = read_pairs(str(data / "test.parquet")).select("id", "prompt_id")
    print(accuracy(trials, prompts))


def prepared(folder: Path) -> Path:
    """Returns the folder of the demo's training and held-out pairs, made by the demo's commands."""
    demo = folder / "demo"
    if not (demo / "data").exists():
        script.prepare(demo)
        for step in script.data_steps():
            subprocess.run([sys.executable, "-m", *step.line.split()], cwd=demo, check=False)
    (folder / "dpo.yaml").write_text((demo / "dpo.yaml").read_text())
    return (demo / "data").resolve()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, metavar="DIR", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=0.1, help="of pairs that are flipped")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="KEY=VALUE", help="of the demo's dpo.yaml"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
