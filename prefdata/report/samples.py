"""A few findings of each rule, with the pairs they are about, cut to a length people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import polars as pl

from prefdata.converting.quarantine import Quarantined
from prefdata.findings import Findings
from prefdata.report.model import Sample, Turn

SAMPLES = 5  # of each rule
_PROMPT, _ANSWER = 600, 1200  # characters of one turn
_TURNS = 3  # of one side
_CONTEXT = 200  # characters shown before two long sides begin to differ
_PLACE = ("id", "source", "file", "row")
_SIDES = ("prompt", "chosen", "rejected")


def samples(
    findings: Findings, pairs: pl.DataFrame, quarantine: Sequence[Quarantined]
) -> dict[str, list[Sample]]:
    """Returns rule name -> at most `SAMPLES` of its findings, from its first to its last."""
    names = [rule.name for rule in findings.broken]
    picked = {name: _spread(findings.of(name)) for name in names}
    found = _pairs_of(picked.values(), pairs)
    rows = {(aside.rule, aside.origin.file, aside.origin.row): aside for aside in quarantine}
    return {
        name: [_sample(finding, found, rows) for finding in picked[name].iter_rows(named=True)]
        for name in names
    }


def _spread(findings: pl.DataFrame) -> pl.DataFrame:
    """Returns findings at even distances, the first among them."""
    step = max(1, findings.height // SAMPLES)
    return findings.gather_every(step).head(SAMPLES)


def _pairs_of(
    picked: Iterable[pl.DataFrame], pairs: pl.DataFrame
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Returns place -> pair, for every place that is pointed at."""
    places = [frame.select(_PLACE).filter(pl.col("id").is_not_null()) for frame in picked]
    if not places:
        return {}
    wanted = pl.concat(places).unique()
    found = pairs.select(*_PLACE, *_SIDES).join(wanted, on=_PLACE, how="semi")
    return {tuple(row[key] for key in _PLACE): row for row in found.iter_rows(named=True)}


def _sample(
    finding: Mapping[str, Any],
    pairs: Mapping[tuple[Any, ...], Mapping[str, Any]],
    rows: Mapping[tuple[Any, ...], Quarantined],
) -> Sample:
    file = finding["file"]
    pair = pairs.get(tuple(finding[key] for key in _PLACE))
    aside = rows.get((finding["name"], file, finding["row"])) if pair is None else None
    sample = Sample(
        place=None if file is None else f"{file}:{finding['row']}",
        id=finding["id"],
        message=finding["message"],
        row=None if aside is None else _cut("row", _text(aside.raw), _PROMPT),
    )
    if pair is None:
        return sample
    # what was asked last is nearest to the answers: of a long prompt the end is shown
    earlier = max(0, len(pair["prompt"]) - _TURNS)
    return sample.model_copy(update={"earlier_turns": earlier} | _sides(pair))


def _sides(pair: Mapping[str, Any]) -> dict[str, list[Turn]]:
    """Returns the turns of the three sides; long answers from shortly before they differ."""
    prompt, chosen, rejected = (
        [(message["role"], _body(message)) for message in pair[side][-_TURNS:]] for side in _SIDES
    )
    skipped = _skipped(chosen, rejected)
    return {
        "prompt": [_cut(role, text, _PROMPT) for role, text in prompt],
        "chosen": [_cut(role, text, _ANSWER, skipped) for role, text in chosen],
        "rejected": [_cut(role, text, _ANSWER, skipped) for role, text in rejected],
    }


def _skipped(chosen: list[tuple[str, str]], rejected: list[tuple[str, str]]) -> int:
    """Returns how many characters to leave out before two single turns that begin alike."""
    if len(chosen) != 1 or len(rejected) != 1:
        return 0
    first, second = chosen[0][1], rejected[0][1]
    same = sum(
        1 for _ in takewhile(lambda both: both[0] == both[1], zip(first, second, strict=False))
    )
    return same - _CONTEXT if same > _ANSWER - _CONTEXT and first != second else 0


def _cut(role: str, text: str, limit: int, start: int = 0) -> Turn:
    rest = text[start:]
    return Turn(role=role, before=start, text=rest[:limit], more=max(0, len(rest) - limit))


def _body(message: Mapping[str, Any]) -> str:
    parts = [
        f"<thinking> {message['thinking']}" if message["thinking"] else "",
        message["content"] or "",
        f"tool calls: {message['tool_calls']}" if message["tool_calls"] else "",
    ]
    return "\n".join(part for part in parts if part)


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
