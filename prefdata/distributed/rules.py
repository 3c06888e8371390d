"""Rules that look at one pair at a time, over batches of a set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
import pyarrow as pa

from prefdata.checks import RULES, RowRule, broken_rows, indexed, matching
from prefdata.config import RuleSettings, rule_settings
from prefdata.distributed.portable import to_table
from prefdata.errors import PrefError
from prefdata.frame import to_polars
from prefdata.policy import own_settings

BROKEN = pa.schema(
    [
        ("code", pa.string()),
        ("name", pa.string()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("file", pa.string()),
        ("row", pa.int64()),
        ("message", pa.string()),
    ]
)


def broken(
    table: pa.Table,
    rules: Iterable[str] | None = None,
    settings: Mapping[str, RuleSettings | Mapping[str, Any]] | None = None,
) -> pa.Table:
    """Returns the findings in a batch: one row for each pair and rule that it breaks.

    They have no level: `max_rate` makes it depend on how many there are in the whole set.

    Args:
        table: canonical columns.
        rules: names, codes or families (`PD2`) of row rules; of a family, its row rules; all if None.
        settings: rule name or code -> what `[tool.prefdata.rules]` takes for it.

    Returns:
        A table of schema `BROKEN`.

    Raises:
        PrefError: a rule does not exist, looks across pairs, or a setting is wrong.
    """
    selected = _row_rules(rules)
    pairs = indexed(to_polars(table))
    found = broken_rows(selected, pairs, own_settings(rule_settings(settings or {})))
    places = pairs.select("index", "id", "source", "file", "row")
    parts = [
        places.join(found[rule.name], on="index", how="inner").select(
            code=pl.lit(rule.code),
            name=pl.lit(rule.name),
            **{name: pl.col(name) for name in BROKEN.names[2:]},
        )
        for rule in selected
    ]
    return to_table(pl.concat(parts)).cast(BROKEN)


def names() -> list[str]:
    """Returns the names of all rules that look at one pair at a time."""
    return list(_by_name())


def _by_name() -> dict[str, RowRule]:
    row_rules = (rule for rule in RULES if isinstance(rule, RowRule) and rule.kind == "row")
    return {rule.name: rule for rule in row_rules}


def _row_rules(words: Iterable[str] | None) -> list[RowRule]:
    by_row = _by_name()
    if words is None:
        return list(by_row.values())
    chosen: set[str] = set()
    for word in words:
        meant = matching([word]) & by_row.keys()
        if not meant:
            raise PrefError(
                f"{word} does not look at one pair at a time",
                hint="`prefdata check` runs all rules; prefdata.distributed runs row rules",
            )
        chosen |= meant
    return [by_row[name] for name in sorted(chosen)]
