"""Pairs to token ids: exactly the ids that TRL 1.16's DPOTrainer builds for conversational rows.

The prompt is rendered with the generation prompt, and each completion together with its prompt. The
prompt's ids are the tokens that all three share from the start; a completion is what follows them. No
special tokens are added: a chat template writes its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from prefdata.errors import InputError
from prefdata.tokens.template import PairTexts, pair_texts
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
_SHOWN = 5  # refused rows named in a message
_COLUMNS = [
    *("id", "prompt_id", "prompt", "chosen", "rejected", "tools", "chat_template_kwargs"),
    *("file", "row"),
]


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

    Every distinct prompt is rendered once; text is tokenised in batches, on all cores.

    Args:
        tokenizer: from `load_tokenizer`.
        pairs: canonical pairs.
        progress: called after each batch with the number of pairs in it.

    Raises:
        InputError: the template refuses some rows; the message names them.
    """
    prompts: dict[tuple[str, str | None], str] = {}
    batches = []
    for part in pairs.select(_COLUMNS).iter_slices(_BATCH):
        batches.append(_render_batch(tokenizer, part, prompts))
        if progress:
            progress(part.height)
    return pa.Table.from_batches(batches, TOKENS)


def _render_batch(
    tokenizer: PreTrainedTokenizerBase,
    part: pl.DataFrame,
    prompts: dict[tuple[str, str | None], str],
) -> pa.RecordBatch:
    texts: list[PairTexts] = []
    refused: list[str] = []
    for row in part.iter_rows(named=True):
        key = (row["prompt_id"], row["chat_template_kwargs"])
        try:
            texts.append(pair_texts(tokenizer, row, prompts.get(key)))
        except InputError as error:
            refused.append(f"{row['file']}:{row['row']} ({row['id']}): {error.message}")
        else:
            prompts[key] = texts[-1].prompt
    if refused:
        raise _refusal(refused)
    ids = tokenise(tokenizer, (text for pair in texts for text in pair))
    sides = zip(*(split_sides(*(ids[text] for text in pair)) for pair in texts), strict=True)
    columns = [pa.array(part["id"].to_list(), pa.string()), *map(list_array, sides)]
    return pa.RecordBatch.from_arrays(columns, schema=TOKENS)


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


def _refusal(refused: list[str]) -> InputError:
    shown = "\n  ".join(refused[:_SHOWN])
    more = f"\n  and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
    return InputError(
        f"the chat template refuses {len(refused)} pairs:\n  {shown}{more}",
        hint="take these rows out, change their messages to what the template accepts, or use "
        "another model's template",
    )
