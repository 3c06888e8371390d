"""What the labels rest on: scores, votes, and the place in which a side was shown."""

from __future__ import annotations

import polars as pl

from prefdata.ballots import accuracies, ballots
from prefdata.checks import Evidence
from prefdata.report.histograms import linear_histogram
from prefdata.report.model import Annotator, Histogram, Position, Share, Split, Votes
from prefdata.report.shares import share

_SPLITS = 10  # kinds of votes on an item that are listed
_PEOPLE = 12  # annotators that are listed


def score_histogram(data: Evidence) -> Histogram | None:
    """Returns how the scores of the two sides are distributed, or None without scores."""
    scores = data.pairs.select(chosen="chosen_score", rejected="rejected_score")
    return linear_histogram(scores)


def margin_histogram(data: Evidence) -> Histogram | None:
    """Returns how the margins are distributed; a margin not given is the difference of the scores."""
    difference = pl.col("chosen_score") - pl.col("rejected_score")
    return linear_histogram(data.pairs.select(margin=pl.coalesce("margin", difference)))


def votes_on(data: Evidence) -> Votes | None:
    """Returns how far annotators agree, or None where no item has two votes."""
    splits = _splits(data.once(ballots))
    if not splits:
        return None
    people = data.once(accuracies).sort("accuracy", "annotator")
    return Votes(
        splits=splits,
        annotators=[_annotator(*row) for row in people.head(_PEOPLE).rows()],
        annotators_in_all=people.height,
    )


def _splits(votes: pl.DataFrame) -> list[Split]:
    by_item = votes.group_by("item").agg(
        votes=pl.len(), agreeing=pl.col("says").value_counts().struct.field("count").max()
    )
    kinds = by_item.filter(pl.col("votes") > 1).group_by("votes", "agreeing").agg(items=pl.len())
    share_agreeing = pl.col("agreeing") / pl.col("votes")
    common = kinds.sort("items", "votes", "agreeing", descending=True).head(_SPLITS)
    ordered = common.sort(share_agreeing, "votes", descending=True)
    return [Split(**row) for row in ordered.iter_rows(named=True)]


def _annotator(name: str | None, accuracy: float, low: float, high: float, votes: int) -> Annotator:
    return Annotator(annotator=name, accuracy=Share(value=accuracy, low=low, high=high, of=votes))


def positions(data: Evidence) -> list[Position]:
    """Returns how often the side shown first won: in all pairs, then by annotator, most votes first."""
    won = data.pairs["chosen_first"].drop_nulls()
    if won.is_empty():
        return []
    overall = Position(annotator=None, first_chosen=share(int(won.sum()), len(won)))
    by_person = (
        data.once(ballots)
        .filter((pl.col("shown") != 0) & pl.col("annotator").is_not_null())
        .group_by("annotator")
        .agg(hits=(pl.col("shown") == 1).sum(), votes=pl.len())
        .sort("votes", "annotator", descending=[True, False])
        .head(_PEOPLE)
    )
    people = by_person.rows() if by_person.height > 1 else []
    return [overall] + [
        Position(annotator=name, first_chosen=share(hits, votes)) for name, hits, votes in people
    ]
