"""The few bytes of a pair that steps decide by: expressions over canonical columns, row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping

import polars as pl
import xxhash

from prefdata.curate.step import Keys
from prefdata.errors import InputError
from prefdata.expressions import characters
from prefdata.keys import message_keys
from prefdata.near.conversations import loose_keys

PLACE: Keys = {
    "id": pl.col("id").str.decode("hex"),
    "source": pl.col("source"),
    "file": pl.col("file"),
    "row": pl.col("row"),
}
ORDER = ("source", "file", "row", "id")

# The records of runs have these four columns of log-probs.
LOGPS_MAKER = (
    "log-probs of policy and reference give it: add --scores FILE, the record of a run of prefalign"
    " (output.record_train) or of `prefalign score`"
)
_LOGPS = ("chosen_logps", "ref_chosen_logps", "rejected_logps", "ref_rejected_logps")


def prompt() -> Keys:
    """Returns what stands for the prompt and its tools."""
    return {"prompt_id": pl.col("prompt_id").str.decode("hex")}


def drawn(seed: int) -> Keys:
    """Returns a key that puts pairs into an order of chance: xxh3_64 of the id, seeded.

    The same pair draws the same number in every set, so what was drawn from a set and its
    additions holds what was drawn from the set.
    """
    draw = pl.col("id").map_batches(lambda ids: _draws(ids, seed), return_dtype=pl.UInt64)
    return {draw_name(seed): draw}


def draw_name(seed: int) -> str:
    """Returns the name of the key that `drawn` gives."""
    return f"draw_{seed}"


def _draws(ids: pl.Series, seed: int) -> pl.Series:
    digest = xxhash.xxh3_64_intdigest
    return pl.Series(ids.name, [digest(one.encode(), seed) for one in ids.to_list()], pl.UInt64)


def lengths() -> Keys:
    """Returns the characters of chosen and rejected."""
    return {f"{side}_characters": characters(side) for side in ("chosen", "rejected")}


def sides() -> Keys:
    """Returns hashes of the two completions; they hold within one run only."""
    return {
        f"{side}_hash": pl.col(side).map_batches(_message_keys, pl.UInt64, is_elementwise=True)
        for side in ("chosen", "rejected")
    }


def _message_keys(cells: pl.Series) -> pl.Series:
    return pl.Series(cells.name, message_keys(cells), pl.UInt64)


def number(name: str, columns: frozenset[str]) -> pl.Expr:
    """Returns a column of numbers: one of the frame, else a field of `meta`.

    Three are worked out where they are not there: `margin` from the scores; `implicit_margin` from the
    log-probs of policy and reference, in nats (DPO's implicit reward over beta, arXiv:2305.18290,
    eq. 5); `ppl_difference` of chosen and rejected from the policy's, in nats a token (the difference
    of log perplexities).
    """
    if name == "margin":
        given = pl.col("margin") if "margin" in columns else pl.lit(None, pl.Float64)
        return pl.coalesce(given, pl.col("chosen_score") - pl.col("rejected_score"))
    found = _given(name, columns)
    if name == "implicit_margin":
        chosen, ref_chosen, rejected, ref_rejected = (_given(n, columns) for n in _LOGPS)
        return pl.coalesce(found, (chosen - ref_chosen) - (rejected - ref_rejected))
    if name == "ppl_difference":
        chosen, rejected = (
            _given(f"{side}_logps", columns) / _given(f"{side}_tokens", columns)
            for side in ("chosen", "rejected")
        )
        return pl.coalesce(found, rejected - chosen)
    return found


def _given(name: str, columns: frozenset[str]) -> pl.Expr:
    if name in columns:
        return pl.col(name).cast(pl.Float64)
    path = f"$[{json.dumps(name)}]"
    return pl.col("meta").str.json_path_match(path).cast(pl.Float64, strict=False)


def require(keys: pl.DataFrame, makers: Mapping[str, str]) -> None:
    """Raises where no pair of a set has a score that a step decides by.

    Args:
        keys: a column for each name.
        makers: name -> what puts the column into a set.

    Raises:
        InputError: a column holds nothing but nulls.
    """
    for name, maker in makers.items():
        if keys.height and keys[name].null_count() == keys.height:
            raise lacking(f"no pair has a number in '{name}'", maker)


def lacking(what: str, maker: str) -> InputError:
    """Returns the error that says which score a set lacks, and what makes it."""
    return InputError(what, hint=maker)


def loose() -> Keys:
    """Returns a key that is equal for pairs whose texts differ in letter case and white space only.

    Compared after NFKC, case folding and collapsing white space; roles, tool calls and thinking
    count, too. It holds within one run.
    """
    whole = pl.struct("prompt", "chosen", "rejected", pl.col("tools").hash().alias("tools"))
    return {"loose": whole.map_batches(lambda s: _loose(s.struct.unnest()), pl.UInt64)}


def _loose(pairs: pl.DataFrame) -> pl.Series:
    sides = [loose_keys(pairs, side) for side in ("prompt", "chosen", "rejected")]
    return pl.DataFrame([*sides, pairs["tools"]]).hash_rows()
