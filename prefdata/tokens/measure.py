"""Every fact that token rules look at, measured batch by batch while pairs are rendered.

Unlike `render_frame` this goes on where a template refuses a row: the refusal is a fact, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from prefdata.tokens.encode import Encoder
from prefdata.tokens.encode_lists import IdLists, split_pairs
from prefdata.tokens.ends import Boundaries
from prefdata.tokens.facts import token_facts
from prefdata.tokens.load import special_tokens
from prefdata.tokens.render import TOKENS, Progress, encoder_for
from prefdata.tokens.render_texts import COLUMNS, TextRenderer, conversations
from prefdata.tokens.rewrites import rewritten
from prefdata.tokens.template import PairTexts, renders_tools
from prefdata.tokens.truncate import Truncation

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedTokenizerBase

_BATCH = 1024  # pairs tokenised in one call: enough to keep every core busy
_TEXT_FIELDS = ("content", "thinking", "tool_calls")


def measure_pairs(
    tokenizer: PreTrainedTokenizerBase,
    pairs: pl.DataFrame,
    max_length: int,
    truncation: Truncation = "keep_start",
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Returns one row a pair, in the order of `pairs`, with all that rules want to know of its tokens.

    Columns: those of `token_facts`, and
        refusal (String): why the template refuses the pair; the other columns are null then.
        prompt_tokens_changed (Int64): tokens at the end of the rendered prompt that are others once
            a completion follows.
        rewritten (String): what the template changes in an answer.
        tools_ignored (Boolean): the prompt has tools, and is the same text without them.
        doubled_bos (Boolean): the first two tokens are both the BOS token.
        missing_eos, doubled_eos (String): what is wrong with the ends of the sides.
        special_token (String): the first text in a message that the tokenizer reads as a control
            token. Pairs with images are not looked at: their placeholders are such texts.

    Args:
        tokenizer: from `load_tokenizer`.
        pairs: canonical pairs.
        max_length: tokens of prompt + completion, at least 2.
        truncation: as for `truncate`.
        progress: called after each batch with the number of pairs in it.
    """
    import polars as pl

    measurer = _Measurer(tokenizer, encoder_for(tokenizer, pairs), max_length, truncation)
    columns = pairs.select(COLUMNS)
    parts = [measurer.measure(columns.clear())]
    for part in columns.iter_slices(_BATCH):
        parts.append(measurer.measure(part))
        if progress:
            progress(part.height)
    facts = pl.concat(parts)
    found = _special_tokens_in(pairs, special_tokens(tokenizer))
    return facts.with_columns(
        special_token=pl.when(facts["refusal"].is_null()).then(found).otherwise(None)
    )


class _Measurer:
    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        encoder: Encoder,
        max_length: int,
        truncation: Truncation,
    ) -> None:
        self._tokenizer = tokenizer
        self._encoder = encoder
        self._max_length = max_length
        self._truncation = truncation
        self._renderer = TextRenderer(tokenizer)
        self._boundaries = Boundaries(tokenizer)
        self._ignored: dict[tuple[str, str | None], bool] = {}  # prompt, template arguments

    def measure(self, part: pl.DataFrame) -> pl.DataFrame:
        """Returns the facts of a batch but for special tokens, one row a pair."""
        import polars as pl

        attempts = self._renderer.attempts(part)
        texts = [attempt for attempt in attempts if isinstance(attempt, PairTexts)]
        refusals = [None if isinstance(a, PairTexts) else a.message for a in attempts]
        places = part.select("id", pl.Series("refusal", refusals, pl.String)).with_row_index()
        rendered = places["refusal"].is_null()
        facts = self._facts(part.filter(rendered), texts)
        facts = facts.drop("id").with_columns(places["index"].filter(rendered))
        return places.join(facts, "index", how="left", maintain_order="left").drop("index")

    def _facts(self, part: pl.DataFrame, texts: Sequence[PairTexts]) -> pl.DataFrame:
        """Returns the facts of pairs that the template takes; `texts` are theirs."""
        import polars as pl

        ids = self._encoder.encode(texts)
        prompt, chosen, rejected = split_pairs(ids)
        alone = ids.take(np.arange(0, 3 * part.height, 3))
        ends = self._boundaries.ends(chosen, rejected)
        table = _table(part["id"], prompt, chosen, rejected)
        return token_facts(table, self._max_length, self._truncation).with_columns(
            prompt_tokens_changed=pl.Series(alone.lengths - prompt.lengths, dtype=pl.Int64),
            rewritten=pl.Series(_rewrites(part, texts), dtype=pl.String),
            tools_ignored=pl.Series(self._ignored_tools(part, texts), dtype=pl.Boolean),
            doubled_bos=pl.Series(self._boundaries.begins_twice(alone), dtype=pl.Boolean),
            missing_eos=pl.Series([end.missing for end in ends], dtype=pl.String),
            doubled_eos=pl.Series([end.doubled for end in ends], dtype=pl.String),
        )

    def _ignored_tools(self, part: pl.DataFrame, texts: Sequence[PairTexts]) -> list[bool]:
        tools = part["tools"].to_list()
        given = [bool(definitions and json.loads(definitions)) for definitions in tools]
        return [
            has_tools and self._ignores(part.row(place, named=True), texts[place].prompt)
            for place, has_tools in enumerate(given)
        ]

    def _ignores(self, row: dict[str, Any], prompt: str) -> bool:
        key = (row["prompt_id"], row["chat_template_kwargs"])
        if key not in self._ignored:
            self._ignored[key] = not renders_tools(self._tokenizer, row, prompt)
        return self._ignored[key]


def _table(names: pl.Series, *sides: IdLists) -> pa.Table:
    columns = [pa.array(names.to_list(), pa.string()), *(side.to_arrow() for side in sides)]
    return pa.table(columns, schema=TOKENS)


def _rewrites(part: pl.DataFrame, texts: Sequence[PairTexts]) -> list[str | None]:
    """Returns of each pair what the template changes on its sides, or None."""
    sides = zip(conversations(part["chosen"]), conversations(part["rejected"]), strict=True)
    changes = (
        {
            "chosen": rewritten(chosen, text.chosen, text.prompt),
            "rejected": rewritten(rejected, text.rejected, text.prompt),
        }
        for (chosen, rejected), text in zip(sides, texts, strict=True)
    )
    return [
        ", ".join(f"{side} {what}" for side, what in change.items() if what) or None
        for change in changes
    ]


def _special_tokens_in(pairs: pl.DataFrame, tokens: list[str]) -> pl.Series:
    """Returns of each pair "SIDE holds TOKEN" for the first such text in its messages, or null."""
    import polars as pl

    message = pl.element().struct
    text = pl.concat_str(
        [message.field(name).fill_null("") for name in _TEXT_FIELDS], separator="\0"
    )
    found = [
        pl.lit(f"{side} holds ")
        + pl.col(side)
        .list.eval(text.str.extract_many(tokens).list.first())
        .list.drop_nulls()
        .list.first()
        for side in ("prompt", "chosen", "rejected")
    ]
    first = pl.when(pl.col("images").is_null()).then(pl.coalesce(found))
    return pairs.select(special_token=first).to_series()
