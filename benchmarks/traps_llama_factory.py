"""What LLaMA-Factory's reward and DPO stage makes of a trap: its own loading and tokenising, no training.

Text is registered with the alpaca formatting, lists of messages with the openai one, whose sides must be
one message each: a user takes it out of its list. The template is LLaMA-Factory's `chatml`, for it does
not use the tokenizer's.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.traps_sides import Observed, Seen, listening, load, messages, seen
from tests.traps.corpus import Trap

_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function",
    "system_tag": "system",
}
_LENGTH = 2048  # the default of cutoff_len


def warm_up() -> None:
    """Imports what every trap needs."""
    if importlib.util.find_spec("torchaudio") is None:  # imported for sound, which no trap has
        sys.modules["torchaudio"] = ModuleType("torchaudio")
    for name in ("data.loader", "data.template", "hparams"):
        importlib.import_module(f"llamafactory.{name}")


def observe(trap: Trap, folder: Path) -> Observed:
    """Prepares a trap's file in `folder`, which holds the tokenizers."""
    pairs: list[Seen] = []
    rows, error = 0, None
    with listening() as heard:
        try:
            data = load(folder / trap.file, trap)
            rows = len(data)
            pairs = list(_prepared(data, trap, folder))
        except Exception as failure:  # noqa: BLE001 - whatever a user would see
            error = messages(failure)
    return Observed(error=error, warned=heard, rows=rows, seen=pairs)


def _prepared(data: Any, trap: Trap, folder: Path) -> Iterator[Seen]:
    from llamafactory.data.loader import get_dataset
    from llamafactory.data.template import get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments
    from transformers import AutoTokenizer, Seq2SeqTrainingArguments

    registered = folder / "llama-factory"
    registered.mkdir(exist_ok=True)
    _register(data, registered)
    tokenizer = AutoTokenizer.from_pretrained(folder / trap.tokenizer)
    arguments = DataArguments(
        dataset="trap",
        dataset_dir=str(registered),
        template="chatml",
        cutoff_len=trap.max_length or _LENGTH,
    )
    template = get_template_and_fix_tokenizer(tokenizer, arguments)
    training = Seq2SeqTrainingArguments(str(folder / "run"), use_cpu=True, report_to="none")
    model = ModelArguments(model_name_or_path=str(folder / "model"))
    found = get_dataset(template, model, arguments, training, "rm", tokenizer)
    for row in found["train_dataset"]:
        yield _pair(row, tokenizer)


def _register(data: Any, folder: Path) -> None:
    """Writes the rows, and the entry of dataset_info.json that a user would."""
    rows = list(data)
    chat = any(isinstance(row.get("chosen"), list) for row in rows)
    with (folder / "trap.jsonl").open("w") as file:
        for row in rows:
            file.write(json.dumps(_alone(row) if chat else row, default=str) + "\n")
    named = ["chosen", "rejected", *({"system", "tools", "images"} & set(data.column_names))]
    columns = {name: name for name in named} | {"messages" if chat else "prompt": "prompt"}
    entry: dict[str, Any] = {"file_name": "trap.jsonl", "ranking": True, "columns": columns}
    if chat:
        entry |= {"formatting": "openai", "tags": _TAGS}
    (folder / "dataset_info.json").write_text(json.dumps({"trap": entry}))


def _alone(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row whose sides are the last of their messages."""
    last = {
        side: row[side][-1]
        for side in ("chosen", "rejected")
        if isinstance(row.get(side), list) and row[side]
    }
    return row | last


def _pair(row: dict[str, Any], tokenizer: Any) -> Seen:
    ids = {side: [i for i in row[f"{side}_labels"] if i >= 0] for side in ("chosen", "rejected")}
    prompt = row["chosen_input_ids"][: len(row["chosen_input_ids"]) - len(ids["chosen"])]
    texts = {side: tokenizer.decode(tokens) for side, tokens in (ids | {"prompt": prompt}).items()}
    return seen(texts, ids)
