"""What models say about pairs as one table: a row for each model and pair, known by the pair's id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from prefalign.tokenise import TokenStore


class Said(NamedTuple):
    """What one model says about P pairs, as frames of `prefalign.score.score`.

    Attributes:
        prompted: about the completions after their prompts.
        alone: about the completions without; None where it was not asked.
    """

    prompted: pl.DataFrame
    alone: pl.DataFrame | None = None


def without_prompts(store: TokenStore, bos: int | None) -> pa.Table:
    """Returns the store's table with prompts that hold the beginning of a text and nothing else.

    Args:
        store: the pairs.
        bos: the token that begins a text, kept where a prompt begins with it; else prompts are empty,
            and nothing predicts the first token of a completion.
    """
    prompts = store.table["prompt_ids"].combine_chunks()
    lengths = prompts.value_lengths().to_numpy()
    firsts = prompts.offsets.to_numpy()[:-1]
    begins = np.zeros(len(prompts), bool)
    if bos is not None:
        values = np.append(prompts.values.to_numpy(), 0)
        begins = (lengths > 0) & (values[firsts] == bos)
    offsets = np.concatenate([[0], np.cumsum(begins)]).astype(np.int32)
    ids = np.full(int(begins.sum()), bos or 0, np.int32)
    place = store.table.schema.get_field_index("prompt_ids")
    column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids))
    table: pa.Table = store.table.set_column(place, "prompt_ids", column)
    return table


def score_table(name: str, policy: Said, reference: Said | None) -> pl.DataFrame:
    """Returns the rows of one model.

    Log-probs are summed nats, `_mean` ones nats per token; what a model was not asked, and what would
    be a mean over no tokens, is null.

    Args:
        name: of the model.
        policy: what it says.
        reference: what the model it is measured from says of the same pairs, if there is one.

    Returns:
        id, model; chosen and rejected: `_logps`, `_tokens`, `_logps_mean`, and those of the reference
        in `ref_` columns; `margin_sum`, log-prob of chosen minus that of rejected; `margin_reference`,
        by how much more chosen gained on the reference than rejected; `nll_chosen`, loss of chosen per
        token; `ifd_chosen`, `ifd_rejected`, loss per token with the prompt over that without
        (arXiv:2308.12032); `ppl_difference`, log perplexity of chosen minus that of rejected (PerpCorrect,
        NeurIPS 2024).
    """
    frame = policy.prompted.with_columns(
        **_reference(reference),
        **{f"alone_{side}": _mean(policy.alone, side) for side in ("chosen", "rejected")},
    )
    sides = ("chosen", "rejected", "ref_chosen", "ref_rejected")
    means = {f"{side}_logps_mean": _per_token(side) for side in sides}
    frame = frame.with_columns(pl.lit(name).alias("model"), **means).with_columns(
        margin_sum=pl.col("chosen_logps") - pl.col("rejected_logps"),
        margin_reference=_gain("chosen") - _gain("rejected"),
        nll_chosen=-pl.col("chosen_logps_mean"),
        ppl_difference=pl.col("rejected_logps_mean") - pl.col("chosen_logps_mean"),
        **{
            f"ifd_{side}": pl.col(f"{side}_logps_mean") / pl.col(f"alone_{side}")
            for side in ("chosen", "rejected")
        },
    )
    return frame.select(COLUMNS)


COLUMNS = (
    "id", "model",
    "chosen_logps", "rejected_logps", "ref_chosen_logps", "ref_rejected_logps",
    "chosen_tokens", "rejected_tokens",
    "chosen_logps_mean", "rejected_logps_mean", "ref_chosen_logps_mean", "ref_rejected_logps_mean",
    "margin_sum", "margin_reference", "nll_chosen", "ifd_chosen", "ifd_rejected", "ppl_difference",
)  # fmt: skip


def _reference(reference: Said | None) -> dict[str, Any]:
    names = ("chosen_logps", "rejected_logps")
    if reference is None:
        return {f"ref_{name}": pl.lit(None, pl.Float64) for name in names}
    return {f"ref_{name}": reference.prompted[name] for name in names}


def _mean(frame: pl.DataFrame | None, side: str) -> Any:
    return pl.lit(None, pl.Float64) if frame is None else frame.select(_per_token(side)).to_series()


def _per_token(side: str) -> pl.Expr:
    tokens = pl.col(f"{side.removeprefix('ref_')}_tokens")
    return pl.when(tokens > 0).then(pl.col(f"{side}_logps") / tokens)


def _gain(side: str) -> pl.Expr:
    return pl.col(f"{side}_logps") - pl.col(f"ref_{side}_logps")
