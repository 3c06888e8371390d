"""What the trainer sees: pairs as token ids. The only place that applies a chat template.

`load_tokenizer` finds a tokenizer, `render` and `render_frame` turn pairs into token ids, `truncate`
and `token_facts` say what a `max_length` does to them, `measure_pairs` all that rules look at.
Importing this package loads no transformers; torch is never imported by it.
"""

from __future__ import annotations

from prefdata.tokens.facts import token_facts
from prefdata.tokens.load import load_tokenizer, tokenizer_digest
from prefdata.tokens.measure import measure_pairs
from prefdata.tokens.render import Rendered, render, render_frame
from prefdata.tokens.truncate import Truncated, Truncation, truncate

__all__ = [
    "Rendered",
    "Truncated",
    "Truncation",
    "load_tokenizer",
    "measure_pairs",
    "render",
    "render_frame",
    "token_facts",
    "tokenizer_digest",
    "truncate",
]
