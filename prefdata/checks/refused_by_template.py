"""The chat template cannot render a pair.

## What it does
With `--tokenizer MODEL`, finds pairs that the template refuses: a role it does not know, turns that do
not alternate, a message without text where it expects one, no message at all before the answer. The
message is the template's own. No other token rule looks at such a pair.

## Why is this bad?
Training on the set ends with an error at the first of them, often after hours.

## Example
With `--chat-template FILE`, where FILE is `{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{{ m.content }}<|im_end|>{% endfor %}`:
```jsonl
{"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name a colour."}], "chosen": [{"role": "assistant", "content": "Blue."}], "rejected": [{"role": "assistant", "content": "Seven."}]}
```

## Fix
None. Change the messages to what the template takes, leave these pairs out, or use a template that
takes them: `--chat-template FILE`.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD413",
    "refused-by-template",
    level="error",
    message=pl.col("refusal"),
    tokens=True,
)
def refused_by_template() -> pl.Expr:
    """Returns true where there is no text."""
    return pl.col("refusal").is_not_null()
