"""A tool call has no result, or a result no call.

## What it does
Follows the conversation of each side and finds tool calls that the next turn does not answer, tool
results before which no tool was called, and results whose `tool_call_id` is none of the ids that
were called. A completion may end with a call: that is what it is judged for.

## Why is this bad?
Chat templates of models that use tools pair calls and results, and raise or render nonsense where
one is missing. The model learns to go on as if a tool had answered.

## Example
```jsonl
{"prompt": [{"role": "user", "content": "Rain?"}, {"role": "tool", "content": "Yes."}], "chosen": [{"role": "assistant", "content": "Yes."}], "rejected": [{"role": "assistant", "content": "No."}]}
```

## Fix
None. Take the missing turn from the source, or cut the conversation before the call.
"""

from __future__ import annotations

import polars as pl

from prefdata.checks import Evidence, set_rule
from prefdata.texts.messages import SIDES, turn_letters

NO_RESULT = "c[^t]"
NO_CALL = "(?:^|[^ct])t"
CALLED = r'"id"\s*:\s*"([^"]*)"'  # ids inside arguments are found, too: they only excuse more

_MESSAGE = pl.element().struct
COMPLETIONS = ("chosen", "rejected")


def _unknown_ids(side: str) -> pl.Expr:
    """Returns the ids that results name and no call has; empty where calls have no ids."""
    turns = pl.concat_list("prompt", side)
    answered = turns.list.eval(_MESSAGE.field("tool_call_id")).list.drop_nulls()
    calls = turns.list.eval(_MESSAGE.field("tool_calls")).list.join("", ignore_nulls=True)
    called = calls.str.extract_all(r'"id"\s*:\s*"[^"]*"').list.eval(
        pl.element().str.extract(CALLED)
    )
    return pl.when(called.list.len() > 0).then(answered.list.set_difference(called))


def _problem(side: str) -> pl.Expr:
    """Returns what is wrong with the conversation that ends with `side`, null if nothing is."""
    letters = turn_letters("prompt") + turn_letters(side)
    unknown = _unknown_ids(side).list.first()
    return (
        pl.when(letters.str.contains(NO_RESULT))
        .then(pl.lit("a tool call is followed by no result"))
        .when(letters.str.contains(NO_CALL))
        .then(pl.lit("a tool result follows no call"))
        .when(unknown.is_not_null())
        .then(pl.format("no call has the id {} of a tool result", unknown))
    )


@set_rule("PD133", "dangling-tool-call", level="error")
def dangling_tool_call(data: Evidence) -> pl.DataFrame:
    """Returns the pairs whose calls and results do not match; few sets have any, so these first."""
    tools = pl.any_horizontal(turn_letters(side).str.contains("[ct]") for side in SIDES)
    problem = pl.coalesce(_problem(side) for side in COMPLETIONS)
    return data.pairs.filter(tools).rechunk().select("index", message=problem).drop_nulls("message")
