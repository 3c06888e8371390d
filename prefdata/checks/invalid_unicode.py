r"""A record holds bytes that are not UTF-8, or half of a surrogate pair.

## What it does
Reports a row whose bytes cannot be decoded as UTF-8, or whose JSON escapes one half of a surrogate
pair (`\ud83d` alone).

## Why is this bad?
Readers that carry on put a replacement character there or raise far away, in the tokenizer. The
text the model would learn from is not the text that was written.

## Example
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue \ud83d", "rejected": "Seven."}
```

## Fix
None. Save the source as UTF-8; if it is in another encoding, `iconv -f latin1 -t utf-8` translates
it.
"""

from __future__ import annotations

from prefdata.checks import read_rule

read_rule("PD003", "invalid-unicode", module=__name__)
