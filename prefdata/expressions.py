"""Polars expressions over the canonical columns, shared by rules, curation and statistics."""

from __future__ import annotations

import polars as pl

from prefdata.keys import message_keys

EXCERPT = 40  # characters of data quoted in a message

_MESSAGE = pl.element().struct


def contents(side: str) -> pl.Expr:
    """Returns the texts of a messages column as list[str]; a turn without text is null."""
    return pl.col(side).list.eval(_MESSAGE.field("content"))


def characters(side: str) -> pl.Expr:
    """Returns how many characters the texts of a messages column hold together."""
    return contents(side).list.eval(pl.element().str.len_chars()).list.sum()


def is_empty(side: str) -> pl.Expr:
    """Returns true where no turn says anything: only white space, and no tool call."""
    silent = _MESSAGE.field("content").fill_null("").str.strip_chars() == ""
    no_call = _MESSAGE.field("tool_calls").is_null()
    return pl.col(side).list.eval(silent & no_call).list.all().fill_null(value=True)


def sides_are_equal() -> pl.Expr:
    """Returns true where chosen and rejected are the same, message by message.

    Compared by their keys, and themselves where those agree: comparing every cell takes ten times
    as long.
    """
    sides = pl.struct("chosen", "rejected")
    return sides.map_batches(_are_equal, pl.Boolean, is_elementwise=True)


def _are_equal(sides: pl.Series) -> pl.Series:
    chosen, rejected = (sides.struct.field(side) for side in ("chosen", "rejected"))
    agree = pl.Series(message_keys(chosen) == message_keys(rejected), dtype=pl.Boolean)
    rows = agree.arg_true()
    return agree.scatter(rows, chosen.gather(rows).eq_missing(rejected.gather(rows)))


def excerpt(side: str) -> pl.Expr:
    """Returns the beginning of a side's text, to quote in a message."""
    whole = contents(side).list.join("\n", ignore_nulls=True).fill_null("")
    cut = whole.str.head(EXCERPT)
    return pl.when(whole.str.len_chars() > EXCERPT).then(cut + "…").otherwise(cut)


def collapsed(side: str) -> pl.Expr:
    """Returns a side as one text with white space collapsed, for comparison.

    Roles, tool calls and thinking are part of it, so that sides which differ there stay different.
    """
    words = _MESSAGE.field("content").fill_null("").str.replace_all(r"\s+", " ").str.strip_chars()
    other = [_MESSAGE.field(name).fill_null("") for name in ("role", "tool_calls", "thinking")]
    return pl.col(side).list.eval(pl.concat_str(words, *other, separator="\0")).list.join("\0")
