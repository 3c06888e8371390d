"""Pairs that spoil a run: those that have no gradient, and those that no log-prob exists for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefdata.errors import PrefError

if TYPE_CHECKING:
    import polars as pl

    from prefalign.tokenise import TokenStore

_SHOWN = 5  # rows named for each rule


def refuse_fatal(pairs: pl.DataFrame, store: TokenStore, source: str) -> None:
    """Refuses a set that cannot be trained on as it is.

    Two sides that are the same tokens have no gradient under DPO, and a completion without tokens has
    no log-prob. Pairs that truncation has dropped are not looked at.

    Args:
        pairs: the canonical pairs that `store` was made from.
        store: their tokens.
        source: where they come from, for messages.

    Raises:
        PrefError: there are such pairs, or no pair is left; the message names rules and rows.
    """
    if not len(store):
        dropped = ", ".join(f"{len(ids):,} {reason}" for reason, ids in store.dropped.items())
        raise PrefError(
            f"{source}: not one pair of {pairs.height:,} is left"
            + (f": {dropped}, max_length is {store.max_length}" if dropped else ""),
            hint="raise data.max_length, or set data.truncation to keep_start or keep_end",
        )
    broken = _broken(pairs, store)
    if broken.height:
        rules = broken["rule"].unique(maintain_order=True).to_list()
        listed = [line for rule in rules for line in _listed(rule, broken)]
        raise PrefError(
            f"{source}: {broken.height:,} of {len(store):,} pairs cannot be trained on\n  "
            + "\n  ".join(listed),
            hint="; ".join(dict.fromkeys(_remedy(rule, source, store) for rule in rules)),
        )


def _broken(pairs: pl.DataFrame, store: TokenStore) -> pl.DataFrame:
    """Returns `rule`, `file`, `row` and `id` of the fatal pairs; each under the first rule it breaks."""
    import polars as pl

    from prefdata.checks.empty_completion import empty_completion
    from prefdata.checks.identical_pair import identical_pair
    from prefdata.tokens import token_facts

    facts = token_facts(store.table, store.max_length, "drop").unique("id")
    longest = pl.col("prompt_tokens") + pl.max_horizontal("chosen_tokens", "rejected_tokens")
    rule = (
        pl.when(identical_pair())
        .then(pl.lit("identical-pair"))
        .when(empty_completion())
        .then(pl.lit("empty-completion"))
        .when("prompt_fills_max_length")
        .then(pl.lit("prompt-fills-max-length"))
        .when("empty_completion")
        .then(pl.lit("empty-completion"))
        .when(pl.col("identical_rendered") & (longest == store.max_length))
        .then(pl.lit("identical-after-truncation"))
        .when("identical_rendered")
        .then(pl.lit("identical-after-rendering"))
        .when(pl.col("prompt_tokens") == 0)
        .then(pl.lit("unstable-template-prefix"))
    )
    kept = pairs.join(facts, on="id", maintain_order="left")
    return kept.select(rule.alias("rule"), "file", "row", "id").drop_nulls("rule")


def _listed(rule: str, broken: pl.DataFrame) -> list[str]:
    """Returns a line for the rule and one for each of its first pairs."""
    rows = broken.filter(broken["rule"] == rule)
    lines = [f"{rule}: {rows.height:,} {'pair' if rows.height == 1 else 'pairs'}"]
    lines += [f"  {file}:{row} ({id_})" for _, file, row, id_ in rows.head(_SHOWN).iter_rows()]
    return lines + ([f"  and {rows.height - _SHOWN:,} more"] if rows.height > _SHOWN else [])


def _remedy(rule: str, source: str, store: TokenStore) -> str:
    match rule:
        case "identical-pair" | "empty-completion":
            return f"take them out: prefdata curate {source} -o clean.parquet"
        case "prompt-fills-max-length" | "identical-after-truncation":
            return f"raise data.max_length from {store.max_length}, or set data.truncation to drop"
        case _:
            return "take them out, or train a model whose chat template keeps the difference"
