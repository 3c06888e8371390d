"""Pairs for the token tests: real ones from a fixture, and one-line ones."""

import json
from pathlib import Path

import polars as pl

from prefdata.frame import messages, pairs_table, to_polars
from prefdata.types import Message, Messages, Origin, Pair

REAL = Path(__file__).parents[2] / "fixtures" / "tokens" / "real_pairs.jsonl"


def turns(*texts: str, system: str | None = None, first: str = "user") -> Messages:
    """Messages whose roles alternate, after an optional system prompt."""
    order = ("user", "assistant") if first == "user" else ("assistant", "user")
    said = tuple(Message(order[i % 2], text) for i, text in enumerate(texts))
    return ((Message("system", system),) if system is not None else ()) + said


def pair(
    prompt: Messages | str,
    chosen: Messages | str,
    rejected: Messages | str,
    row: int = 1,
    **columns,
) -> Pair:
    """A pair of `t.jsonl`; text stands for one turn."""
    return Pair(
        prompt=turns(prompt) if isinstance(prompt, str) else prompt,
        chosen=turns(chosen, first="assistant") if isinstance(chosen, str) else chosen,
        rejected=turns(rejected, first="assistant") if isinstance(rejected, str) else rejected,
        origin=Origin("test", "t.jsonl", row),
        **columns,
    )


def frame(*pairs: Pair) -> pl.DataFrame:
    return to_polars(pairs_table(pairs))


def real_pairs() -> list[Pair]:
    """30 pairs as their sources publish them, in English and Chinese."""
    records = [json.loads(line) for line in REAL.read_text(encoding="utf-8").splitlines()]
    return [
        Pair(
            prompt=messages(r["prompt"]),
            chosen=messages(r["chosen"]),
            rejected=messages(r["rejected"]),
            origin=Origin(r["source"], r["source"], r["row"]),
        )
        for r in records
    ]
