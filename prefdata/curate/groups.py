"""What stays together in a split: prompts that are the same, share a beginning, or are nearly the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from prefdata.near import clusters
from prefdata.near.conversations import asked

_ROLE = pl.element().struct.field("role")


def opening() -> pl.Expr:
    """Returns the turns of a prompt before the first answer to the user.

    A prompt that goes on from another one, by its answer and a further question, has the same
    opening; so have two that go on from the same.
    """
    answers = (_ROLE == "assistant") & ((_ROLE == "user").cum_sum() > 0)
    return pl.col("prompt").list.eval(pl.element().filter(answers.cum_sum() == 0))


def asks() -> pl.Expr:
    """Returns true where a pair has a prompt."""
    return pl.col("prompt").list.len() > 0


def unit() -> pl.Expr:
    """Returns what a split never divides: the prompt_id, or the id of a pair without a prompt."""
    return pl.when(asks()).then("prompt_id").otherwise("id")


def opening_key() -> pl.Expr:
    """Returns a UInt64, the same for pairs of one opening; that of a unit without a prompt."""
    return pl.when(asks()).then(opening().hash()).otherwise(unit().hash())


def prompt_groups(pairs: pl.DataFrame, *, near: bool = False) -> pl.Series:
    """Returns a name a pair, the same for pairs that a split must not divide.

    The name is the least prompt_id of the group, so it depends on neither the order of rows nor the
    machine. A pair without a prompt is a group of its own, named by its id.

    Args:
        pairs: canonical columns.
        near: whether near-duplicate prompts (Jaccard similarity of 0.8 or more) go together, too.
    """
    units = pairs.select("id", "prompt_id", "prompt", unit=unit())
    keys = units.filter(pl.col("unit").is_first_distinct()).with_columns(opening=opening_key())
    if near:
        found = clusters(keys.select(asked()).to_series())
        keys = keys.with_columns(alike=pl.when(asks()).then(found.labels))
    names = group_names(keys.drop("id", "prompt_id", "prompt"))
    return units.join(names, on="unit", how="left", maintain_order="left")["group"]


def group_names(keys: pl.DataFrame) -> pl.DataFrame:
    """Returns `unit` and `group`, the least of the units that are connected with it.

    Args:
        keys: `unit`, each once, and columns of labels: units with an equal label are connected, null
            is none.
    """
    ordered = keys.sort("unit")
    component = _connected([ordered[name] for name in ordered.columns if name != "unit"])
    return ordered.select("unit", component=component).select(
        "unit", group=pl.col("unit").min().over("component")
    )


def _connected(labels: list[pl.Series]) -> pl.Series:
    """Returns the component of each row where rows with an equal label are connected."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(labels[0])
    to = np.concatenate([_first_of_each(label) for label in labels])
    rows = np.tile(np.arange(size), len(labels))
    graph = coo_array((np.ones(len(rows), np.int8), (rows, to)), shape=(size, size))
    return pl.Series(connected_components(graph, directed=False)[1])


def _first_of_each(label: pl.Series) -> npt.NDArray[np.int64]:
    """Returns for each row the first row that has its label; itself where it has none."""
    rows = pl.DataFrame({"label": label}).with_row_index("row")
    first = pl.col("row").first().over("label")
    alone = pl.when(pl.col("label").is_null()).then("row").otherwise(first)
    return rows.select(alone.cast(pl.Int64)).to_series().to_numpy()
