"""Rows to views: the tokens of a trainer with what a person wants to know about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prefdata.render.tokens import ComparisonView, PairView, Run, Tally
from prefdata.render.tokens.spans import differing, shared_start, side_view
from prefdata.tokens.disagreement import MEANINGS, Disagreement, ignores_tools
from prefdata.tokens.trainers import Opened, Refused, Row, Seen, special_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SIDES = ("chosen", "rejected")


def pair_view(tokenizer: PreTrainedTokenizerBase, trainer: Opened, row: Row) -> PairView:
    """Returns a row of the canonical frame as `trainer` sees it."""
    place = row["id"], row["file"], row["row"]
    seen = trainer.see(row)
    if isinstance(seen, Refused):
        return PairView(*place, None, None, seen.reason, None, 0, [])
    completions = [getattr(seen, side).completion.ids for side in _SIDES]
    special = special_ids(tokenizer)
    marks = differing(tokenizer, *completions)
    chosen, rejected = (
        side_view(tokenizer, getattr(seen, side), special, found)
        for side, found in zip(_SIDES, marks, strict=True)
    )
    shared = shared_start(*completions)
    notes = list(_notes(seen, trainer.settings.max_length))
    if ignores_tools(trainer, row, seen):
        notes.append("the tools of the row are not in the tokens")
    return PairView(*place, chosen, rejected, None, seen.dropped, shared, notes)


def _notes(seen: Seen, max_length: int | None) -> Iterator[str]:
    if seen.dropped:
        return  # the row is not trained on, so nothing else about it matters
    sides = {side: getattr(seen, side) for side in _SIDES}
    empty = [name for name, side in sides.items() if not side.completion.kept]
    if empty:
        yield f"nothing is left of {' and '.join(empty)}: there is no loss to learn from"
    elif seen.chosen.read == seen.rejected.read:
        cut = " after truncation" if seen.chosen.completion.cut else ""
        yield f"chosen and rejected are the same tokens{cut}: there is nothing to prefer"
    for name, side in sides.items():
        if max_length is not None and len(side.read) > max_length:
            yield f"{name} has {len(side.read):,} tokens, more than max_length"


def comparison_view(run: Run, total: int, found: Iterable[Disagreement]) -> ComparisonView:
    """Returns the rows on which two trainers disagree, with how often in which way."""
    rows = list(found)
    counts = Counter((d.name, d.trainer) for row in rows for d in row.differences)
    first: dict[tuple[str, str], str] = {}
    for row in rows:
        for difference in row.differences:
            first.setdefault((difference.name, difference.trainer), f"{row.file}:{row.row}")
    summary = [
        Tally(name, trainer, MEANINGS[name], number, first[name, trainer])
        for (name, trainer), number in counts.most_common()
    ]
    return ComparisonView(run, total, summary, rows)
