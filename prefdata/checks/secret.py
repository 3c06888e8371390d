"""A text holds an access key, a token or a password.

## What it does
Finds pairs with a secret of a known form in any message, as `detect-secrets` recognises them: keys
of AWS, Azure, OpenAI, SendGrid, Square and Stripe, tokens of GitHub, GitLab, npm, PyPI and Slack,
JSON web tokens, private keys, and passwords in URLs. Placeholders are left out. Nothing is sent
anywhere to see whether it works, and no secret is printed whole.

## Why is this bad?
A model can be made to write what it was trained on, and whoever gets the data set has the key
already.

## Example
```jsonl
{"prompt": "Deploy it.", "chosen": "git clone https://ada:hunter2rT9@git.acme.org/site", "rejected": "No."}
```

## Fix
`drop` (unsafe): the secret is out, so first revoke it where it was issued.
`prefdata curate --select secret` does it.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import UNSAFE_DROP, Evidence, set_rule
from prefdata.texts.masking import masked
from prefdata.texts.messages import described, texts_with
from prefdata.texts.secrets import SIGNS, secrets


@set_rule("PD606", "secret", level="error", fix=UNSAFE_DROP)
def secret(data: Evidence) -> pl.DataFrame:
    """Returns the pairs with a text that gives a secret away."""
    return described(texts_with(data.pairs, pl.col("text").str.contains_any([*SIGNS])), _first)


def _first(text: str) -> str | None:
    found = next(secrets(text), None)
    return f"holds a secret ({found.kind}): {masked(found.value)}" if found else None
