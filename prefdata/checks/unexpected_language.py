"""A pair is in another language than the set.

## What it does
Where at least `share` of the pairs are in one language, finds those that are in another: by the last
user turn, or by chosen where that is too short to tell. Prompts that name a language or ask to
translate are left out; pairs within which the language changes are `language-mismatch`.

## Why is this bad?
A few pairs teach no language, yet they move the model in it without anyone looking. Mostly they are
leftovers of a filter that was meant to keep one language.

## Example
```jsonl
{"prompt": "1", "chosen": "The sky is blue by day, and this is what you have asked me.", "rejected": "Two."}
{"prompt": "2", "chosen": "The sea is blue by day, and this is what you have asked me.", "rejected": "Two."}
{"prompt": "3", "chosen": "The ice is blue by day, and this is what you have asked me.", "rejected": "Two."}
{"prompt": "4", "chosen": "The jay is blue by day, and this is what you have asked me.", "rejected": "Two."}
{"prompt": "5", "chosen": "The ink is blue by day, and this is what you have asked me.", "rejected": "Two."}
{"prompt": "6", "chosen": "The hat is blue by day, and this is what you have asked me.", "rejected": "Two."}
{"prompt": "7", "chosen": "The car is blue by day, and this is what you have asked me.", "rejected": "Two."}
{"prompt": "8", "chosen": "The bay is blue by day, and this is what you have asked me.", "rejected": "Two."}
{"prompt": "9", "chosen": "The eye is blue by day, and this is what you have asked me.", "rejected": "Two."}
{"prompt": "10", "chosen": "Der Himmel ist am Tag blau, und das hast du mich gerade gefragt.", "rejected": "Zwei."}
```

## Fix
`drop` (unsafe): `prefdata curate --select unexpected-language` does it.
"""

from __future__ import annotations

import polars as pl
from msgspec import Struct

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.texts.languages import languages, prompts_of_one_language


class Settings(Struct, frozen=True):
    """When a set is in one language.

    Attributes:
        share: least part of the pairs, of those whose language can be told.
    """

    share: float = 0.9


@set_rule("PD608", "unexpected-language", level="info", fix=UNSAFE_DROP, settings=Settings)
def unexpected_language(data: Evidence, settings: Settings) -> pl.DataFrame:
    """Returns the pairs of a set in one language that are in another."""
    told = (
        data.once(languages).select("index", language=pl.coalesce("prompt", "chosen")).drop_nulls()
    )
    counts = told.get_column("language").value_counts(sort=True)
    if not told.height or counts["count"][0] < settings.share * told.height:
        return pl.DataFrame(schema={"index": pl.UInt32, "message": pl.String})
    main = counts["language"][0]
    other = told.filter(pl.col("language") != main)
    pairs = data.pairs.filter(pl.col("index").is_in(other["index"].implode()))
    share = f"{counts['count'][0] / told.height:.1%}"
    return other.filter(prompts_of_one_language(pairs)).select(
        "index", message=pl.format(f"in {{}}, while {share} of the set is in {main}", "language")
    )
