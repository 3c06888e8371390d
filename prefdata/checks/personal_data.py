"""A text holds what looks like personal data.

## What it does
Finds pairs with an e-mail address, a phone number, a bank account (IBAN, check digits right), a
payment card (check digit right) or a public IP address in any message. This is a heuristic: it goes
by form, misses names and addresses, and cannot tell a person's number from a company's. Made-up
addresses, toll-free numbers and addresses such as info@ are left out. No find is printed whole.

## Why is this bad?
A model can be made to write what it was trained on, and the law of many places wants a reason for
keeping such data.

## Example
```jsonl
{"prompt": "Whom do I ask?", "chosen": "Write to ada.lovelace@gmail.com.", "rejected": "Nobody."}
```

## Fix
`drop` (unsafe): most finds are harmless, so look at them first.
`prefdata curate --select personal-data` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.texts.masking import masked
from prefdata.texts.messages import described, texts_with
from prefdata.texts.personal import SIGN, personal_data


@set_rule("PD607", "personal-data", level="info", fix=UNSAFE_DROP)
def personal_data_rule(data: Evidence) -> pl.DataFrame:
    """Returns the pairs with a text that seems to hold personal data."""
    return described(texts_with(data.pairs, pl.col("text").str.contains(SIGN)), _first)


def _first(text: str) -> str | None:
    found = next(personal_data(text), None)
    return (
        f"holds what looks like {found.kind} (heuristic): {masked(found.value)}" if found else None
    )
