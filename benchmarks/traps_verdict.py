"""What to call that which a trainer did with a trap, from what it was seen to do alone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from benchmarks.traps_sides import Observed, Seen, plain
from tests.traps.corpus import Trap

Kind: TypeAlias = Literal["error, names the row", "error", "warning", "silent", "right"]
KINDS: tuple[Kind, ...] = ("error, names the row", "error", "warning", "silent", "right")
_PLACE = re.compile(r"\b(?:row|line|record|index|example)s? #?\d+", re.IGNORECASE)
_LONGEST = 60


class Verdict(Struct, frozen=True):
    """A class, and what was seen that it rests on."""

    kind: Kind
    what: str


def judge(trap: Trap, observed: Observed) -> Verdict:
    """Returns the verdict on what a trainer did with a trap."""
    if observed.error is not None:
        return _of_error(observed.error)
    meant = trap.expected.reads if trap.expected.means is None else trap.expected.means
    if meant is not None and _are(observed.seen, meant):
        return Verdict("right", f"trained on {_pairs(len(observed.seen))}")
    what = "; ".join(_what(trap, observed))
    if observed.warned:
        return Verdict("warning", f"{what}; warned: {_quoted(observed.warned[0])}")
    return Verdict("silent", what)


def _of_error(error: str) -> Verdict:
    """An error names the row if any message of its traceback does."""
    lines = error.splitlines()
    for line in lines:
        place = _PLACE.search(line)
        if place is not None:
            return Verdict("error, names the row", f"{_quoted(line)}, {_quoted(place[0])}")
    return Verdict("error", _quoted(_root(lines)))


def _root(lines: list[str]) -> str:
    """Returns the line that says most: the first whose message is no wrapper's."""
    wrapper = re.compile(r"^\w*(?:DatasetGeneration\w*Error): ")
    return next((line for line in lines if line and not wrapper.match(line)), lines[0])


def _are(pairs: list[Seen], expected: list[list[Any]]) -> bool:
    return len(pairs) == len(expected) and all(
        _asks(pair, prompt) and _is(pair.chosen, chosen) and _is(pair.rejected, rejected)
        for pair, (prompt, chosen, rejected) in zip(pairs, expected, strict=True)
    )


_ROLES = re.compile(r"^(?:system|user|assistant|tool): ?")


def _asks(pair: Seen, prompt: Any) -> bool:
    """Tells whether a rendered prompt holds all of the wanted one."""
    rendered = plain(pair.prompt)
    return all(part.strip() in rendered for part in _parts(prompt))


def _is(text: str, wanted: Any) -> bool:
    """Tells whether a rendered side is the wanted text, white space at its edges aside."""
    parts, rendered = _parts(wanted), plain(text).strip()
    if len(parts) == 1:
        return rendered == parts[0].strip()
    return all(part in rendered for part in parts)


def _parts(wanted: Any) -> list[str]:
    return [_ROLES.sub("", item) for item in wanted] if isinstance(wanted, list) else [wanted]


def _what(trap: Trap, observed: Observed) -> Iterator[str]:
    """Yields what is wrong with what was trained on."""
    pairs = observed.seen
    if len(pairs) < observed.rows:
        yield f"{observed.rows - len(pairs)} of {observed.rows} rows dropped"
    if observed.loss is not None and not math.isfinite(observed.loss):
        yield "the loss is NaN"
    yield from _of_rows("trained with both sides the same tokens", [p.identical for p in pairs])
    for side in ("chosen", "rejected"):
        yield from _of_rows(f"trained on an empty {side}", [side in p.empty for p in pairs])
    if trap.expected.reads is not None:
        yield from _against(pairs, trap.expected.reads)
    elif trap.expected.refuses is not None:
        yield f"trained on {_pairs(len(pairs))} all the same"
    shown = _shown(trap, observed)
    if shown is not None:
        yield f"row {shown + 1} trained as {_pair(pairs[shown])}"


def _against(pairs: list[Seen], expected: list[list[Any]]) -> Iterator[str]:
    if len(pairs) != len(expected):
        yield f"trained on {_pairs(len(pairs))} where the file holds {len(expected)}"
    for number, (pair, (prompt, chosen, rejected)) in enumerate(
        zip(pairs, expected, strict=False), 1
    ):
        if _is(pair.chosen, rejected) and _is(pair.rejected, chosen):
            yield f"pair {number} trained with its sides swapped"
        elif not (_is(pair.chosen, chosen) and _is(pair.rejected, rejected)):
            yield f"pair {number} trained on other text"
        elif not _asks(pair, prompt):
            yield f"pair {number} trained with another prompt, {_quoted(pair.prompt)}"


def _of_rows(what: str, hit: list[bool]) -> Iterator[str]:
    rows = [str(number) for number, is_hit in enumerate(hit, 1) if is_hit]
    if rows:
        yield f"{what} (row {', '.join(rows)})"


def _shown(trap: Trap, observed: Observed) -> int | None:
    """Returns the pair to show: that of the first row with the fault, if it is certain which it is."""
    rows = [row for found in (trap.expected.finds or {}).values() for row in found or ()]
    shown = min(rows, default=1) - 1
    if len(observed.seen) == observed.rows and shown < len(observed.seen):
        return shown
    return None


def _pair(pair: Seen) -> str:
    return f"{_quoted(pair.chosen)} over {_quoted(pair.rejected)}"


def _pairs(number: int) -> str:
    return f"{number} pair{'' if number == 1 else 's'}"


def _quoted(text: str) -> str:
    """Returns a text as code in a cell of a Markdown table."""
    cut = text if len(text) <= _LONGEST else text[:_LONGEST] + "..."
    return "`" + json.dumps(cut, ensure_ascii=False).replace("|", "\\|").replace("`", "'") + "`"
