"""What every model says about one set of held-out pairs: as the runs recorded it, or scored now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefalign.comparison.finished import FinishedRun, models
from prefalign.config import Data
from prefalign.metrics import PairScores
from prefalign.progress import Reporter
from prefalign.records.run import PAIRS_FILE
from prefdata import read_pairs
from prefdata.errors import InputError
from prefdata.io.manifest import sha256

if TYPE_CHECKING:
    import polars as pl

    from prefalign.models.loading import Precision
    from prefalign.tokenise import TokenStore

_MICRO_BATCH = 8  # pairs per forward pass where nothing was recorded


@dataclass(frozen=True)
class Evidence:
    """Log-probs of N held-out pairs, in one order.

    Attributes:
        source: the pairs' file or hub dataset.
        sha256: of the file.
        token_fingerprint: of the pairs' token ids.
        pairs: (N,) canonical pairs; None if the texts are no longer there.
        reference: the untouched model's scores.
        scores: each run's.
        remarks: what a reader of the numbers should know.
    """

    source: str
    sha256: str | None
    token_fingerprint: str
    pairs: pl.DataFrame | None
    reference: PairScores
    scores: list[PairScores]
    remarks: tuple[str, ...] = ()

    @property
    def prompt_ids(self) -> list[str] | None:
        """(N,) which pairs share a prompt, if that is still known."""
        return None if self.pairs is None else self.pairs["prompt_id"].to_list()


def gather(runs: list[FinishedRun], pairs: str | None, reporter: Reporter) -> Evidence:
    """Returns the scores of runs that have the same tokens.

    Args:
        runs: to be compared.
        pairs: score these pairs now instead of using what the runs recorded.
        reporter: who hears of progress.

    Raises:
        InputError: there are no held-out pairs, or they cannot be read.
    """
    if pairs is None:
        return _recorded(runs)
    return _scored(runs, pairs, reporter)


def _recorded(runs: list[FinishedRun]) -> Evidence:
    test = runs[0].record.test
    if test is None:
        raise InputError(
            f"{runs[0].directory}: the run has no held-out pairs",
            hint="prefalign compare RUN... --pairs FILE",
        )
    frames = [_frame(run, test.source) for run in runs]
    ids = frames[0]["id"].to_list()
    for run, frame in zip(runs, frames, strict=True):
        if frame["id"].to_list() != ids:
            raise InputError(
                f"{run.directory / PAIRS_FILE}: holds other pairs than {runs[0].name}'s",
                hint=f"score the pairs again: prefalign compare RUN... --pairs {test.source}",
            )
    texts = _texts(test.source, test.sha256, ids)
    gone = f"{test.source} is gone or changed: its pairs count as if each had a prompt of its own"
    return Evidence(
        source=test.source,
        sha256=test.sha256,
        token_fingerprint=test.token_fingerprint,
        pairs=texts,
        reference=PairScores.of(frames[0], prefix="ref_"),
        scores=[PairScores.of(frame) for frame in frames],
        remarks=(gone,) if texts is None else (),
    )


def _frame(run: FinishedRun, source: str) -> pl.DataFrame:
    import polars as pl

    path = run.directory / PAIRS_FILE
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{path}: cannot be read",
            hint=f"score the pairs again: prefalign compare RUN... --pairs {source}",
        ) from error


def _texts(source: str, digest: str | None, ids: list[str]) -> pl.DataFrame | None:
    """Returns the pairs with these ids, in this order, if the set is what it was."""
    if digest is not None and not (Path(source).is_file() and sha256(Path(source)) == digest):
        return None
    return _ordered(read_pairs(source), ids)


def _ordered(pairs: pl.DataFrame, ids: list[str]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame({"id": ids}).join(
        pairs.unique("id", keep="first"), on="id", how="left", maintain_order="left"
    )


def _scored(runs: list[FinishedRun], source: str, reporter: Reporter) -> Evidence:
    from prefalign.models.tokenizer import tokenizer_of
    from prefalign.tokenise import tokenise

    pairs = read_pairs(source)
    base = runs[0].base
    data = Data(**runs[0].record.config["data"])
    store = tokenise(pairs, tokenizer_of(base), data)
    scores = [
        _score(name, model, store, record.precision, reporter)
        for name, model, record in models(runs)
    ]
    return Evidence(
        source=source,
        sha256=sha256(Path(source)) if Path(source).is_file() else None,
        token_fingerprint=store.fingerprint,
        pairs=_ordered(pairs, store.table["id"].to_pylist()),
        reference=scores[0],
        scores=scores[1:],
    )


def _score(
    name: str, model: Any, store: TokenStore, precision: Precision, reporter: Reporter
) -> PairScores:
    from prefalign.score import score

    reporter.begin(f"scoring {name}", len(store), "pairs")
    frame = score(
        model,
        store,
        micro_batch_size=_MICRO_BATCH,
        device=model.device,
        precision=precision,
        progress=reporter.advance,
    )
    return PairScores.of(frame)
