"""The prompt's tokens are others once a completion follows it.

## What it does
With `--tokenizer MODEL`, renders the prompt with the generation prompt, as it is when the model
answers, and together with each completion, as it is in training, and finds pairs whose prompt tokens
are no prefix of both.

## Why is this bad?
The model is trained in a context that it never sees: a template opens a thought only where an answer
is asked for, or the first characters of the answer merge with the last token of the prompt.
Trainers let the completion begin where the tokens part, so it begins with a piece of the template,
or cut it in the middle.

## Example
With `--chat-template FILE`, where FILE is `{% for m in messages %}<|im_start|>{{ m.role }}:{{ m.content }}<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant:<think>{% endif %}`:
```jsonl
{"prompt": "Name a colour.", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Where it is all pairs, use a template that writes the same before an answer in both cases;
where it is some, look at how their answers begin.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule


@row_rule(
    "PD406",
    "unstable-template-prefix",
    level="warning",
    message=pl.format(
        "the last {} tokens of the rendered prompt change once a completion follows",
        "prompt_tokens_changed",
    ),
    tokens=True,
)
def unstable_template_prefix() -> pl.Expr:
    """Returns true where a token of the prompt does not stay."""
    return pl.col("prompt_tokens_changed") > 0
