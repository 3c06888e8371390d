"""A prompt, a conversation or a completion is also in the other split.

## What it does
With `--against OTHER`, finds pairs that share something with OTHER, and says what:

- the prompt, tools included; where there is no prompt at all, the whole pair;
- a nearly equal prompt: 0.8 or more of the five-word shingles of both together are in both;
- the beginning of a conversation: the first user turn, where one of the two goes on after it;
- a completion.

The beginning and the completion count only from eight words on: "Hello" and "Yes." prove nothing.

## Why is this bad?
A model that has trained on other answers to the same prompt has seen much of what the held-out pair
asks, so accuracy on it is too high. Two completions of one prompt often share whole sentences.

## Example
Checked against itself (`prefdata check x.jsonl --against x.jsonl`):
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Split again with `prefdata split`, which never divides a prompt. Other limits:
`rules.split-leakage = { similarity = 0.9, words = 20 }`.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from prefdata.checks import Evidence, set_rule
from prefdata.keys import message_keys
from prefdata.near import nearest
from prefdata.near.conversations import answered, asked

_MESSAGE = pl.element().struct
_SPEECHLESS = pl.lit(None, pl.UInt64)


class Settings(Struct, frozen=True):
    """What counts as shared.

    Attributes:
        similarity: least Jaccard similarity of nearly equal prompts, in [0.6, 1].
        words: least words, parted by white space, of a shared beginning or completion.
    """

    similarity: float = 0.8
    words: int = 8


@set_rule("PD504", "split-leakage", level="error", needs="against", settings=Settings)
def split_leakage(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs that share something with `data.against`, and the gravest they share."""
    if data.against is None:
        raise ValueError("split-leakage compares two sets")
    ours, theirs = data.pairs, data.against
    found = [
        _equal(ours, theirs),
        _nearly_equal(ours, theirs, settings.similarity),
        _same_beginning(ours, theirs, settings.words),
        _same_completion(ours, theirs, settings.words),
    ]
    return pl.concat(found).unique("index", keep="first", maintain_order=True).sort("index")


def _equal(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    same_prompt = pl.col("prompt_id").is_in(theirs["prompt_id"].implode())
    same_pair = pl.col("id").is_in(theirs["id"].implode())
    asks = pl.col("prompt").list.len() > 0
    found = ours.filter((asks & same_prompt) | same_pair)
    return _said(found, "its prompt is also in the other set")


def _nearly_equal(ours: pl.DataFrame, theirs: pl.DataFrame, similarity: float) -> pl.DataFrame:
    mine, other = (
        pairs.filter(pl.col("prompt").list.len() > 0).filter(
            pl.col("prompt_id").is_first_distinct()
        )
        for pairs in (ours, theirs)
    )
    documents, others = (side.select(asked()).to_series() for side in (mine, other))
    near = nearest(documents, others, similarity)
    prompts = near.select(
        "jaccard",
        prompt_id=mine["prompt_id"].gather(near["left"]),
        file=other["file"].gather(near["right"]),
        row=other["row"].gather(near["right"]),
    )
    found = ours.select("index", "prompt_id").join(prompts, on="prompt_id", how="inner")
    place = pl.format("{}:{}", "file", "row")
    return _said(found, pl.format("its prompt is nearly that of {} in the other set", place))


def _same_beginning(ours: pl.DataFrame, theirs: pl.DataFrame, words: int) -> pl.DataFrame:
    begins = pl.col("opening").is_in(_openings(theirs, words)["opening"].implode())
    found = _openings(ours, words).filter(begins)
    return _said(found, "its conversation begins like one in the other set")


def _openings(pairs: pl.DataFrame, words: int) -> pl.DataFrame:
    """Returns `index` and `opening`, a key of the first user turn, of prompts where it says enough."""
    user = pl.when(_MESSAGE.field("role") == "user").then(_MESSAGE.field("content"))
    first = pl.col("prompt").list.eval(user).list.drop_nulls().list.first()
    rows = pairs if "index" in pairs.columns else pairs.with_row_index("index")
    return (
        rows.select("index", text=first)
        .filter(_says_enough("text", words))
        .select("index", opening=pl.col("text").hash())
    )


def _same_completion(ours: pl.DataFrame, theirs: pl.DataFrame, words: int) -> pl.DataFrame:
    theirs_keys = pl.concat([_completions(theirs, side, words) for side in ("chosen", "rejected")])
    found = []
    for side in ("chosen", "rejected"):
        shared = _completions(ours, side, words).is_in(theirs_keys.drop_nulls().implode())
        rows = ours.filter(shared.fill_null(value=False))
        found.append(_said(rows, f"its {side} is also a completion in the other set"))
    return pl.concat(found)


def _completions(pairs: pl.DataFrame, side: str, words: int) -> pl.Series:
    """Returns a key of each completion, null where it says too little."""
    text = pairs.select(text=answered(side).list.join("\n"))
    enough = text.select(_says_enough("text", words)).to_series()
    keys = pl.Series("key", message_keys(pairs[side]), pl.UInt64)
    return pl.select(pl.when(enough).then(keys).otherwise(_SPEECHLESS)).to_series().alias("key")


def _says_enough(column: str, words: int) -> pl.Expr:
    return pl.col(column).str.contains(rf"^\s*(?:\S+\s+){{{words - 1}}}\S")


def _said(rows: pl.DataFrame, message: pl.Expr | str) -> pl.DataFrame:
    sentence = pl.lit(message) if isinstance(message, str) else message
    return rows.select("index", message=sentence)
