"""Canonical pairs to a token store: tokenised once, kept on disk, memory-mapped by every rank.

A file holds whole ids and is named after everything that decides them, so a second run, another rank
or another method finds it and tokenises nothing. What a `max_length` makes of it is read off, into a
file of its own where anything is dropped or cut. A `fingerprint` names the content itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import xxhash

from prefalign.cache import cache_dir, once
from prefalign.config import Data
from prefalign.token_file import read_tokens, write_tokens
from prefdata.tokens import tokenizer_digest, truncate
from prefdata.tokens.render import TOKENS, Progress, encoder_for, render_batches

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedTokenizerBase

_STORE_VERSION = 2
_BATCH = 4096  # pairs truncated at a time


class TokenCounts(NamedTuple):
    """Tokens of a store, summed over its pairs; a prompt counts once a pair."""

    prompt: int
    chosen: int
    rejected: int


@dataclass(frozen=True)
class TokenStore:
    """Token ids of the pairs that a run reads, DPO and ORPO alike.

    Attributes:
        table: schema `prefdata.tokens.render.TOKENS`, truncated, memory-mapped.
        fingerprint: hash of pair ids, token ids and what `max_length` and `truncation` make of them;
            equal fingerprints mean equal training data, whatever machine or library made them.
        dropped: reason -> ids of the pairs that are not in the table.
        token_counts: what the model has to read.
        max_length: tokens of prompt + completion that no pair exceeds.
        truncation: what happened to longer ones.
        library: what tokenised the pairs, and why nothing faster did.
    """

    table: pa.Table
    fingerprint: str
    dropped: dict[str, list[str]]
    token_counts: TokenCounts
    max_length: int
    truncation: str
    library: str = ""

    def __len__(self) -> int:
        return int(self.table.num_rows)


def tokenise(
    pairs: pl.DataFrame,
    tokenizer: PreTrainedTokenizerBase,
    data: Data,
    *,
    progress: Progress | None = None,
) -> TokenStore:
    """Returns the token store of `pairs`, from the cache if it is there.

    Safe to call in every rank at once: one renders, the others wait and read.

    Args:
        pairs: canonical pairs.
        tokenizer: with a chat template, from `prefdata.tokens.load_tokenizer`.
        data: `max_length` and `truncation`.
        progress: called with the number of pairs done after each batch, where it renders.

    Raises:
        InputError: the template refuses pairs, or the cache cannot be written.
    """
    directory = cache_dir("tokens")
    key = _key(pairs, tokenizer)
    whole = directory / f"{key}.arrow"
    once(whole, partial(_write, tokenizer, pairs, progress))
    table, about = read_tokens(whole)
    dropped: dict[str, list[str]] = {}
    if about["longest"] > data.max_length:
        cut = directory / f"{key}-{data.truncation}-{data.max_length}.arrow"
        once(cut, partial(_write_cut, table, data))
        table, cut_about = read_tokens(cut)
        dropped = cut_about["dropped"]
    return TokenStore(
        table=table,
        fingerprint=_fingerprint(about["content"], data),
        dropped=dropped,
        token_counts=TokenCounts(*(_tokens(table[name]) for name in TOKENS.names[1:])),
        max_length=data.max_length,
        truncation=data.truncation,
        library=about["library"],
    )


def _key(pairs: pl.DataFrame, tokenizer: PreTrainedTokenizerBase) -> str:
    """Returns a hash of what decides the token ids, libraries included."""
    import tokenizers
    import transformers

    hasher = xxhash.xxh3_128()
    versions = [_STORE_VERSION, transformers.__version__, tokenizers.__version__]
    hasher.update(json.dumps([*versions, tokenizer_digest(tokenizer)]).encode())
    # an id is the hash of all the rest that a template sees
    for column in ("id", "chat_template_kwargs"):
        hasher.update(json.dumps(pairs[column].to_list()).encode())
    return hasher.hexdigest()


def _fingerprint(content: str, data: Data) -> str:
    options = [content, data.max_length, data.truncation]
    return xxhash.xxh3_128_hexdigest(json.dumps(options).encode())


def _write(
    tokenizer: PreTrainedTokenizerBase,
    pairs: pl.DataFrame,
    progress: Progress | None,
    path: Path,
) -> None:
    """Writes the whole ids of `pairs` to `path`."""
    encoder = encoder_for(tokenizer, pairs)
    batches = render_batches(tokenizer, pairs, encoder, progress)
    write_tokens(path, batches, {"library": encoder.library})


def _write_cut(table: pa.Table, data: Data, path: Path) -> None:
    """Writes to `path` what is left of a store of whole ids."""
    dropped: dict[str, list[str]] = {}

    def batches() -> Iterator[pa.RecordBatch]:
        for batch in table.to_batches(max_chunksize=_BATCH):
            kept = truncate(pa.Table.from_batches([batch]), data.max_length, data.truncation)
            for reason, ids in kept.dropped.items():
                dropped.setdefault(reason, []).extend(ids)
            yield from kept.table.to_batches()

    write_tokens(path, batches(), {"dropped": dropped})


def _tokens(column: pa.ChunkedArray) -> int:
    return sum(int(chunk.offsets[-1].as_py() - chunk.offsets[0].as_py()) for chunk in column.chunks)
