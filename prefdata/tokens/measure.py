"""Every fact that token rules look at, measured batch by batch while pairs are rendered.

Unlike `render_frame` this goes on where a template refuses a row: the refusal is a fact, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from prefdata.errors import InputError
from prefdata.tokens.ends import Boundaries
from prefdata.tokens.facts import token_facts
from prefdata.tokens.load import special_tokens
from prefdata.tokens.render import TOKENS, Ids, Progress, list_array, split_sides, tokenise
from prefdata.tokens.rewrites import rewritten
from prefdata.tokens.template import PairTexts, pair_texts, renders_tools
from prefdata.tokens.truncate import Truncation

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedTokenizerBase

_BATCH = 1024  # pairs tokenised in one call: enough to keep every core busy
_COLUMNS = ("id", "prompt_id", "prompt", "chosen", "rejected", "tools", "chat_template_kwargs")
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

    measurer = _Measurer(tokenizer, max_length, truncation)
    parts = [measurer.measure(pairs.select(_COLUMNS).clear())]
    for part in pairs.select(_COLUMNS).iter_slices(_BATCH):
        parts.append(measurer.measure(part))
        if progress:
            progress(part.height)
    facts = pl.concat(parts)
    found = _special_tokens_in(pairs, special_tokens(tokenizer))
    return facts.with_columns(
        special_token=pl.when(facts["refusal"].is_null()).then(found).otherwise(None)
    )


class _Rendering(NamedTuple):
    """A row that the template takes, and its place in its batch."""

    place: int
    row: Mapping[str, Any]
    texts: PairTexts


class _Measurer:
    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, max_length: int, truncation: Truncation
    ) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._truncation = truncation
        self._boundaries = Boundaries(tokenizer)
        # by prompt and template arguments: the text, and whether tools are not in it
        self._prompts: dict[tuple[str, str | None], tuple[str, bool]] = {}

    def measure(self, part: pl.DataFrame) -> pl.DataFrame:
        """Returns the facts of a batch but for special tokens, one row a pair."""
        import polars as pl

        renderings: list[_Rendering] = []
        refusals: list[str | None] = [None] * part.height
        for index, row in enumerate(part.iter_rows(named=True)):
            try:
                renderings.append(_Rendering(index, row, self._texts(row)))
            except InputError as error:
                refusals[index] = error.message
        facts = self._facts(renderings)
        places = pl.Series("index", [rendering.place for rendering in renderings], pl.UInt32)
        refusal = pl.Series("refusal", refusals, pl.String)
        return (
            part.select("id", refusal)
            .with_row_index("index")
            .join(facts.drop("id").with_columns(places), "index", how="left", maintain_order="left")
            .drop("index")
        )

    def _texts(self, row: Mapping[str, Any]) -> PairTexts:
        key = (row["prompt_id"], row["chat_template_kwargs"])
        known = self._prompts.get(key)
        texts = pair_texts(self._tokenizer, row, known and known[0])
        if known is None:
            tools = json.loads(row["tools"]) if row["tools"] else None
            ignored = bool(tools) and not renders_tools(self._tokenizer, row, texts.prompt)
            self._prompts[key] = (texts.prompt, ignored)
        return texts

    def _facts(self, renderings: Sequence[_Rendering]) -> pl.DataFrame:
        import polars as pl

        ids = tokenise(self._tokenizer, (text for _, _, texts in renderings for text in texts))
        sides = [split_sides(*(ids[text] for text in texts)) for _, _, texts in renderings]
        of_rows = [
            self._row_facts(rendering, ids[rendering.texts.prompt], *split)
            for rendering, split in zip(renderings, sides, strict=True)
        ]
        names = [rendering.row["id"] for rendering in renderings]
        facts = token_facts(_table(names, sides), self._max_length, self._truncation)
        return facts.hstack(pl.DataFrame(of_rows, schema=_row_schema()))

    def _row_facts(
        self, rendering: _Rendering, alone: Ids, prompt: Ids, chosen: Ids, rejected: Ids
    ) -> dict[str, Any]:
        """Returns what takes the texts, or a look at single tokens; `alone` is the prompt by itself."""
        row = rendering.row
        ends = self._boundaries.ends({"chosen": chosen, "rejected": rejected})
        return {
            "prompt_tokens_changed": len(alone) - len(prompt),
            "rewritten": _rewritten(row, rendering.texts),
            "tools_ignored": self._prompts[row["prompt_id"], row["chat_template_kwargs"]][1],
            "doubled_bos": self._boundaries.begins_twice(alone),
            "missing_eos": ends.missing,
            "doubled_eos": ends.doubled,
        }


def _row_schema() -> pl.Schema:
    import polars as pl

    return pl.Schema(
        {
            "prompt_tokens_changed": pl.Int64,
            "rewritten": pl.String,
            "tools_ignored": pl.Boolean,
            "doubled_bos": pl.Boolean,
            "missing_eos": pl.String,
            "doubled_eos": pl.String,
        }
    )


def _table(names: Sequence[str], sides: Sequence[tuple[Ids, Ids, Ids]]) -> pa.Table:
    if not names:
        return TOKENS.empty_table()
    columns = [list_array(side) for side in zip(*sides, strict=True)]
    return pa.table([pa.array(names, pa.string()), *columns], schema=TOKENS)


def _rewritten(row: Mapping[str, Any], texts: PairTexts) -> str | None:
    changes = {
        "chosen": rewritten(row["chosen"], texts.chosen, texts.prompt),
        "rejected": rewritten(row["rejected"], texts.rejected, texts.prompt),
    }
    return ", ".join(f"{side} {what}" for side, what in changes.items() if what) or None


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
