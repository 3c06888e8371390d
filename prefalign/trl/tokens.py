"""What all of TRL's trainers need: our tokens as their data set, a batch they can divide, and their making."""

from __future__ import annotations

from typing import Any, TypeVar

from datasets import Dataset
from transformers import TrainingArguments

from prefalign.config import RunConfig
from prefalign.models.loading import lora_config
from prefalign.models.tokenizer import tokenizer_of
from prefalign.tokenise import TokenStore
from prefalign.training.measure import Instruments, Measured
from prefdata.errors import ConfigError

T = TypeVar("T", bound=Measured)

_NO_LABEL = -100


def token_set(store: TokenStore) -> Dataset:
    """Returns the columns prompt_ids, chosen_ids and rejected_ids of a store, memory-mapped."""
    return Dataset(store.table).select_columns(["prompt_ids", "chosen_ids", "rejected_ids"])


def labelled_row(feature: dict[str, list[int]]) -> dict[str, list[int]]:
    """Returns what TRL's older trainers (ORPO, CPO) make of a row of text, for a row of token ids."""
    prompt = feature["prompt_ids"]
    row = {"prompt_input_ids": prompt, "prompt_attention_mask": [1] * len(prompt)}
    for side in ("chosen", "rejected"):
        completion = feature[f"{side}_ids"]
        row[f"{side}_input_ids"] = prompt + completion
        row[f"{side}_attention_mask"] = [1] * len(prompt + completion)
        row[f"{side}_labels"] = [_NO_LABEL] * len(prompt) + completion
    return row


def accumulate(arguments: TrainingArguments, config: RunConfig) -> Any:
    """Returns TRL's arguments with the accumulation that makes the global batch.

    Raises:
        ConfigError: there is none: TRL gives every process the same number of full micro-batches.
    """
    at_once = config.batch.pairs_at_once * arguments.world_size
    steps, rest = divmod(config.batch.global_batch_size, at_once)
    if rest:
        problem = (
            f"batch.global_batch_size: {config.batch.global_batch_size} is no multiple of "
            f"{config.batch.micro_batch_size} x {arguments.world_size} processes"
        )
        raise ConfigError([problem], source="engine trl", hint="engine prefalign takes any size")
    arguments.gradient_accumulation_steps = steps
    return arguments


def build(
    kind: type[T],
    model: Any,
    config: RunConfig,
    settings: TrainingArguments,
    train: TokenStore,
    test: TokenStore | None,
    instruments: Instruments,
) -> T:
    """Returns a trainer of TRL's around an untouched `model`; adapters are added by TRL."""
    return kind(
        model,
        args=settings,
        train_dataset=token_set(train),
        eval_dataset=token_set(test) if test else None,
        processing_class=tokenizer_of(config.model),
        peft_config=lora_config(config.model.lora) if config.model.lora else None,
        instruments=instruments,
    )
