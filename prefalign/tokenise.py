"""Canonical pairs to a token store: rendered once, kept on disk, memory-mapped by every rank.

The file is named after everything that decides its content, so a second run, another rank or another
method finds it and renders nothing. Its `fingerprint` names the content itself.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import xxhash

from prefalign.cache import cache_dir, once
from prefalign.config import Data
from prefdata.errors import InputError
from prefdata.tokens import load_tokenizer, render_frame, tokenizer_digest, truncate
from prefdata.tokens.render import TOKENS, Progress

if TYPE_CHECKING:
    import polars as pl
    from transformers import PreTrainedTokenizerBase

_STORE_VERSION = 1


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
        fingerprint: hash of pair ids, token ids, tokenizer and options; equal fingerprints mean equal
            training data, whatever machine or library version made them.
        dropped: reason -> ids of the pairs that are not in the table.
        token_counts: what the model has to read.
        max_length: tokens of prompt + completion that no pair exceeds.
        truncation: what happened to longer ones.
    """

    table: pa.Table
    fingerprint: str
    dropped: dict[str, list[str]]
    token_counts: TokenCounts
    max_length: int
    truncation: str

    def __len__(self) -> int:
        return int(self.table.num_rows)


def tokenise(
    pairs: pl.DataFrame,
    tokenizer_name: str,
    data: Data,
    *,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
) -> TokenStore:
    """Returns the token store of `pairs`, from the cache if it is there.

    Safe to call in every rank at once: one renders, the others wait and read.

    Args:
        pairs: canonical pairs.
        tokenizer_name: directory, hub name or GGUF file.
        data: `max_length` and `truncation`.
        trust_remote_code: run Python code that comes with the tokenizer.
        progress: called with the number of pairs done after each batch, where it renders.

    Raises:
        InputError: the tokenizer cannot be loaded, its template refuses pairs, or the cache cannot be
            written.
    """
    tokenizer = load_tokenizer(tokenizer_name, trust_remote_code=trust_remote_code)
    digest = tokenizer_digest(tokenizer)
    path = cache_dir("tokens") / f"{_key(pairs, digest, data)}.arrow"
    once(path, partial(_render, tokenizer, digest, pairs, data, progress))
    return _read(path)


def _key(pairs: pl.DataFrame, digest: str, data: Data) -> str:
    """Returns a hash of what decides the token ids, libraries included."""
    import tokenizers
    import transformers

    hasher = xxhash.xxh3_128()
    settings = [_STORE_VERSION, transformers.__version__, tokenizers.__version__, digest]
    hasher.update(json.dumps([*settings, data.max_length, data.truncation]).encode())
    # an id is the hash of all the rest that a template sees
    for column in ("id", "chat_template_kwargs"):
        hasher.update(json.dumps(pairs[column].to_list()).encode())
    return hasher.hexdigest()


def _render(
    tokenizer: PreTrainedTokenizerBase,
    digest: str,
    pairs: pl.DataFrame,
    data: Data,
    progress: Progress | None,
    path: Path,
) -> None:
    """Writes the store of `pairs` to `path`."""
    rendered = render_frame(tokenizer, pairs, progress)
    table, dropped = truncate(rendered, data.max_length, data.truncation)
    options = {"max_length": data.max_length, "truncation": data.truncation}
    about = {
        "fingerprint": _fingerprint(table, {**options, "tokenizer": digest}),
        "dropped": dropped,
        **options,
    }
    table = table.replace_schema_metadata({"prefalign": json.dumps(about)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _fingerprint(table: pa.Table, options: dict[str, Any]) -> str:
    """Returns a hash of ids, token ids and options that does not see how the table is chunked."""
    hasher = xxhash.xxh3_128(json.dumps(options, sort_keys=True).encode())
    hasher.update(json.dumps(table["id"].to_pylist()).encode())
    for name in TOKENS.names[1:]:
        lengths = xxhash.xxh3_128()
        for chunk in table[name].chunks:
            lengths.update(chunk.value_lengths().to_numpy())
            hasher.update(chunk.flatten().to_numpy())
        hasher.update(lengths.digest())
    return hasher.hexdigest()


def _read(path: Path) -> TokenStore:
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        about = json.loads(table.schema.metadata[b"prefalign"])
    except (pa.ArrowInvalid, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a token store: {error}", hint=f"rm {path}") from error
    counts = TokenCounts(*(_tokens(table[name]) for name in TOKENS.names[1:]))
    return TokenStore(table.replace_schema_metadata(None), token_counts=counts, **about)


def _tokens(column: pa.ChunkedArray) -> int:
    return sum(int(chunk.offsets[-1].as_py() - chunk.offsets[0].as_py()) for chunk in column.chunks)
