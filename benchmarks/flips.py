"""Flipped labels planted in real sets: how well likely-flipped ranks them, beside two baselines.

    python -m benchmarks.flips --data DIR
    python -m benchmarks.flips --data DIR --seeds 10 --share 0.05

Of every set a share of the pairs has chosen and rejected swapped, once for each seed. A side gives each
pair a probability that its label is right; its most doubtful pairs, as many as were flipped, are looked
at (precision), and the area under its ROC curve. The sides: the probe of likely-flipped; a logistic
regression on the log ratio of lengths; and what is usual with cleanlab: 1- and 2-grams by tf-idf, a
logistic regression, cross_val_predict, and cleanlab's normalised margin. None sees the pair it judges.

The features and the penalty of the probe were chosen on the sets marked so; the last row is the mean over
the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from benchmarks.plant import swapped
from benchmarks.report import machine, table
from prefdata import __version__
from prefdata.checks import Evidence, indexed
from prefdata.conversion import ConvertOptions, convert
from prefdata.shortcuts.differences import side_texts
from prefdata.shortcuts.probe import label_probabilities

Floats = npt.NDArray[np.float64]

PACKAGES = ("polars", "scikit-learn", "cleanlab")


class DataSet(NamedTuple):
    """Files under --data; `tuned` where choices were made on them."""

    name: str
    pattern: str
    tuned: bool = False


DATA_SETS = (
    DataSet("HH harmless", "hh-rlhf/*.jsonl.gz", tuned=True),
    DataSet("DPO-En demo", "llama-factory/dpo_en_demo.json", tuned=True),
    DataSet("PandaLM", "pandalm/testset-v1.json", tuned=True),
    DataSet("OpenAssistant", "oasst-trees/*.jsonl", tuned=True),
    DataSet("DPO-Zh demo", "llama-factory/dpo_zh_demo.json"),
    DataSet("LLMBar", "llmbar/*.json"),
    DataSet("OpenAI layout", "openai-dpo/validation.jsonl"),
    DataSet("OpenAssistant zh", "oaast-rm-zh/oaast_rm_zh.json"),
    DataSet("UKP arguments", "ukpconvarg1-csv/*.csv"),
    DataSet("tool calls", "toolcall-dpo/dpo_dataset.jsonl"),
)


class Score(NamedTuple):
    """How well a side ranks the flipped pairs."""

    precision: float
    auroc: float


def read(data: Path, pattern: str) -> pl.DataFrame:
    """Returns the pairs of all files that match."""
    files = sorted(data.glob(pattern))
    return convert(files, ConvertOptions(allow_evaluation_set=True)).pairs


def planted(pairs: pl.DataFrame, share: float, seed: int) -> tuple[pl.DataFrame, npt.NDArray[Any]]:
    """Returns the pairs with some sides swapped, in an order that tells nothing, and which are."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(pairs.height)
    flipped = rng.random(pairs.height) < share
    noisy = swapped(pairs[order], flipped)
    # an id is a hash of its pair: a swapped one has another, at random as far as the probe can see
    ids = pl.Series([f"{value:016x}" for value in rng.integers(0, 2**63, pairs.height)])
    return noisy.with_columns(id=ids), flipped


def probe(pairs: pl.DataFrame) -> Floats:
    """Returns what likely-flipped goes by."""
    found = label_probabilities(Evidence(pairs=indexed(pairs)))
    return found.sort("index")["probability"].to_numpy()


def length_only(pairs: pl.DataFrame) -> Floats:
    """Returns P(label) by the log ratio of lengths."""
    texts = side_texts(pairs).select(pl.all().str.len_chars().cast(pl.Float64).log1p())
    return _cross_validated((texts["chosen"] - texts["rejected"]).to_numpy()[:, None])[1]


def cleanlab_style(pairs: pl.DataFrame) -> Floats:
    """Returns cleanlab's quality of each label, by a model of tf-idf."""
    from cleanlab.rank import get_normalized_margin_for_each_label

    texts = side_texts(pairs)
    tfidf = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    tfidf.fit([*texts["chosen"], *texts["rejected"]])
    labels, right = _cross_validated(
        tfidf.transform(texts["chosen"]) - tfidf.transform(texts["rejected"])
    )
    first = np.where(labels == 1, right, 1 - right)
    return get_normalized_margin_for_each_label(labels, np.column_stack([1 - first, first]))


def _cross_validated(differences: Any) -> tuple[npt.NDArray[np.int64], Floats]:
    """Returns labels, where sides are shown in random order, and the probability of each."""
    labels = np.random.default_rng(0).integers(0, 2, differences.shape[0])
    signs = 2.0 * labels - 1
    shown = differences.multiply(signs[:, None]).tocsr() if hasattr(differences, "tocsr") else None
    model = LogisticRegression(fit_intercept=False, max_iter=1_000)
    features = differences * signs[:, None] if shown is None else shown
    probabilities = cross_val_predict(model, features, labels, cv=5, method="predict_proba")
    return labels, probabilities[np.arange(len(labels)), labels]


SIDES: dict[str, Callable[[pl.DataFrame], Floats]] = {
    "likely-flipped": probe,
    "length only": length_only,
    "cleanlab-style": cleanlab_style,
}


def score(quality: Floats, flipped: npt.NDArray[Any]) -> Score:
    """Returns how many of the most doubtful pairs are flipped, and the area under the curve."""
    worst = np.argsort(quality, kind="stable")[: flipped.sum()]
    return Score(float(flipped[worst].mean()), float(roc_auc_score(flipped, -quality)))


def compare(pairs: pl.DataFrame, share: float, seeds: int) -> dict[str, Score]:
    """Returns each side's mean score over seeds."""
    scores: dict[str, list[Score]] = {name: [] for name in SIDES}
    for seed in range(seeds):
        noisy, flipped = planted(pairs, share, seed)
        for name, side in SIDES.items():
            scores[name].append(score(side(noisy), flipped))
    return {name: Score(*np.mean(found, axis=0)) for name, found in scores.items()}


def compared(data: Path, share: float, seeds: int) -> str:
    """Returns a table of one row a set, and of the mean over those on which no choice was made."""
    rows, unseen = [], []
    for data_set in DATA_SETS:
        pairs = read(data, data_set.pattern)
        found = compare(pairs, share, seeds)
        name = f"{data_set.name} (tuned)" if data_set.tuned else data_set.name
        rows.append((name, f"{pairs.height:,}", *_cells(found)))
        unseen += [] if data_set.tuned else [[list(score) for score in found.values()]]
    means = dict(zip(SIDES, (Score(*mean) for mean in np.mean(unseen, axis=0)), strict=True))
    rows.append(("mean, not tuned", "", *_cells(means)))
    head = ("", "pairs", *(f"{name}: {what}" for name in SIDES for what in ("precision", "AUROC")))
    return table(head, rows)


def _cells(found: dict[str, Score]) -> list[str]:
    return [f"{value:.3f}" for name in SIDES for value in found[name]]


def main() -> None:
    """Prints the table."""
    args = _arguments()
    print(f"prefdata {__version__} on {machine(PACKAGES)}\n", flush=True)
    print(compared(args.data, args.share, args.seeds), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, metavar="DIR", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.1, help="of pairs that are flipped")
    return parser.parse_args()


if __name__ == "__main__":
    main()
