"""Every row of a block to what it became, and the ledger that proves none is missing.

    rows -> detect -> layout reader -> pairing -> batch

What a block becomes depends on its rows and on the layout its source begins with, and on nothing
else: blocks can be converted in any order, by any number of processes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import pyarrow as pa

from prefdata import frame
from prefdata.converting.batch import Batch, Gathered
from prefdata.converting.detect import Ambiguous, Detection, Detector
from prefdata.converting.join import Joiner
from prefdata.converting.ledger import Ledger, count
from prefdata.converting.options import ConvertOptions, Source
from prefdata.converting.outcomes import outcomes
from prefdata.converting.quarantine import mended, quarantined
from prefdata.errors import BadRecord, FormatError, Undecided
from prefdata.formats import LAYOUTS, Layout
from prefdata.io.json_text import decode_json
from prefdata.io.numbered import Numbered
from prefdata.pairing import Outcome, settle_ties
from prefdata.quick import Quick
from prefdata.types import (
    Comparison,
    Fragment,
    Judgement,
    Origin,
    Pair,
    Ranking,
    Rating,
    Tie,
)

_Waiting: TypeAlias = Rating | Comparison | Fragment
_Whole: TypeAlias = Pair | Tie | Rating | Ranking | Comparison


class Accountant:
    """Converts rows one by one, exactly, and keeps the books.

    Args:
        source: where the rows come from.
        options: how to read.
        joiner: looks up the rows of other files.
    """

    def __init__(self, source: Source, options: ConvertOptions, joiner: Joiner) -> None:
        self.source = source
        self.options = options
        self.batch = Batch()
        self.ledger = Ledger()
        self._joiner = joiner
        self._detector = Detector(options.forced())
        self._home = LAYOUTS.get(source.home) if source.home else None

    def take(self, item: Numbered) -> None:
        """Puts what a row holds where it belongs, and its disposition in the ledger."""
        count(self.ledger.rows_of, [(self.source.file, 1)])
        item, origin = mended(item)
        if item.record is None and item.error is None and not (item.raw or b"").strip():
            self.ledger.row("skipped", "blank-line")
            return
        self.ledger.mended += origin is not None
        origin = origin or self.source.origin(item.number)
        try:
            judgements = self._judgements(item, origin)
            waiting, settled = _waiting(judgements)
            pairing = self.options.pairing
            said = [o for judgement in settled for o in outcomes(judgement, pairing, self.ledger)]
            said = settle_ties(said, pairing)
        except BadRecord as error:
            self.ledger.row("quarantined", error.rule)
            self.batch.quarantine.append(quarantined(item, origin, error))
            return
        self._place(said, origin)
        self._wait(waiting, origin, decides=not said)
        if said or not waiting:
            self._dispose(said)

    def take_plain(self, quick: Quick, data: bytes, first: int) -> pa.Table:
        """Accounts for the rows that a quick twin has read, and returns them as canonical pairs.

        Args:
            quick: what it took of `data`.
            data: lines of the source.
            first: number of the first of them.
        """
        rows = len(quick.taken)
        if not rows:
            return frame.PAIRS.empty_table()
        index = int(quick.taken[0])
        self.count_plain(
            rows, lambda: decode_json(data.split(b"\n", index + 1)[index]), first + index
        )
        whence = {
            "source": pa.repeat(self.source.name, rows),
            "file": pa.repeat(self.source.file, rows),
            "row": pa.array(np.asarray(quick.taken, np.int64) + first),
        }
        meta = {"meta": pa.repeat("{}", rows)}
        return frame.with_ids(meta | quick.columns | whence, frame.PAIRS)

    def count_plain(self, rows: int, example: Callable[[], Any], number: int) -> None:
        """Accounts for rows of the home layout that each hold a pair.

        Args:
            rows: how many.
            example: returns the record of the first of them.
            number: of its row.
        """
        home = cast(Layout, self._home)
        if home.name not in self.ledger.layouts:
            found = self._detector.detect(example(), self.source.origin(number))
            if found is not None:
                self.ledger.rows_of_layout(home.name, 0, found.facts, found.runners_up)
        self.ledger.layouts[home.name].rows += rows
        count(self.ledger.rows_of, [(self.source.file, rows)])
        count(self.ledger.dispositions, [("paired", rows)])
        self.ledger.pairs += rows

    def _judgements(self, item: Numbered, origin: Origin) -> list[Judgement]:
        """Reads one record.

        A record that no layout recognises is read by the layout its source begins with, for the sake
        of the exact fault that reader names; a guess that succeeds is still no recognised record.
        """
        if item.error is not None:
            raise item.error
        record = item.record
        if not isinstance(record, dict):
            kind = type(record).__name__
            raise BadRecord("not-an-object", f"a record is a JSON object, this is a {kind}")
        record, used = self._joiner.join(record, origin)
        self.batch.joined.extend(used)
        detection = self._detected(record, origin)
        if detection is not None:
            name = detection.layout.name
            self.ledger.rows_of_layout(name, 1, detection.facts, detection.runners_up)
            return self._read(detection.layout, record, origin)
        if self._home is not None:
            self._read(self._home, record, origin)
        columns = ", ".join(map(str, record))[:120]
        raise BadRecord("unknown-format", f"no known layout has these fields: {columns}")

    def _detected(self, record: Any, origin: Origin) -> Detection | None:
        try:
            return self._detector.detect(record, origin)
        except Ambiguous as error:
            raise BadRecord("ambiguous-format", f"{error.message}; {error.hint}") from error

    def _read(self, layout: Layout, record: Any, origin: Origin) -> list[Judgement]:
        if layout.evaluation and not self.options.allow_evaluation_set:
            raise FormatError(
                f"{origin.file}:{origin.row}: {layout.name} is an evaluation set;"
                " a model trained on it can no longer be measured with it",
                hint="to read it all the same: --allow-evaluation-set",
            )
        try:
            return list(layout.read(record, self.options.reading))
        except Undecided as error:
            where = f"{origin.file}:{origin.row}"
            raise Undecided(f"{where}: {error.message}", hint=error.hint) from None

    def _place(self, said: list[Outcome], origin: Origin) -> None:
        for outcome in said:
            self.batch.place(outcome, origin)

    def _wait(self, waiting: list[_Waiting], origin: Origin, *, decides: bool) -> None:
        for judgement in waiting:
            if isinstance(judgement, Rating):
                item = Gathered(origin, decides, rating=judgement)
            elif isinstance(judgement, Comparison):
                item = Gathered(origin, decides, comparison=judgement)
            else:
                item = Gathered(origin, decides, fragment=judgement)
            self.batch.gathered.append(item)
            decides = False

    def _dispose(self, said: list[Outcome]) -> None:
        pairs, ties = self.ledger.count_outcomes(said)
        if said:
            self.ledger.row("paired" if pairs else "tied" if ties else "unpaired")
        else:
            self.ledger.row("skipped", "tied-label")


def _waiting(judgements: list[Judgement]) -> tuple[list[_Waiting], list[_Whole]]:
    """Returns the judgements that belong to a group, and the others."""
    waiting: list[_Waiting] = []
    settled: list[_Whole] = []
    for judgement in judgements:
        if isinstance(judgement, _Waiting) and judgement.group is not None:
            waiting.append(judgement)
        else:
            settled.append(judgement)
    return waiting, settled
