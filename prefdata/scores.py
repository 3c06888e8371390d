"""What models say about pairs, read from files by pair id: as it is, or as one row a pair."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import polars as pl
import polars.selectors as cs

from prefdata.errors import FormatError, InputError
from prefdata.stats.cartography import cartography

BETA = 0.1  # DPO's temperature where none is named
_POLICY = ("chosen_logps", "rejected_logps")
_REFERENCE = ("ref_chosen_logps", "ref_rejected_logps")
_OPTIONAL = {
    **dict.fromkeys(_REFERENCE, pl.Float64),
    "chosen_tokens": pl.Float64,
    "rejected_tokens": pl.Float64,
    "step": pl.Int64,
}
_SCORES = ("chosen_score", "rejected_score", "margin")  # of a pair, and perhaps of a better model
_PLACES = ("step", "epoch")  # of an evaluation: no numbers about a pair
_HINT = "give the pairs.parquet of a run, or a table of a pair's id and its log-probs"


def read_scores(*paths: Path) -> pl.DataFrame:
    """Returns what models say about pairs: one row for each pair and evaluation.

    Args:
        paths: .parquet or .jsonl files such as the pairs.parquet of a run of prefalign.

    Returns:
        Columns id, chosen_logps and rejected_logps (summed nats); the same of the reference in
        ref_chosen_logps and ref_rejected_logps, chosen_tokens, rejected_tokens and step (of the
        evaluation), null where a file has no such column. Rows whose log-probs are not finite are left
        out.

    Raises:
        InputError: a file cannot be read.
        FormatError: it lacks columns, or holds something else in them.
    """
    return pl.concat(map(_read_logps, paths))


def _read_logps(path: Path) -> pl.DataFrame:
    found = _table(path)
    lacking = [name for name in ("id", *_POLICY) if name not in found.columns]
    if lacking:
        raise FormatError(
            f"{path}: no scores of pairs: it has no column {', '.join(lacking)}", hint=_HINT
        )
    absent = {n: pl.lit(None, kind) for n, kind in _OPTIONAL.items() if n not in found.columns}
    kinds = pl.Schema({"id": pl.String, **dict.fromkeys(_POLICY, pl.Float64), **_OPTIONAL})
    try:
        typed = found.with_columns(**absent).select(kinds.names()).cast(kinds)
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0][:80]
        raise FormatError(
            f"{path}: not scores of pairs: {reason}", hint="log-probs are numbers, in nats"
        ) from error
    finite = pl.all_horizontal(pl.col(_POLICY).is_finite())
    sound = pl.all_horizontal(pl.col(_REFERENCE).is_finite().fill_null(value=True))
    return typed.filter(finite & sound)


def read_columns(*paths: Path, beta: float = BETA) -> pl.DataFrame:
    """Returns one row a pair: its `id`, and every number that files hold of it.

    Where files have several rows of a pair (evaluations, models), a number is their mean. Of
    log-probs of policy and reference come, too: `validation_loss`, the mean of DPO's loss over the
    rows, and what `prefdata.stats.cartography` says: `confidence`, `variability` and `correctness`.

    Args:
        paths: .parquet or .jsonl files with a column `id`.
        beta: DPO's temperature, of the loss and of the probabilities.

    Raises:
        InputError: a file cannot be read.
        FormatError: it has no column `id`, or no numbers.
    """
    rows = pl.concat(map(_read_numbers, paths), how="diagonal")
    means = rows.drop(_PLACES, strict=False).group_by("id", maintain_order=True).mean()
    if not set(_POLICY + _REFERENCE) <= set(rows.columns):
        return means
    said = cartography(read_scores(*_with_logps(paths)), beta)
    derived = ["validation_loss", "confidence", "variability", "correctness"]
    return means.drop(derived, strict=False).join(
        said.select("id", *derived), on="id", how="left", maintain_order="left"
    )


def _with_logps(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if set(_POLICY) <= set(_table(path).columns)]


def _read_numbers(path: Path) -> pl.DataFrame:
    found = _table(path)
    if "id" not in found.columns:
        raise FormatError(f"{path}: no scores of pairs: it has no column id", hint=_HINT)
    numbers = found.select(
        pl.col("id").cast(pl.String), cs.numeric().cast(pl.Float64).fill_nan(None)
    )
    if numbers.width == 1:
        raise FormatError(f"{path}: no scores of pairs: no column holds numbers", hint=_HINT)
    return numbers


def with_columns(pairs: pl.DataFrame, columns: pl.DataFrame) -> pl.DataFrame:
    """Returns pairs with the columns that `read_columns` returned; null where a pair is not in them.

    Their scores and margins win over those of the pairs; what else the pairs have stays.
    """
    own = [name for name in pairs.columns if name not in ("id", *_SCORES)]
    joined = pairs.join(
        columns.drop(own, strict=False), on="id", how="left", maintain_order="left", suffix="_read"
    )
    read = [name for name in _SCORES if f"{name}_read" in joined.columns]
    both = {name: pl.coalesce(f"{name}_read", name) for name in read}
    return joined.with_columns(**both).drop(f"{name}_read" for name in read)


def _table(path: Path) -> pl.DataFrame:
    try:
        return pl.read_ndjson(path) if path.suffix == ".jsonl" else pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).partition("\n")[0][:80]
        raise InputError(
            f"{path}: cannot be read: {reason}", hint="give the pairs.parquet of a run"
        ) from error
