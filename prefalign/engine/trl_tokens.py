"""What both of TRL's trainers need: our tokens as their data set, and a batch they can divide."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from transformers import TrainingArguments

from prefalign.config import RunConfig
from prefalign.tokenise import TokenStore
from prefdata.errors import ConfigError


def token_set(store: TokenStore) -> Dataset:
    """Returns the columns prompt_ids, chosen_ids and rejected_ids of a store, memory-mapped."""
    return Dataset(store.table).select_columns(["prompt_ids", "chosen_ids", "rejected_ids"])


def accumulate(arguments: TrainingArguments, config: RunConfig) -> Any:
    """Returns TRL's arguments with the accumulation that makes the global batch.

    Raises:
        ConfigError: there is none: TRL gives every process the same number of full micro-batches.
    """
    at_once = config.batch.micro_batch_size * arguments.world_size
    steps, rest = divmod(config.batch.global_batch_size, at_once)
    if rest:
        problem = (
            f"batch.global_batch_size: {config.batch.global_batch_size} is no multiple of "
            f"{config.batch.micro_batch_size} x {arguments.world_size} processes"
        )
        raise ConfigError([problem], source="engine trl", hint="engine prefalign takes any size")
    arguments.gradient_accumulation_steps = steps
    return arguments
