"""Pairs to token ids: exactly the ids that TRL 1.16's DPOTrainer builds for conversational rows.

The prompt is rendered with the generation prompt, and each completion together with its prompt. The
prompt's ids are the tokens that all three share from the start; a completion is what follows them. No
special tokens are added: a chat template writes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prefdata.errors import InputError
from prefdata.tokens.encode import Encoder, choose_encoder
from prefdata.tokens.encode_lists import split_pairs
from prefdata.tokens.load import special_tokens
from prefdata.tokens.render_texts import COLUMNS, TextRenderer
from prefdata.tokens.template import pair_texts
from prefdata.types import Messages

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedTokenizerBase

Ids: TypeAlias = NDArray[np.int32]
Progress: TypeAlias = Callable[[int], object]

TOKEN_IDS = pa.list_(pa.int32())
TOKENS = pa.schema(
    [
        ("id", pa.string()),
        ("prompt_ids", TOKEN_IDS),
        ("chosen_ids", TOKEN_IDS),
        ("rejected_ids", TOKEN_IDS),
    ]
)
_BATCH = 1024  # pairs tokenised in one call: enough to keep every core busy
_WORTH_PROOF = 2048  # pairs; fewer are tokenised before anything is proved
_SAMPLE = 256  # pairs, three texts each


class Rendered(NamedTuple):
    """Token ids of one pair; the model reads `prompt_ids + chosen_ids` for the chosen side."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]


def render(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Messages,
    chosen: Messages,
    rejected: Messages,
    tools: str | None = None,
    chat_template_kwargs: str | None = None,
) -> Rendered:
    """Returns the token ids of one pair.

    Args:
        tokenizer: from `load_tokenizer`.
        prompt: messages before the completion, at least one.
        chosen: messages of the better completion.
        rejected: messages of the other completion.
        tools: JSON text of the tool definitions.
        chat_template_kwargs: JSON text of further arguments of the template.

    Raises:
        InputError: the prompt is empty, or the template refuses the messages.
    """
    row = {
        "prompt": [msgspec.structs.asdict(message) for message in prompt],
        "chosen": [msgspec.structs.asdict(message) for message in chosen],
        "rejected": [msgspec.structs.asdict(message) for message in rejected],
        "tools": tools,
        "chat_template_kwargs": chat_template_kwargs,
    }
    texts = pair_texts(tokenizer, row)
    ids = tokenise(tokenizer, texts)
    return Rendered(*(side.tolist() for side in split_sides(*(ids[text] for text in texts))))


def render_frame(
    tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame, progress: Progress | None = None
) -> pa.Table:
    """Returns the token ids of every pair, in the order of `pairs`, as a table of schema `TOKENS`.

    Args:
        tokenizer: from `load_tokenizer`.
        pairs: canonical pairs.
        progress: called after each batch with the number of pairs in it.

    Raises:
        InputError: the template refuses some rows; the message names them.
    """
    encoder = encoder_for(tokenizer, pairs)
    return pa.Table.from_batches(render_batches(tokenizer, pairs, encoder, progress), TOKENS)


def render_batches(
    tokenizer: PreTrainedTokenizerBase,
    pairs: pl.DataFrame,
    encoder: Encoder,
    progress: Progress | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yields the token ids of every pair, batch by batch, as `render_frame` returns them.

    Args:
        tokenizer: from `load_tokenizer`.
        pairs: canonical pairs.
        encoder: from `encoder_for`.
        progress: called after each batch with the number of pairs in it.

    Raises:
        InputError: the template refuses some rows of a batch; the message names them.
    """
    renderer = TextRenderer(tokenizer)
    for part in pairs.select(COLUMNS).iter_slices(_BATCH):
        ids = encoder.encode(renderer.texts(part))
        sides = [side.to_arrow() for side in split_pairs(ids)]
        names = pa.array(part["id"].to_list(), pa.string())
        yield pa.RecordBatch.from_arrays([names, *sides], schema=TOKENS)
        if progress:
            progress(part.height)


def encoder_for(tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame) -> Encoder:
    """Returns the fastest encoder that is proved on a sample of `pairs` to have the tokenizer's ids."""
    if pairs.height < _WORTH_PROOF:
        return choose_encoder(tokenizer, [])
    try:
        sample = TextRenderer(tokenizer).texts(_sample(tokenizer, pairs).select(COLUMNS))
    except InputError:  # `render_batches` says so of all rows
        sample = []
    return choose_encoder(tokenizer, sample)


def _sample(tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame) -> pl.DataFrame:
    """Returns pairs from all over the set, those farthest from ASCII, and some with special tokens."""
    import polars as pl

    content = pl.element().struct.field("content")
    sides = ("prompt", "chosen", "rejected")
    foreign = pl.sum_horizontal(
        pl.col(side).list.eval(content.str.len_bytes() - content.str.len_chars()).list.sum()
        for side in sides
    )
    special = pl.any_horizontal(
        pl.col(side).list.eval(content.str.contains_any(special_tokens(tokenizer))).list.any()
        for side in sides
    )
    quarter = _SAMPLE // 4
    number = pl.int_range(pl.len())
    spread = pl.Series(np.linspace(0, pairs.height - 1, 2 * quarter).astype(np.int64))
    rows = pairs.select(
        foreign=foreign.arg_sort(descending=True).head(quarter).cast(pl.Int64).implode(),
        special=number.filter(special).head(quarter).cast(pl.Int64).implode(),
    ).row(0)
    chosen = pl.concat([spread, *(pl.Series(found, dtype=pl.Int64) for found in rows)])
    return pairs[chosen.unique().sort()]


def tokenise(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> dict[str, Ids]:
    """Returns the ids of each distinct text."""
    distinct = list(dict.fromkeys(texts))
    if not distinct:
        return {}
    encoded = tokenizer(
        distinct, add_special_tokens=False, return_attention_mask=False, verbose=False
    )["input_ids"]
    return {
        text: np.asarray(ids, dtype=np.int32) for text, ids in zip(distinct, encoded, strict=True)
    }


def split_sides(prompt: Ids, chosen: Ids, rejected: Ids) -> tuple[Ids, Ids, Ids]:
    """Returns the shared start, and what follows it on each side."""
    shared = min(_common_prefix(prompt, chosen), _common_prefix(prompt, rejected))
    return prompt[:shared], chosen[shared:], rejected[shared:]


def _common_prefix(a: Ids, b: Ids) -> int:
    shorter = min(len(a), len(b))
    different = np.flatnonzero(a[:shorter] != b[:shorter])
    return int(different[0]) if different.size else shorter


def list_array(rows: Sequence[Ids]) -> pa.ListArray:
    """Returns a column of `TOKENS`."""
    offsets = np.zeros(len(rows) + 1, dtype=np.int32)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(rows)))
