"""A text holds the markers of a chat template.

## What it does
Finds pairs with a template's control text inside a message: `<|im_start|>`, `<|eot_id|>` and every
other `<|name|>` (ChatML, Llama 3, Phi, Zephyr), DeepSeek's with full-width bars, `<start_of_turn>`
(Gemma), `[INST]` and `<<SYS>>` (Llama 2, Mistral), `<s>` and `</s>`, `<extra_id_0>` (NeMo), lines
that begin with `### Instruction:`, `### Response:`, `### Human:` or `### Assistant:` (Alpaca,
Vicuna), and texts that begin as a list of messages does, `[{"role":` or `[{'from':`, which is what
tables make of one.

## Why is this bad?
The data was rendered for another model. The tokenizer's own template is put around it, so the model
sees two sets of markers; where they are its own special tokens, a text can end the turn it stands
in.

## Example
```jsonl
{"prompt": "<|im_start|>user\\nName a colour.<|im_end|>", "chosen": "Blue.", "rejected": "Seven."}
```

## Fix
None. Convert from the messages the text was rendered from, or take the markers out at the source.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import row_rule
from prefdata.expressions import contents

MARKER = (
    r"(<[|\x{FF5C}][^<>|\x{FF5C}\s]{1,40}[|\x{FF5C}]>|<(?:start|end)_of_turn>"
    r"|\[/?INST\]|<</?SYS>>|</?s>|<extra_id_\d+>"
    r"|(?m:^### (?:Instruction|Input|Response|Human|Assistant|User|System):)"
    r"|\A\s*\[\s*\{\s*['\"](?:role|from|content|value)['\"]\s*:)"
)
SIDES = ("prompt", "chosen", "rejected")


def _first(side: str) -> pl.Expr:
    markers = contents(side).list.eval(pl.element().str.extract(MARKER)).list.drop_nulls()
    return pl.lit(f"{side} holds ") + markers.list.first()


@row_rule(
    "PD206",
    "template-marker-in-text",
    level="warning",
    message=pl.coalesce(_first(side) for side in SIDES),
)
def template_marker_in_text() -> pl.Expr:
    """Returns true where any message holds a marker."""
    return pl.any_horizontal(
        contents(side).list.eval(pl.element().str.contains(MARKER)).list.any() for side in SIDES
    )
