"""PandaLM's test set: two responses and the votes of several annotators."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from prefdata.errors import BadRecord
from prefdata.formats import Options, Record, fields, layout, rest
from prefdata.messages import assistant, excerpt, text, user
from prefdata.types import Choice, Pair, Tie, Vote

_ANNOTATOR = re.compile(r"annotator\d+")
_TIE, _FIRST, _SECOND = 0, 1, 2


@layout(
    "pandalm",
    recognise=fields(
        instruction=str, input=str, response1=object, response2=object, annotator1=int
    ),
)
def pandalm(record: Record, _options: Options) -> Iterator[Pair | Tie]:
    """PandaLM votes: an instruction, two responses and one vote an annotator.

    Sample:
        {"idx": 0, "cmp_key": "bloom-7b_llama-7b", "instruction": "Make it shorter.",
         "input": "It is what it is.", "response1": "It is.", "response2": "So it is.",
         "annotator1": 1, "annotator2": 1, "annotator3": 0}

    A vote is 1 or 2 for the better response, 0 for a tie, null for none. What more than half of the
    votes say is the label; a majority for the tie, and no majority at all (`tie_kind` no-majority), are
    ties. Every vote is kept. The prompt is the instruction, a blank line, and the input if there is one.

    Traps:
    - some responses are JSON `true` or `false` where text should be: non-text
    - responses may be empty; they are kept for the rule empty-completion to find
    - `cmp_key` names the models of response1 and response2; it is taken apart only where that can be
      done in one way, and is kept in meta

    Source: WeOpenML/PandaLM, data/testset-v1.json.
    """
    first = assistant(text(record, "response1"))
    second = assistant(text(record, "response2"))
    ballots = _ballots(record)
    context: dict[str, Any] = {
        "prompt": user(_prompt(record)),
        "meta": rest(record, "instruction", "input", "response1", "response2", *ballots),
    }
    models = _models(record)
    winner = _majority(ballots)
    if winner in (_FIRST, _SECOND):
        sides = (first, second) if winner == _FIRST else (second, first)
        named = models if winner == _FIRST else models[::-1]
        yield Pair(
            chosen=sides[0],
            rejected=sides[1],
            chosen_model=named[0],
            rejected_model=named[1],
            votes=_votes(ballots, winner),
            **context,
        )
        return
    yield Tie(
        first=first,
        second=second,
        tie_kind="no-majority" if winner is None else "tie",
        first_model=models[0],
        second_model=models[1],
        votes=_votes(ballots, _FIRST),
        **context,
    )


def _prompt(record: Record) -> str:
    instruction, given = text(record, "instruction"), text(record, "input")
    return f"{instruction}\n\n{given}" if given else instruction


def _ballots(record: Record) -> dict[str, int]:
    """Returns the votes that were given, by annotator, in numeric order of their names."""
    names = [key for key in record if _ANNOTATOR.fullmatch(key)]
    names.sort(key=lambda name: int(name.removeprefix("annotator")))
    found = {name: record[name] for name in names if record[name] is not None}
    for name, vote in found.items():
        if type(vote) is not int or vote not in (_TIE, _FIRST, _SECOND):
            raise BadRecord("unknown-label", f"{excerpt(vote)} is not 0, 1 or 2", path=f"$.{name}")
    if not found:
        raise BadRecord("unknown-label", "no annotator has voted", path="$.annotator1")
    return found


def _majority(ballots: dict[str, int]) -> int | None:
    (label, count), *_ = Counter(ballots.values()).most_common(1)
    return label if 2 * count > len(ballots) else None


def _votes(ballots: dict[str, int], chosen: int) -> tuple[Vote, ...]:
    def choice(vote: int) -> Choice:
        if vote == _TIE:
            return "tie"
        return "chosen" if vote == chosen else "rejected"

    return tuple(Vote(choice(vote), name) for name, vote in ballots.items())


def _models(record: Record) -> tuple[str | None, str | None]:
    key = record.get("cmp_key")
    parts = key.split("_") if isinstance(key, str) else []
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else (None, None)
