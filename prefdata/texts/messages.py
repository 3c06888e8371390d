"""Expressions over all texts of a pair, and over the order of its turns."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import polars as pl

from prefdata.expressions import contents

SIDES = ("prompt", "chosen", "rejected")

_MESSAGE = pl.element().struct


def in_any_text(test: pl.Expr) -> pl.Expr:
    """Returns true where any message of the prompt, chosen or rejected passes.

    Args:
        test: a boolean expression over `pl.element()`, the text of a message.
    """
    return pl.any_horizontal(contents(side).list.eval(test).list.any() for side in SIDES)


def first_in_texts(excerpt: pl.Expr, message: str) -> pl.Expr:
    """Returns `message` about the first text for which `excerpt` is not null.

    Args:
        excerpt: an expression over `pl.element()`, the text of a message, null where it has none.
        message: its first `{}` stands for the side, its second for the excerpt.
    """
    first = {
        side: contents(side).list.eval(excerpt).list.drop_nulls().list.first() for side in SIDES
    }
    return pl.coalesce(pl.format(message, pl.lit(side), found) for side, found in first.items())


def turn_letters(side: str) -> pl.Expr:
    """Returns the turns of a messages column as one letter each, for regular expressions.

    s: system, d: developer, u: user, a: assistant, c: assistant that calls a tool, t: tool.
    """
    letter = _MESSAGE.field("role").str.head(1)
    calls = _MESSAGE.field("tool_calls").is_not_null() & (letter == "a")
    return pl.col(side).list.eval(pl.when(calls).then(pl.lit("c")).otherwise(letter)).list.join("")


def last_user_text(side: str = "prompt") -> pl.Expr:
    """Returns the text of the last user turn, null where there is none."""
    turns = pl.when(_MESSAGE.field("role") == "user").then(_MESSAGE.field("content"))
    return pl.col(side).list.eval(turns).list.drop_nulls().list.last()


def first_text(side: str) -> pl.Expr:
    """Returns the text of the first turn; empty where it says nothing."""
    return contents(side).list.first().fill_null("")


def last_text(side: str) -> pl.Expr:
    """Returns the text of the last turn; empty where it says nothing."""
    return contents(side).list.last().fill_null("")


def texts_with(pairs: pl.DataFrame, test: pl.Expr) -> pl.DataFrame:
    """Returns the texts that pass, in the order of the rows and, within one, of `SIDES`.

    Args:
        pairs: canonical columns and `index`.
        test: a boolean expression over the column `text`.

    Returns:
        One row a message: `index` (u32), `side`, `text`.
    """
    found = [
        pairs.select("index", side=pl.lit(side), text=contents(side)).explode("text").filter(test)
        for side in SIDES
    ]
    return pl.concat(found).sort("index", maintain_order=True)


def described(texts: pl.DataFrame, describe: Callable[[str], str | None]) -> pl.DataFrame:
    """Returns `index` and `message` of the pairs with a text to say something about.

    Args:
        texts: candidates, as `texts_with` returns them.
        describe: the end of a sentence that begins with the side, or None.
    """
    rows: dict[int, str] = {}
    for index, side, text in texts.iter_rows():
        if index not in rows and (words := describe(text)):
            rows[index] = f"{side} {words}"
    schema = {"index": pl.UInt32, "message": pl.String}
    return pl.DataFrame([*rows.items()], schema, orient="row")


def about_the_set(sentences: Iterable[str]) -> pl.DataFrame:
    """Returns findings that no row is to blame for: `index` is null."""
    rows = [(None, sentence) for sentence in sentences]
    return pl.DataFrame(rows, {"index": pl.UInt32, "message": pl.String}, orient="row")
